/** OUTLIVE: stopping or killing the gateway stops no VM and loses no write; the next gateway takes over what runs. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { listDisks } from '../../gateway/api/disk.ts';
import { listVms, type Vm } from '../../gateway/api/vm.ts';
import { processesOf, startGateway, type TestGateway } from '../support/gateway.ts';
import { openConsole, type Person, untilSerial, untilState } from '../support/live.ts';

vi.setConfig({ testTimeout: 90_000 });

let gateway: TestGateway;
let person: Person;
let toy: Vm;

async function enter(): Promise<void> {
  person = { gateway, ...(await gateway.signIn()) };
  const { items } = await person.client.call(listVms, {});
  toy = await untilState(person, items[0]?.id ?? '', 'running');
  await untilSerial(gateway.dataDir, toy.id, /oriel-toy boot 1/);
}

const qemuPids = (): number[] =>
  processesOf(gateway.dataDir).flatMap(({ pid, command }) => (command.includes('qemu-system') ? [pid] : []));
/** How many times the guest has written, as the guest says. */
const lastWrite = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/oriel-toy wrote (\d+)/g)].map((match) => Number(match[1])));

beforeAll(async () => {
  gateway = await startGateway();
  await enter();
});
afterAll(() => gateway.stop());

describe('OUTLIVE', () => {
  test.for(['SIGKILL', 'SIGINT'] as const)(
    'a gateway that ends by %s leaves the guest writing, and the next one shows it',
    async (signal) => {
      const before = await openConsole(person, toy.id);
      before.type('\u0017');
      await before.says(/oriel-toy wrote \d+/);
      const writtenBefore = lastWrite(before.text());
      const pids = qemuPids();
      expect(pids).toHaveLength(1);

      await gateway.end(signal);
      expect(qemuPids()).toEqual(pids);
      gateway = await gateway.again();
      await enter();

      expect(qemuPids()).toEqual(pids);
      expect(toy.boots).toBe(1);
      const after = await openConsole(person, toy.id);
      const isFurther = new RegExp(`oriel-toy wrote (?!${writtenBefore}\\b)\\d+`);
      await after.says(isFurther);
      expect(lastWrite(after.text())).toBeGreaterThan(writtenBefore);
      expect(after.text()).not.toContain('boot 2');
      after.type('\u0017');
      after.close();
    },
  );

  test('the disk that was written to is the same one, still open', async () => {
    const { items } = await person.client.call(listDisks, { query: { kind: 'disk' } });
    expect(items).toMatchObject([{ vm: { id: toy.id }, health: { state: 'ok' }, chainLength: 2 }]);
  });

  test('a gateway that ended by a signal says that VMs run on and how to stop them', async () => {
    await gateway.end();
    expect(gateway.output()).toContain('VMs and the disk service run on. To stop them too: npx oriel stop --all');
    gateway = await gateway.again();
    await enter();
  });
});
