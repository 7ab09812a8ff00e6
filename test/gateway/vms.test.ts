/** VMs through the API, on the real disk service and real QEMU. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { deleteDisk, getDisk, growDisk, listDisks } from '../../gateway/api/disk.ts';
import { listHosts } from '../../gateway/api/host.ts';
import { getTask } from '../../gateway/api/task.ts';
import {
  createVm,
  deleteVm,
  editVm,
  getVm,
  getVmLog,
  pauseVm,
  resetVm,
  resumeVm,
  saveVm,
  startVm,
  stopVm,
  type Vm,
} from '../../gateway/api/vm.ts';
import { processesOf, startGateway, type TestGateway } from '../support/gateway.ts';
import { openConsole, type Person, untilGone, untilSerial, untilState, untilVm } from '../support/live.ts';

vi.setConfig({ testTimeout: 90_000 });

let gateway: TestGateway;
let person: Person;
/** Calls a route as the admin. */
const call: Person['client']['call'] = (route, input) => person.client.call(route, input);

beforeAll(async () => {
  gateway = await startGateway();
  person = { gateway, ...(await gateway.signIn()) };
  const { items } = await call(listHosts, {});
  expect(items).toMatchObject([{ name: 'local', kind: 'qemu' }]);
});
afterAll(() => gateway.stop());

const TOY = { machine: 'pc', memoryMiB: 32, agent: false } as const;

async function make(name: string, wanted: 'running' | 'stopped' = 'running'): Promise<Vm> {
  const body = { name, source: { from: 'template', templateId: 'toy' }, bus: 'ide', hardware: TOY, wanted } as const;
  return await call(createVm, { body });
}
const serial = (vm: Vm, pattern: RegExp): Promise<RegExpExecArray> => untilSerial(gateway.dataDir, vm.id, pattern);
const at = (vm: Vm): { params: { vmId: string } } => ({ params: { vmId: vm.id } });

describe('a VM', () => {
  test('is made from a template as a linked clone, runs, and is deleted with its disk', async () => {
    const vm = await make('clone');
    expect(await untilState(person, vm.id, 'running')).toMatchObject({ boots: 1, reason: null });
    const disk = await call(getDisk, { params: { diskId: vm.disks[0]?.diskId ?? '' } });
    expect(disk).toMatchObject({ kind: 'disk', parentId: 'toy', vm: { id: vm.id, name: 'clone' } });
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
    await untilGone(person, vm.id);
    await expect(call(getDisk, { params: { diskId: disk.id } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('keeps its disk where that is asked for, and another VM can have it then', async () => {
    const first = await make('first');
    await untilState(person, first.id, 'running');
    await serial(first, /oriel-toy boot 1/);
    await call(deleteVm, { ...at(first), query: { disks: 'keep' } });
    await untilGone(person, first.id);
    const diskId = first.disks[0]?.diskId ?? '';
    const body = {
      name: 'second',
      source: { from: 'disk', diskId },
      bus: 'ide',
      hardware: TOY,
      wanted: 'running',
    } as const;
    const second = await call(createVm, { body });
    await untilState(person, second.id, 'running');
    await serial(second, /oriel-toy boot 2/);
    await call(deleteVm, { ...at(second), query: { disks: 'delete' } });
    await untilGone(person, second.id);
  });

  test('goes through its states', async () => {
    const vm = await make('states', 'stopped');
    expect(vm).toMatchObject({ state: 'stopped', boots: 0 });
    await call(startVm, at(vm));
    await untilState(person, vm.id, 'running');
    await call(pauseVm, at(vm));
    await untilState(person, vm.id, 'paused');
    await call(resumeVm, at(vm));
    await untilState(person, vm.id, 'running');
    await call(resetVm, at(vm));
    expect(await untilVm(person, vm.id, (seen) => seen.boots === 2)).toMatchObject({ state: 'running' });
    await call(stopVm, { ...at(vm), body: {} });
    await untilState(person, vm.id, 'stopped');
    const events = async (): Promise<string[]> => (await call(getVmLog, at(vm))).items.map((entry) => entry.event);
    await expect.poll(events).toEqual(['stop', 'reset', 'resume', 'pause', 'start', 'created']);
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });

  test('is saved to a file and comes back where it was', async () => {
    const vm = await make('saved');
    await untilState(person, vm.id, 'running');
    await serial(vm, /boot 1/);
    await call(saveVm, at(vm));
    await untilState(person, vm.id, 'saved');
    const hardware = { ...vm.hardware, memoryMiB: 64 };
    await expect(call(editVm, { ...at(vm), body: { hardware } })).rejects.toMatchObject({ code: 'CONFLICT' });
    await call(startVm, at(vm));
    expect(await untilState(person, vm.id, 'running')).toMatchObject({ boots: 1 });
    const again = await openConsole(person, vm.id);
    again.type('still here');
    await again.says(/still here/);
    expect(again.text()).not.toContain('boot 2');
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });

  test('that shuts itself down stays off', async () => {
    const vm = await make('self');
    await untilState(person, vm.id, 'running');
    await serial(vm, /boot 1/);
    const console1 = await openConsole(person, vm.id);
    console1.type('\u0010');
    const off = await untilState(person, vm.id, 'stopped');
    expect(off).toMatchObject({ wanted: 'stopped', reason: 'the guest shut down' });
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });

  test('that runs is told when its disk grows', async () => {
    const vm = await make('grows');
    await untilState(person, vm.id, 'running');
    await serial(vm, /boot 1/);
    const diskId = vm.disks[0]?.diskId ?? '';
    const sizeBytes = 1 << 30;
    const task = await call(growDisk, { params: { diskId }, body: { sizeBytes } });
    const state = async (): Promise<string> => (await call(getTask, { params: { taskId: task.id } })).state;
    await expect.poll(state, { timeout: 30_000 }).toBe('done');
    const { items } = await call(getVmLog, at(vm));
    expect(items.find(({ event }) => event === 'disk-grown')).toMatchObject({
      level: 'info',
      message: expect.stringContaining(`${sizeBytes} bytes`),
    });
    // The guest writes on through the new connection.
    const console1 = await openConsole(person, vm.id);
    console1.type('after');
    await console1.says(/after/);
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });

  test('whose QEMU is killed is started again', async () => {
    const vm = await make('killed');
    await untilState(person, vm.id, 'running');
    await serial(vm, /boot 1/);
    const [qemu] = processesOf(gateway.dataDir).filter(
      ({ command }) => command.includes('qemu-system') && command.includes(vm.id),
    );
    process.kill(qemu?.pid ?? 0, 'SIGKILL');
    expect(await untilVm(person, vm.id, (seen) => seen.boots === 2 && seen.state === 'running')).toBeDefined();
    await serial(vm, /boot 2/);
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });
});

describe('ONE-WRITER', () => {
  test('two VMs on one disk are refused, and the error does not say whose it is: that VM may be hidden', async () => {
    const { items } = await call(listDisks, { query: { kind: 'disk' } });
    const taken = items.find((disk) => disk.vm?.name === 'toy');
    const source = { from: 'disk', diskId: taken?.id ?? '' } as const;
    const refused = call(createVm, { body: { name: 'thief', source, hardware: TOY } });
    await expect(refused).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('in use by'),
    });
    const empty = await call(createVm, { body: { name: 'empty', source: { from: 'none' }, hardware: TOY } });
    const body = { disks: [{ diskId: taken?.id ?? '' }] };
    await expect(call(editVm, { ...at(empty), body })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('in use by'),
    });
    await expect(call(deleteDisk, { params: { diskId: taken?.id ?? '' } })).rejects.toMatchObject({ code: 'CONFLICT' });
    await call(deleteVm, { ...at(empty), query: { disks: 'keep' } });
  });
});

describe('what is refused', () => {
  test('a name that is taken, a template that is not there, a host that is not there', async () => {
    await expect(make('toy')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const source = { from: 'template', templateId: 'nothing' } as const;
    await expect(call(createVm, { body: { name: 'x', source } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const body = { name: 'x', hostId: 'nowhere', source: { from: 'none' } } as const;
    await expect(call(createVm, { body })).rejects.toMatchObject({ code: 'UNPROCESSABLE' });
  });

  test('a deletion that does not say what happens to the disks', async () => {
    const headers = { cookie: person.cookie, origin: gateway.origin };
    const answer = await fetch(`${gateway.origin}/api/v1/vms/x?disks=maybe`, { method: 'DELETE', headers });
    expect(answer.status).toBeOneOf([400, 404]);
    const { items } = await call(listDisks, { query: { kind: 'disk' } });
    expect(items.length).toBeGreaterThan(0);
  });

  test('a lost race', async () => {
    const vm = await make('race', 'stopped');
    const { etag } = await person.client.send(getVm, at(vm));
    await call(editVm, { ...at(vm), body: { description: 'mine' }, ifMatch: etag });
    const late = call(editVm, { ...at(vm), body: { description: 'theirs' }, ifMatch: etag });
    await expect(late).rejects.toMatchObject({ code: 'CHANGED_MEANWHILE' });
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
  });

  test('a name with shell characters is just a name', async () => {
    const name = '$(reboot); `id` "\'&|<> ../x';
    const vm = await make(name);
    expect(await untilState(person, vm.id, 'running')).toMatchObject({ name });
    await call(deleteVm, { ...at(vm), query: { disks: 'delete' } });
    await untilGone(person, vm.id);
  });
});
