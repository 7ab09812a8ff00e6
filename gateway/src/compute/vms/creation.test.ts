/** VMs that are being made, or taken away, when the gateway is killed: a disk without a VM is never left, nor a VM without its disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeHost, fakeDriver } from '@oriel/hosts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VmCreate } from '../../../api/vm.ts';
import { openLog } from '../../log.ts';
import { EventHub } from '../../platform/events/hub.ts';
import { openStore, type Store } from '../../platform/store/store.ts';
import { type PlanStep, planKind, planned } from '../../platform/tasks/plan.ts';
import { TaskStore } from '../../platform/tasks/task-store.ts';
import { Tasks } from '../../platform/tasks/tasks.ts';
import { type KillPoint, killedAt, killPoints } from '../../platform/tasks/testing/kill-points.ts';
import { Hosts } from '../hosts/hosts.ts';
import { type CreationState, creationSteps } from './creation.ts';
import { ownerOf } from './ports.ts';
import { NamedDisks } from './testing/named-disks.ts';
import { VmStore } from './vm-store.ts';
import { Vms } from './vms.ts';

const log = openLog({ level: 'silent' });
const fake = new FakeHost({ name: 'one' });
let folder: string;
let store: Store;
let hub: EventHub;
let disks: NamedDisks;
let hosts: Hosts;
let vmStore: VmStore;
/** What another owner keeps of each VM. */
let desktops: Set<string>;
let opened: { readonly tasks: Tasks; readonly vms: Vms }[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-creation-'));
  store = await openStore({ folder });
  hub = new EventHub();
  disks = new NamedDisks();
  desktops = new Set();
  opened = [];
  vmStore = new VmStore(store.db, Date.now);
  const kinds = { fake: async () => fakeDriver(fake) };
  hosts = new Hosts({ db: store.db, hub, log, now: Date.now, kinds });
  await hosts.create({ name: 'one', kind: 'fake', config: {} });
  await hosts.tried();
});
afterEach(async () => {
  for (const { tasks, vms } of opened) {
    await tasks.close();
    await vms.close();
  }
  await hosts.close();
  await store.close();
  fake.vms.clear();
  rmSync(folder, { recursive: true });
});

const desktopStep: PlanStep<CreationState> = {
  name: 'adding its desktop',
  do: async ({ vmId }) => void desktops.add(vmId),
  undo: async ({ vmId }) => void desktops.delete(vmId),
};
const failing: PlanStep<CreationState> = {
  name: 'assigning it',
  do: async () => Promise.reject(Object.assign(new Error('there is no such user'), { code: 'UNPROCESSABLE' })),
};
const newTasks = (): Tasks => new Tasks({ store: new TaskStore(store.db), hub, log, now: Date.now });

/** A gateway's worth of it, which goes on with what it finds. */
function gateway(alongside: readonly PlanStep<CreationState>[]) {
  const tasks = newTasks();
  const forgets = [async ({ id }: { id: string }) => void desktops.delete(id)];
  const vms = new Vms({ store: vmStore, hosts, disks, tasks, alongside, forgets, hub, log, now: Date.now });
  const made = { tasks, vms };
  opened.push(made);
  return made;
}

const blank = (name: string): VmCreate =>
  VmCreate.parse({ name, source: { from: 'blank', sizeBytes: 1 << 20 }, wanted: 'running' });

/** Makes a VM with a runner that dies at the point; gives the ids of task and VM. */
async function killedCreating(alongside: readonly PlanStep<CreationState>[], point: KillPoint) {
  const tasks = newTasks();
  const all = creationSteps({ store: vmStore, disks, alongside, made: () => undefined });
  const { steps, isDead } = killedAt(all, point);
  const kind = planKind<CreationState>({ kind: 'vm.create', needs: 'manage', lane: 'compute', canCancel: true, steps });
  tasks.register(kind);
  const vmId = '11111111-2222-4333-8444-555555555555';
  const hostId = hosts.list()[0]?.id ?? '';
  const state: CreationState = { vmId, hostId, diskId: 'desk-1', asked: blank('desk') };
  const { id } = await tasks.start({ kind, title: 'a VM', startedBy: null, payload: planned(state) });
  await isDead;
  return { taskId: id, vmId };
}

const STEPS = creationSteps({
  store: undefined as never,
  disks: undefined as never,
  alongside: [desktopStep],
  made: () => undefined,
});

describe('a gateway that is killed while it makes a VM', () => {
  // Guards against an id for the disk that is chosen in the step, and with `adding it` that adds again.
  test.for(killPoints(STEPS, 'do'))('$when step $step is followed by one that makes it whole', async (point) => {
    const { taskId, vmId } = await killedCreating([desktopStep], point);
    const { tasks, vms } = gateway([desktopStep]);
    await tasks.resume();
    expect(await tasks.settled(taskId)).toMatchObject({ state: 'done' });
    expect(await vms.get(vmId)).toMatchObject({ name: 'desk', wanted: 'running', disks: [{ diskId: 'desk-1' }] });
    expect([...disks.owners]).toEqual([['desk-1', ownerOf(vmId)]]);
    expect([...desktops]).toEqual([vmId]);
  });

  // Seen to fail with `takeDiskBack` left out: the disk without a VM that this is about.
  test.for([...killPoints(STEPS.slice(0, 3), 'do'), ...killPoints(STEPS, 'undo')])(
    '$way, $when step $step, and it cannot be made, leaves nothing',
    async (point) => {
      const { taskId } = await killedCreating([desktopStep, failing], point);
      const { tasks, vms } = gateway([desktopStep, failing]);
      await tasks.resume();
      expect(await tasks.settled(taskId)).toMatchObject({ state: 'failed', error: { code: 'UNPROCESSABLE' } });
      expect(await vms.list()).toEqual([]);
      expect([...disks.owners]).toEqual([]);
      expect([...desktops]).toEqual([]);
    },
  );
});

describe('making a VM', () => {
  test('whose name is taken makes no disk, also when both come at once', async () => {
    const { vms } = gateway([]);
    await vms.create(blank('desk'));
    await expect(vms.create(blank('desk'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const both = await Promise.allSettled([vms.create(blank('twin')), vms.create(blank('twin'))]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(disks.owners.size).toBe(2);
  });

  test('on a disk of another VM is refused, and leaves the disk where it is', async () => {
    const { vms } = gateway([]);
    const { disks: has } = await vms.create(blank('first'));
    const source = { from: 'disk', diskId: has[0]?.diskId ?? '' };
    const second = VmCreate.parse({ name: 'second', source });
    await expect(vms.create(second)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await vms.list()).map(({ name }) => name)).toEqual(['first']);
  });

  test('that fails lets go of the disk that was there before', async () => {
    disks.owners.set('old', null);
    const { vms } = gateway([failing]);
    const asked = VmCreate.parse({ name: 'desk', source: { from: 'disk', diskId: 'old' } });
    await expect(vms.create(asked)).rejects.toMatchObject({ code: 'UNPROCESSABLE' });
    expect([...disks.owners]).toEqual([['old', null]]);
  });
});

describe('a gateway that is killed while it takes a VM away', () => {
  type Verb = 'release' | 'remove' | 'disown';
  const cases = (['keep', 'delete'] as const).flatMap((what) =>
    (['release', what === 'keep' ? 'disown' : 'remove', 'forget'] as const).flatMap((verb) =>
      (['before', 'after'] as const).map((when) => ({ what, verb, when })),
    ),
  );
  // Seen to fail with the row removed first.
  test.for(cases)(
    '$when it comes to $verb ($what) is followed by one that takes all of it',
    async ({ what, verb, when }) => {
      const first = gateway([desktopStep]);
      const { id } = await first.vms.create({ ...blank('desk'), wanted: 'stopped' });
      let die = (): void => undefined;
      const isDead = new Promise<void>((resolve) => (die = resolve));
      const stop = async (work: () => Promise<unknown>): Promise<never> => {
        if (when === 'after') await work();
        die();
        return await new Promise<never>(() => undefined);
      };
      const dying = new NamedDisks(disks.owners);
      if (verb !== 'forget') {
        const before = dying[verb].bind(dying) as (...args: unknown[]) => Promise<unknown>;
        Object.assign(dying, { [verb as Verb]: (...args: unknown[]) => stop(() => before(...args)) });
      }
      const forgets = [
        ({ id: vmId }: { id: string }) => {
          const work = async (): Promise<void> => void desktops.delete(vmId);
          return verb === 'forget' ? stop(work) : work();
        },
      ];
      const tasks = newTasks();
      const killed = new Vms({ store: vmStore, hosts, disks: dying, tasks, forgets, hub, log, now: Date.now });
      killed.open();
      await killed.delete(id, what);
      await isDead;
      const next = gateway([desktopStep]);
      const isGone = new Promise<void>((resolve) => next.vms.subscribe((_, view) => view === undefined && resolve()));
      next.vms.open();
      await isGone;
      expect(await next.vms.list()).toEqual([]);
      expect(disks.owners.size).toBe(what === 'keep' ? 1 : 0);
      expect([...disks.owners.values()]).toEqual(what === 'keep' ? [null] : []);
      expect([...desktops]).toEqual([]);
    },
  );
});
