/** Checkpoints on real disks: what a guest wrote is what it finds when it goes back, and nothing is lost by a kill. */
import { FakeHost, fakeDriver } from '@oriel/hosts';
import { connectNbd, type NbdClient } from '@oriel/vhd';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Checkpoint } from '../../../api/checkpoint.ts';
import { type Vm, VmCreate } from '../../../api/vm.ts';
import { openLog } from '../../log.ts';
import { planKind, planned } from '../../platform/tasks/plan.ts';
import { Tasks } from '../../platform/tasks/tasks.ts';
import { killedAt, killPoints } from '../../platform/tasks/testing/kill-points.ts';
import { StoredCheckpointDisks } from '../../storage/library/checkpoint-disks.ts';
import { TestStorages } from '../../storage/testing/storages.ts';
import { Hosts } from '../hosts/hosts.ts';
import { ownerOf } from '../vms/ports.ts';
import { Vms } from '../vms/vms.ts';
import { Checkpoints } from './checkpoints.ts';
import { type RevertState, revertSteps } from './revert.ts';
import { takingSteps } from './taking.ts';

const log = openLog({ level: 'silent' });
const fake = new FakeHost({ name: 'one' });
let at: TestStorages;
let hosts: Hosts;
let tasks: Tasks;
let vms: Vms;
let checkpoints: Checkpoints;

beforeEach(async () => {
  at = new TestStorages();
  await at.open();
  const kinds = { fake: async () => fakeDriver(fake) };
  hosts = new Hosts({ db: at.store.db, hub: at.hub, log, now: Date.now, kinds });
  await hosts.create({ name: 'one', kind: 'fake', config: {} });
  await hosts.tried();
  openGateway();
});
afterEach(async () => {
  await tasks.close();
  await vms.close();
  await hosts.close();
  await at.close();
  fake.vms.clear();
});

const newTasks = (): Tasks => new Tasks({ store: at.tasks, hub: at.hub, log, now: Date.now });
const newDisks = () => new StoredCheckpointDisks(at.storages, at.disks);

function openGateway(): void {
  tasks = newTasks();
  const forgets = [(vm: Parameters<Checkpoints['forget']>[0]) => checkpoints.forget(vm)];
  vms = new Vms({ store: at.vms, hosts, disks: at.disks, tasks, forgets, hub: at.hub, log, now: Date.now });
  checkpoints = new Checkpoints({ store: at.checkpoints, vmStore: at.vms, vms, hosts, disks: newDisks(), tasks });
}

async function vmWith(disks: number): Promise<Vm> {
  const source = { from: 'blank', sizeBytes: 1 << 20 } as const;
  const vm = await vms.create(VmCreate.parse({ name: 'desk', source }));
  for (let more = 1; more < disks; more++) await at.disks.create(`more-${more}`, 'more', source, ownerOf(vm.id));
  const added = Array.from({ length: disks - 1 }, (_, index) => ({
    diskId: `more-${index + 1}`,
    bus: 'virtio-blk' as const,
  }));
  return disks === 1 ? vm : await vms.edit(vm.id, { disks: [...vm.disks, ...added] });
}

/** As a guest would, through NBD. The disks of a VM that is off are let go of: who comes in that moment comes again. */
async function onDisk<T>(diskId: string, work: (disk: NbdClient) => Promise<T>): Promise<T> {
  return await vi.waitFor(async () => {
    const disk = await connectNbd(await at.disks.serve(diskId, { fresh: true }));
    const result = await work(disk);
    await disk.close();
    await at.disks.release(diskId);
    return result;
  });
}
const write = (diskId: string, text: string): Promise<void> =>
  onDisk(diskId, async (disk) => {
    await disk.write(Buffer.from(text), 0);
    await disk.flush();
  });
const read = (diskId: string): Promise<string> =>
  onDisk(diskId, async (disk) => {
    const bytes = Buffer.alloc(1);
    await disk.read(bytes, 0);
    return bytes.toString();
  });
const hold = async (vmId: string): Promise<string> => {
  const texts = await Promise.all((await vms.get(vmId)).disks.map(({ diskId }) => read(diskId)));
  return texts.join('');
};
const take = (vmId: string, name: string): Promise<Checkpoint> =>
  checkpoints.create(vmId, { name, withMemory: false }, 'user-1');
const tree = async (vmId: string): Promise<string[]> => {
  const all = await checkpoints.list(vmId);
  const nameOf = new Map(all.map(({ id, name }) => [id, name]));
  return all.map(({ name, parentId, isCurrent }) => {
    const parent = parentId === null ? '' : `${nameOf.get(parentId)} > `;
    return `${parent}${name}${isCurrent ? ' *' : ''}`;
  });
};

describe('a checkpoint', () => {
  test('has every disk at one instant, belongs to the VM, and says what it is worth', async () => {
    const vm = await vmWith(2);
    for (const { diskId } of vm.disks) await write(diskId, 'A');
    expect(await take(vm.id, 'first')).toMatchObject({
      name: 'first',
      diskCount: 2,
      consistency: 'file-system',
      reason: 'it has not run yet',
      madeBy: 'user-1',
      isCurrent: true,
      hasMemory: false,
    });
    const disks = await at.client('main').listDisks();
    const operations = new Set(disks.map(({ snapshots }) => snapshots[0]?.operationId));
    expect(operations.size).toBe(1);
    expect(disks.map(({ snapshots }) => snapshots[0]?.owner)).toEqual([ownerOf(vm.id), ownerOf(vm.id)]);
  });

  test('of a VM without a disk, or with its memory where that cannot be, is refused', async () => {
    const bare = await vms.create(VmCreate.parse({ name: 'bare', source: { from: 'none' } }));
    await expect(take(bare.id, 'x')).rejects.toMatchObject({ code: 'CONFLICT' });
    const vm = await vmWith(1);
    const withMemory = checkpoints.create(vm.id, { name: 'x', withMemory: true }, 'user-1');
    await expect(withMemory).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(await checkpoints.list(vm.id)).toEqual([]);
  });
});

describe('going back', () => {
  // Guards against a leaf that is discarded: what was kept then held what came before.
  test('gives what was there then, keeps what was there now, and comes back again: a tree', async () => {
    const vm = await vmWith(2);
    const writeAll = async (text: string): Promise<void> => {
      for (const { diskId } of (await vms.get(vm.id)).disks) await write(diskId, text);
    };
    await writeAll('A');
    const first = await take(vm.id, 'first');
    await writeAll('B');
    await take(vm.id, 'second');
    await writeAll('C');
    await checkpoints.revert(vm.id, first.id, true, 'user-1');
    expect(await hold(vm.id)).toBe('AA');
    expect(await tree(vm.id)).toEqual(['first *', 'first > second', 'second > Before going back to first']);
    await writeAll('D');
    await take(vm.id, 'third');
    const kept = (await checkpoints.list(vm.id)).find(({ name }) => name.startsWith('Before'));
    await checkpoints.revert(vm.id, kept?.id ?? '', false, 'user-1');
    expect(await hold(vm.id)).toBe('CC');
    expect(await tree(vm.id)).toEqual([
      'first',
      'first > second',
      'second > Before going back to first *',
      'first > third',
    ]);
    expect(await at.sweeper.look('main')).toEqual([]);
  });

  test('is for a VM that is off, and to a checkpoint of its own', async () => {
    const vm = await vmWith(1);
    const { id } = await take(vm.id, 'first');
    await expect(checkpoints.revert(vm.id, 'another', true, 'user-1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const isUp = at.next(({ topic, data }) => (topic === 'vm' && (data as Vm).state === 'running' ? true : undefined));
    vms.open();
    await vms.start(vm.id);
    await isUp;
    await expect(checkpoints.revert(vm.id, id, true, 'user-1')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('deleting', () => {
  test('leaves what the VM holds, and is refused where something stands on it', async () => {
    const vm = await vmWith(1);
    const diskId = vm.disks[0]?.diskId ?? '';
    await write(diskId, 'A');
    const first = await take(vm.id, 'first');
    await write(diskId, 'B');
    const second = await take(vm.id, 'second');
    const gone = await checkpoints.delete(vm.id, second.id, 'user-1');
    expect(await tasks.settled(gone.id)).toMatchObject({ state: 'done' });
    expect(await hold(vm.id)).toBe('B');
    expect(await tree(vm.id)).toEqual(['first *']);
    await checkpoints.revert(vm.id, first.id, true, 'user-1');
    await expect(checkpoints.delete(vm.id, first.id, 'user-1')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await hold(vm.id)).toBe('A');
  });

  test('a VM takes the disks that only its checkpoints were in with it', async () => {
    const vm = await vmWith(2);
    const { id } = await take(vm.id, 'first');
    await checkpoints.revert(vm.id, id, true, 'user-1');
    await checkpoints.revert(vm.id, id, true, 'user-1');
    expect(await at.client('main').listDisks()).toHaveLength(6);
    const isGone = at.next(({ topic, kind }) => (topic === 'vm' && kind === 'removed' ? true : undefined));
    vms.open();
    await vms.delete(vm.id, 'delete');
    await isGone;
    expect(await at.client('main').listDisks()).toEqual([]);
  });
});

describe('a gateway that is killed while a VM goes back', () => {
  const none = undefined as never;
  const taking = takingSteps({ store: none, disks: none, look: none });
  const points = killPoints(revertSteps({ store: none, disks: none, taking, changed: none }), 'do');

  // Guards against disks whose ids are chosen in the step.
  test.for(points)('$when step $step is followed by one that finishes it, and nothing is lost', async (point) => {
    const vm = await vmWith(2);
    for (const { diskId } of vm.disks) await write(diskId, 'A');
    const first = await take(vm.id, 'first');
    for (const { diskId } of vm.disks) await write(diskId, 'B');
    const disks = newDisks();
    const look = async () => ({ id: vm.id as never, seen: undefined, agent: undefined });
    const real = revertSteps({
      store: at.checkpoints,
      disks,
      taking: takingSteps({ store: at.checkpoints, disks, look }),
      changed: async () => undefined,
    });
    const { steps, isDead } = killedAt(real, point);
    const dying = newTasks();
    const kind = planKind<RevertState>({
      kind: 'vm.revert',
      needs: 'manage',
      lane: 'compute',
      canCancel: false,
      steps,
    });
    dying.register(kind);
    const stored = (await at.checkpoints.of(vm.id))[0];
    const before = (await at.vms.require(vm.id)).disks;
    const after = (stored?.disks ?? []).map((one) => ({ ...one, newDiskId: disks.branchId(one, 'desk') }));
    const kept = { id: '11111111-2222-4333-8444-555555555555', vmId: vm.id, name: 'kept', madeBy: null, disks: before };
    const state: RevertState = {
      vmId: vm.id,
      checkpointId: first.id,
      standsOn: first.id,
      kept,
      before,
      after,
      name: 'desk',
    };
    const { id } = await dying.start({ kind, title: 'back', startedBy: null, payload: planned(state) });
    await isDead;
    await tasks.close();
    openGateway();
    await tasks.resume();
    expect(await tasks.settled(id)).toMatchObject({ state: 'done' });
    expect(await hold(vm.id)).toBe('AA');
    await checkpoints.revert(vm.id, kept.id, false, 'user-1');
    expect(await hold(vm.id)).toBe('BB');
    expect(await at.sweeper.look('main')).toEqual([]);
  });
});
