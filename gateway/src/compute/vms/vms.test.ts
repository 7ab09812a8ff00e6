/** VMs kept as they are wanted, on fake hosts that fail, hang and lose their cable. Real store, real events. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeHost, fakeDriver, type VmId } from '@oriel/hosts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Vm, VmCreate, VmHardware } from '../../../api/vm.ts';
import { openLog } from '../../log.ts';
import { EventHub } from '../../platform/events/hub.ts';
import { openStore, type Store } from '../../platform/store/store.ts';
import { TaskStore } from '../../platform/tasks/task-store.ts';
import { Tasks } from '../../platform/tasks/tasks.ts';
import { Hosts } from '../hosts/hosts.ts';
import { NamedDisks } from './testing/named-disks.ts';
import { VmStore } from './vm-store.ts';
import { Vms } from './vms.ts';

let folder: string;
let store: Store;
let hub: EventHub;
let disks: NamedDisks;
let hosts: Hosts;
let vms: Vms;
let tasks: Tasks;
const fakes = new Map<string, FakeHost>();

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-vms-'));
  store = await openStore({ folder });
  disks = new NamedDisks();
  fakes.clear();
  await open();
});
afterEach(async () => {
  await close();
  await store.close();
  rmSync(folder, { recursive: true });
});

/** A gateway's worth of it; the fake hosts outlive it as real ones do. */
async function open(): Promise<void> {
  hub = new EventHub();
  const log = openLog({ level: 'silent' });
  const openFake = async ({ name }: { name: string }) => fakeDriver(fakeOf(name));
  hosts = new Hosts({ db: store.db, hub, log, now: Date.now, kinds: { fake: openFake }, retryFirstMs: 20 });
  tasks = new Tasks({ store: new TaskStore(store.db), hub, log, now: Date.now });
  const options = { store: new VmStore(store.db, Date.now), hosts, disks, tasks, hub, log, now: Date.now };
  vms = new Vms({ ...options, stopGraceMs: 60_000 });
  await hosts.open();
  vms.open();
  await hosts.tried();
}
async function close(): Promise<void> {
  await tasks.close();
  await vms.close();
  await hosts.close();
}
function fakeOf(name: string): FakeHost {
  const found = fakes.get(name) ?? new FakeHost({ name });
  fakes.set(name, found);
  return found;
}
async function addHost(name: string): Promise<{ id: string; fake: FakeHost }> {
  const { id } = await hosts.create({ name, kind: 'fake', config: {} });
  await hosts.tried();
  return { id, fake: fakeOf(name) };
}
const body = (name: string, hostId: string, wanted: 'running' | 'stopped' = 'running'): VmCreate =>
  VmCreate.parse({ name, hostId, source: { from: 'blank', sizeBytes: 1 << 20 }, wanted });

/** Resolves when the VM is so; asks again at each change. */
async function until(id: string, isSo: (vm: Vm) => boolean): Promise<Vm> {
  return await new Promise<Vm>((resolve, reject) => {
    const look = (): void => {
      vms.get(id).then((vm) => {
        if (!isSo(vm)) return;
        unsubscribe();
        resolve(vm);
      }, reject);
    };
    const unsubscribe = vms.subscribe((changed) => {
      if (changed === id) look();
    });
    look();
  });
}
const untilState = (id: string, ...states: Vm['state'][]): Promise<Vm> => until(id, (vm) => states.includes(vm.state));

describe('a VM', () => {
  test('is defined and started with a new lease on its disk, and lets go of it when it is off', async () => {
    const host = await addHost('one');
    const { id, disks: has } = await vms.create(body('a', host.id));
    const disk = has[0]?.diskId ?? '';
    await untilState(id, 'running');
    expect(disks.said).toContain(`lease ${disk}`);
    await vms.stop(id, true);
    await untilState(id, 'stopped');
    await vi.waitFor(() => expect(disks.said.at(-1)).toBe(`release ${disk}`));
  });

  test('that fails once is tried again and then runs', async () => {
    const host = await addHost('one');
    host.fake.failNext({ call: 'start', code: 'HOST_RESOURCES' });
    const { id } = await vms.create(body('a', host.id));
    expect(await untilState(id, 'failed')).toMatchObject({ reason: expect.stringContaining('start of') });
    await untilState(id, 'running');
    expect((await vms.log(id)).map((entry) => entry.event)).toContain('start-failed');
  });

  test('that can never work is not tried again until somebody changes it', async () => {
    const host = await addHost('one');
    const hardware = VmHardware.parse({ vcpus: 200 });
    const { id } = await vms.create({ ...body('a', host.id), hardware });
    expect(await untilState(id, 'failed')).toMatchObject({ reason: expect.stringContaining('larger than') });
    await vms.edit(id, { hardware: VmHardware.parse({ vcpus: 2 }) });
    await untilState(id, 'running');
  });

  test('that dies is started again; one that shuts itself down is not', async () => {
    const host = await addHost('one');
    const { id } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    host.fake.crash(id as VmId);
    await until(id, (vm) => vm.state === 'running' && vm.boots === 2);
    host.fake.guestShutsDown(id as VmId);
    expect(await until(id, (vm) => vm.wanted === 'stopped')).toMatchObject({
      state: 'stopped',
      reason: 'the guest shut down',
    });
  });

  test('whose disk fails says which and why, and goes on when it can', async () => {
    const host = await addHost('one');
    const { id } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    host.fake.failNext({ call: 'resume', code: 'VM_REFUSED' });
    const error = {
      kind: 'io-error',
      device: 'disk0' as never,
      operation: 'write',
      isOutOfSpace: true,
      message: 'x',
    } as const;
    host.fake.ioError(id as VmId, error);
    expect(await untilState(id, 'blocked')).toMatchObject({ reason: 'disk0 cannot write: no space left' });
    await untilState(id, 'running');
  });

  test('is forced off at once while it takes its time to shut down', async () => {
    const host = await addHost('one');
    const { id } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    host.fake.setLatency({ stop: 60_000 });
    await vms.stop(id, false);
    await vms.stop(id, true);
    await untilState(id, 'stopped');
  });

  test.for(['keep', 'delete'] as const)('is deleted while it runs; its disks: %s', async (what) => {
    const host = await addHost('one');
    const { id, disks: has } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    const isGone = new Promise<void>((resolve) =>
      vms.subscribe((gone, view) => void (gone === id && view === undefined && resolve())),
    );
    await vms.delete(id, what);
    await isGone;
    expect(host.fake.vms.size).toBe(0);
    expect(disks.said.includes(`remove ${has[0]?.diskId}`)).toBe(what === 'delete');
    await expect(vms.get(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('hosts', () => {
  test('that lose their cable make VMs unknown; what was asked meanwhile is done when they are back', async () => {
    const host = await addHost('one');
    const { id } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    host.fake.unplug();
    expect(await untilState(id, 'unknown')).toMatchObject({ reason: 'host one is not connected' });
    await vms.stop(id, true);
    expect(host.fake.find(id as VmId).state.state).toBe('running');
    host.fake.plug();
    await untilState(id, 'stopped');
  });

  test('that hang hold up only themselves', async () => {
    const slow = await addHost('slow');
    const quick = await addHost('quick');
    slow.fake.setLatency({ start: 60_000, apply: 60_000 });
    const stuck = await Promise.all(Array.from({ length: 10 }, (_, at) => vms.create(body(`slow-${at}`, slow.id))));
    const { id } = await vms.create(body('quick', quick.id));
    await untilState(id, 'running');
    for (const vm of stuck) expect(await vms.get(vm.id)).toMatchObject({ state: 'starting' });
  });

  test('in maintenance start nothing, and what runs goes on', async () => {
    const host = await addHost('one');
    const { id } = await vms.create(body('a', host.id));
    await untilState(id, 'running');
    await hosts.edit(host.id, { isInMaintenance: true });
    await expect(vms.start(id)).rejects.toMatchObject({ code: 'CONFLICT' });
    host.fake.crash(id as VmId);
    await untilState(id, 'starting', 'failed');
    expect(host.fake.find(id as VmId).boots).toBe(1);
    await hosts.edit(host.id, { isInMaintenance: false });
    await until(id, (vm) => vm.state === 'running' && vm.boots === 2);
    await expect(hosts.remove(host.id)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('200 VMs, half of them broken: every good one runs, every broken one says why', async () => {
    const fleet = [await addHost('one'), await addHost('two')];
    const made: { id: string; isBad: boolean }[] = [];
    for (let at = 0; at < 200; at++) {
      const host = fleet[at % 2];
      const isBad = at % 4 < 2;
      const { id } = await vms.create(body(`vm-${at}`, host?.id ?? '', 'stopped'));
      if (isBad) host?.fake.failNext({ call: 'start', code: 'VM_START_FAILED', vm: id as VmId, times: 1_000_000 });
      made.push({ id, isBad });
    }
    await Promise.all(made.map(({ id }) => vms.start(id)));
    await Promise.all(made.map(({ id, isBad }) => untilState(id, isBad ? 'failed' : 'running')));
    for (const { id, isBad } of made) {
      const vm = await vms.get(id);
      expect(vm.state).toBe(isBad ? 'failed' : 'running');
      if (isBad) expect(vm.reason).toContain('because a test asked for it');
    }
  });
});

describe('OUTLIVE', () => {
  test('a new gateway takes over what runs, starts what died meanwhile, and starts nothing twice', async () => {
    const host = await addHost('one');
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) ids.push((await vms.create(body(name, host.id))).id);
    for (const id of ids) await untilState(id, 'running');
    await close();
    disks.said.length = 0;
    host.fake.crash(ids[1] as VmId);
    host.fake.guestShutsDown(ids[2] as VmId);
    await open();
    await until(ids[1] ?? '', (vm) => vm.state === 'running' && vm.boots === 2);
    await until(ids[2] ?? '', (vm) => vm.wanted === 'stopped');
    expect(await untilState(ids[0] ?? '', 'running')).toMatchObject({ boots: 1 });
    await vi.waitFor(() => expect(disks.said.filter((said) => said.startsWith('keep a-'))).not.toEqual([]));
    expect(disks.said.filter((said) => said.startsWith('lease a-'))).toEqual([]);
  });
});

describe('events', () => {
  test('say each change once, and that a VM is gone', async () => {
    const host = await addHost('one');
    const seen: string[] = [];
    hub.subscribe(({ event }) => {
      if (event.topic !== 'vm') return;
      const state = (event.data as Vm | undefined)?.state ?? event.kind;
      seen.push(state);
    });
    const { id } = await vms.create(body('a', host.id, 'stopped'));
    await vms.start(id);
    await untilState(id, 'running');
    const isGone = new Promise<void>((resolve) => vms.subscribe((_, view) => void (view === undefined && resolve())));
    await vms.delete(id, 'keep');
    await isGone;
    expect(seen[0]).toBe('stopped');
    expect(seen).toContain('running');
    expect(seen.at(-1)).toBe('removed');
    expect(seen.filter((state) => state === 'removed')).toHaveLength(1);
  });
});

test('the serial log of a VM is the last lines that its host has, empty before it ran, and needs the host', async () => {
  const host = await addHost('logs');
  const { id } = await vms.create(body('talks', host.id, 'stopped'));
  expect(await vms.serialLog(id, 5)).toBe('');
  await vms.start(id);
  await untilState(id, 'running');
  host.fake.find(id as VmId).serial = 'one\r\ntwo\r\nthree\r\n';
  expect(await vms.serialLog(id, 2)).toBe('two\r\nthree\r\n');
  host.fake.find(id as VmId).serial += '# ';
  expect(await vms.serialLog(id, 2)).toBe('three\r\n# ');
  expect(await vms.serialLog(id, 100)).toBe('one\r\ntwo\r\nthree\r\n# ');
  await expect(vms.serialLog('none', 2)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  host.fake.unplug();
  await untilState(id, 'unknown');
  await expect(vms.serialLog(id, 2)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
