// A save that is cut by the end of its driver: the next driver finishes it, the guest loses nothing and boots no second time.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostDriver, type VmObservation, vmId, vmSpec } from '@oriel/hosts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bootsOnDisk, guestSays, type NbdServer, processesWith, Scratch } from './harness.ts';

const id = vmId('one');
let scratch: Scratch;
let disk: NbdServer;
let driver: HostDriver;

beforeEach(async () => {
  scratch = await Scratch.create();
  disk = await scratch.toyDisk('one');
  driver = scratch.driver();
  await driver.connect();
  await driver.apply(vmSpec(scratch.bootable(id, disk))).done;
  await driver.power(id, 'start').done;
  await guestSays(driver, id, 'oriel-toy boot 1\r\n');
});
afterEach(async () => {
  try {
    await scratch.removeAll(driver);
  } finally {
    await driver.close();
    await scratch.close(); // Kills what is left, then fails for it.
  }
});

const file = (name: string): string => join(scratch.runDir, id, name);
const one = async (): Promise<VmObservation> => (await driver.list())[0] as VmObservation;
const partial = (): number => statSync(file('saved.mem.part'), { throwIfNoEntry: false })?.size ?? -1;

/** Each is looked for without a pause: some last a few milliseconds. */
const MOMENTS: readonly { readonly when: string; readonly isNow: () => boolean }[] = [
  { when: 'it has begun', isNow: () => existsSync(file('task.json')) },
  { when: 'its file is there', isNow: () => 0 <= partial() },
  { when: 'half of the memory is written', isNow: () => 65_536 < partial() },
  { when: 'the memory is whole', isNow: () => existsSync(file('saved.mem')) },
  { when: 'the record says so', isNow: () => readFileSync(file('vm.json'), 'utf8').includes('"saved"') },
];

async function reach(isNow: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !isNow(); ) {
    if (end < Date.now()) throw new Error('the save did not get that far');
    await new Promise(setImmediate);
  }
}

/** Another process that drives the same folder and saves. */
function saveElsewhere(): ChildProcess {
  const dist = fileURLToPath(new URL('../../hosts/dist/index.js', import.meta.url));
  const script = `
    const { qemuDriver, vmId } = await import(${JSON.stringify(dist)});
    const driver = qemuDriver({ runDir: ${JSON.stringify(scratch.runDir)}, accelerator: 'tcg' });
    await driver.connect();
    await driver.power(vmId('one'), 'save').done;
    setInterval(() => undefined, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Whatever the last driver left under way ends well, the VM is saved, and its guest goes on where it was. */
async function expectFinished(): Promise<void> {
  driver = scratch.driver();
  await driver.connect();
  await Promise.all(driver.tasks().map((task) => task.done));
  expect((await one()).state).toMatchObject({ state: 'saved' });
  expect(processesWith(scratch.folder).filter(({ words }) => words.includes('qemu-system'))).toEqual([]);
  expect([partial(), existsSync(file('sav')), existsSync(file('task.json'))]).toEqual([-1, false, false]);
  await driver.power(id, 'start').done;
  await driver.screen?.keys(id, [['h'], ['i']]);
  await guestSays(driver, id, 'hi');
  expect((await one()).boots).toBe(1);
  expect(await bootsOnDisk(disk.image)).toBe(1);
}

describe('a save that is cut', () => {
  test.for(MOMENTS)('by SIGKILL when $when is finished by the next driver', async ({ isNow }) => {
    await driver.close();
    const child = saveElsewhere();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    await reach(isNow).finally(() => child.kill('SIGKILL'));
    await gone;
    await expectFinished();
  });

  test.for(MOMENTS)('by the driver closing when $when is finished by the next driver', async ({ isNow }) => {
    const ended = driver.power(id, 'save').done.then(
      () => 'saved',
      (error: { code: string }) => error.code,
    );
    await reach(isNow);
    await driver.close();
    await expectFinished();
    expect(['saved', 'HOST_CLOSED']).toContain(await ended);
  });

  test('after the record says saved: QEMU is ended, its guest does not run beside its memory', async () => {
    await driver.power(id, 'pause').done;
    await driver.close();
    const record = JSON.parse(await readFile(file('vm.json'), 'utf8')) as object;
    const rest = { state: { state: 'saved', savedAt: 1 }, since: 1 };
    await writeFile(file('vm.json'), JSON.stringify({ ...record, rest }));
    await writeFile(file('saved.mem'), 'whole');
    await writeFile(file('task.json'), JSON.stringify({ version: 1, id: 'task-1', kind: 'save', startedAt: 1 }));
    driver = scratch.driver();
    await driver.connect();
    await Promise.all(driver.tasks().map((task) => task.done));
    expect((await one()).state).toMatchObject({ state: 'saved' });
    expect(await readFile(file('saved.mem'), 'utf8')).toBe('whole');
  });
});
