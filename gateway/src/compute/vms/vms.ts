/** The VMs: what people ask of them becomes rows, and the reconciler does the rest. */
import { randomUUID } from 'node:crypto';
import { type DeviceId, HostError, type VmId } from '@oriel/hosts';
import {
  isOn,
  ON_STATES,
  VM_TOPIC,
  type Vm,
  type VmCreate,
  type VmEdit,
  type VmLogEntry,
  type WantedState,
} from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { type PlanPayload, type PlanStep, planKind, planned } from '../../platform/tasks/plan.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { type CreationState, creationSteps, refuseCreation } from './creation.ts';
import { ownerOf, type VmDisks } from './ports.ts';
import { Reconciler } from './reconciler.ts';
import { vmView } from './view.ts';
import type { StoredVm, VmStore } from './vm-store.ts';

export interface VmsOptions {
  readonly store: VmStore;
  readonly hosts: Hosts;
  readonly disks: VmDisks;
  readonly tasks: Tasks;
  /** What else is made with a VM, by whoever owns it. */
  readonly alongside?: readonly PlanStep<CreationState>[];
  /** What else is taken away with a VM, before its row goes. Each is called again where a kill came between. */
  readonly forgets?: readonly ((vm: StoredVm) => Promise<void>)[];
  readonly hub: EventHub;
  readonly log: Logger;
  readonly now: () => number;
  /** How long a guest may take to shut down before it is forced. */
  readonly stopGraceMs?: number;
}

/** A VM changed as a person sees it, or (without a view) it is gone. */
export type VmListener = (vmId: string, view: Vm | undefined) => void;

const VM_BOUNDS = { vms: 10_000, resetMs: 10_000, resizeMs: 30_000, serialBytes: 1 << 18 } as const;

export class Vms {
  readonly #options: VmsOptions;
  readonly #reconciler: Reconciler;
  readonly #creation: TaskKind<PlanPayload<CreationState>>;
  /** The steps that make a VM, for plans that a VM is a part of. */
  readonly creationSteps: readonly PlanStep<CreationState>[];
  readonly #listeners = new Set<VmListener>();
  /** What was last published of each VM, so that only changes are. */
  readonly #published = new Map<string, string>();

  constructor(options: VmsOptions) {
    this.#options = options;
    this.#reconciler = new Reconciler({ ...options, events: { changed: (id) => void this.#changed(id) } });
    const made = (vmId: string): void => this.#reconciler.wanted(vmId);
    this.creationSteps = creationSteps({ ...options, alongside: options.alongside ?? [], made });
    this.#creation = planKind({
      kind: 'vm.create',
      needs: 'manage',
      lane: 'compute',
      canCancel: true,
      steps: this.creationSteps,
    });
    options.tasks.register(this.#creation);
  }

  /** Starts to keep the VMs as they are wanted. */
  open(): void {
    this.#reconciler.start();
  }

  async close(): Promise<void> {
    await this.#reconciler.close();
  }

  subscribe(listener: VmListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async list(): Promise<Vm[]> {
    return (await this.#options.store.all()).map((vm) => this.#view(vm));
  }

  async get(id: string): Promise<Vm> {
    return this.#view(await this.#options.store.require(id));
  }

  /** Its row was changed by a plan of others: look at it, and tell. */
  async changedOutside(id: string): Promise<void> {
    this.#reconciler.wanted(id);
    await this.#publish(await this.#options.store.require(id));
  }

  async has(id: string): Promise<boolean> {
    return (await this.#options.store.get(id)) !== undefined;
  }

  async log(id: string): Promise<VmLogEntry[]> {
    const { name } = await this.#options.store.require(id);
    const entries = await this.#options.store.readLog(id);
    // A host knows its VMs by their ids; people know them by their names.
    return entries.map((entry) => ({ ...entry, message: entry.message.replaceAll(id, name) }));
  }

  /** The end of what the guest said on its serial port; empty where it never ran. */
  async serialLog(id: string, lines: number): Promise<string> {
    const vm = await this.#options.store.require(id);
    const { logs } = this.#options.hosts.requireDriver(vm.hostId);
    if (logs === undefined) throw new GatewayError('UNPROCESSABLE', `the host of VM ${vm.name} keeps no serial logs`);
    try {
      const bytes = await logs.read(vm.id as VmId, 'serial', VM_BOUNDS.serialBytes);
      return lastLines(Buffer.from(bytes).toString('utf8'), lines);
    } catch (error) {
      // A VM that was never started is not known to its host yet.
      if (error instanceof HostError && error.code === 'VM_NOT_FOUND') return '';
      throw error;
    }
  }

  async holderOf(diskId: string): Promise<{ id: string; name: string } | undefined> {
    return await this.#options.store.holderOf(diskId);
  }

  /** Makes the VM with its first disk, or neither: a plan, which goes on when the gateway is killed. */
  async create(asked: VmCreate, startedBy: string | null = null): Promise<Vm> {
    const { store, disks, tasks } = this.#options;
    const state = this.planCreation(randomUUID(), this.placeOn(asked.hostId), asked);
    await refuseCreation(store, disks, asked, VM_BOUNDS.vms);
    await tasks.run({
      kind: this.#creation,
      title: `create VM ${asked.name}`,
      target: { type: 'vm', id: state.vmId },
      startedBy,
      payload: planned(state),
    });
    return await this.#publish(await store.require(state.vmId));
  }

  /** Where a VM is made as a part of something larger: what `creationSteps` go by. */
  planCreation(vmId: string, hostId: string, asked: VmCreate): CreationState {
    const { source } = asked;
    const { disks } = this.#options;
    const isNew = source.from !== 'none' && source.from !== 'disk';
    const existing = source.from === 'disk' ? source.diskId : null;
    return { vmId, hostId, asked, diskId: isNew ? disks.newId(asked.name, source) : existing };
  }

  async edit(id: string, change: VmEdit): Promise<Vm> {
    const before = await this.#alive(id);
    if (this.#view(before).state === 'saved' && (change.hardware !== undefined || change.disks !== undefined)) {
      throw new GatewayError('CONFLICT', `VM ${before.name} is saved: start it or throw the saved state away first`);
    }
    const { disks, store } = this.#options;
    const had = new Set(before.disks.map((disk) => disk.diskId));
    const added = (change.disks ?? []).filter(({ diskId }) => !had.has(diskId));
    for (const { diskId } of added) await disks.checkUsable(diskId);
    if (typeof change.cdImageId === 'string') await disks.cdUri(change.cdImageId);
    const vm = await this.#owning(
      id,
      added.map(({ diskId }) => diskId),
      () => store.edit(id, change),
    );
    const has = new Set(vm.disks.map((disk) => disk.diskId));
    for (const diskId of had) if (!has.has(diskId)) await disks.disown(diskId, ownerOf(id));
    this.#reconciler.wanted(id);
    return await this.#publish(vm);
  }

  /** The disks are the VM's before its row says so, and nobody's again where the row does not come to say so. */
  async #owning<T>(vmId: string, diskIds: readonly string[], work: () => Promise<T>): Promise<T> {
    const { disks } = this.#options;
    const owned: string[] = [];
    try {
      for (const diskId of diskIds) {
        await disks.own(diskId, ownerOf(vmId));
        owned.push(diskId);
      }
      return await work();
    } catch (error) {
      for (const diskId of owned) await disks.disown(diskId, ownerOf(vmId)).catch(() => undefined);
      throw error;
    }
  }

  async delete(id: string, disks: 'keep' | 'delete'): Promise<Vm> {
    const vm = await this.#options.store.markDeleting(id, disks);
    this.#reconciler.wanted(id);
    return await this.#publish(vm);
  }

  async start(id: string): Promise<Vm> {
    const vm = await this.#alive(id);
    if (this.#options.hosts.isInMaintenance(vm.hostId)) {
      throw new GatewayError('CONFLICT', `host ${this.#options.hosts.nameOf(vm.hostId)} is in maintenance`);
    }
    return await this.#want(vm, 'running');
  }

  async stop(id: string, force: boolean): Promise<Vm> {
    return await this.#want(await this.#alive(id), 'stopped', force);
  }

  async pause(id: string): Promise<Vm> {
    const vm = await this.#alive(id);
    this.#requireState(vm, ['running', 'blocked', 'paused'], 'paused');
    return await this.#want(vm, 'paused');
  }

  async resume(id: string): Promise<Vm> {
    const vm = await this.#alive(id);
    this.#requireState(vm, ['paused', 'blocked', 'running'], 'resumed');
    return await this.#want(vm, 'running');
  }

  async save(id: string): Promise<Vm> {
    const vm = await this.#alive(id);
    this.#requireState(vm, ['running', 'paused', 'saved', 'saving'], 'saved');
    return await this.#want(vm, 'saved');
  }

  /** Not a state to be kept but a push of a button: done here and now. */
  async reset(id: string): Promise<Vm> {
    const vm = await this.#alive(id);
    this.#requireState(vm, ON_STATES, 'reset');
    const { hosts, store } = this.#options;
    const task = hosts.requireDriver(vm.hostId).power(vm.id as VmId, 'reset');
    hosts.connection(vm.hostId).saw(await withTimeout(task.done, VM_BOUNDS.resetMs));
    await store.log(id, 'info', 'reset', 'it was reset');
    return await this.get(id);
  }

  /** Tells the guest that a disk of its has grown. One that cannot be told sees it at its next start; its log says why. */
  async diskGrown(diskId: string, sizeBytes: number): Promise<void> {
    const { hosts, store } = this.#options;
    const holder = await store.holderOf(diskId);
    const vm = holder === undefined ? undefined : await store.get(holder.id);
    const disk = vm?.disks.find((one) => one.diskId === diskId);
    if (vm === undefined || disk === undefined) return;
    if (!isOn(this.#view(vm))) return;
    try {
      const { block } = hosts.requireDriver(vm.hostId);
      if (block === undefined) throw new GatewayError('UNPROCESSABLE', 'its host cannot change disks of running VMs');
      await withTimeout(block.resize(vm.id as VmId, disk.deviceId as DeviceId, sizeBytes).done, VM_BOUNDS.resizeMs);
      await store.log(vm.id, 'info', 'disk-grown', `its disk ${disk.deviceId} has ${sizeBytes} bytes now`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      await store.log(
        vm.id,
        'warn',
        'disk-grown',
        `it sees the new size of ${disk.deviceId} at its next start: ${why}`,
      );
    }
  }

  /** The one host there is, or the one that was named. */
  /** The host that is named; else the one of before where it still takes VMs; else the only one. Errors: UNPROCESSABLE. */
  placeOn(hostId: string | undefined, before?: string): string {
    const { hosts } = this.#options;
    if (hostId !== undefined) {
      if (!hosts.has(hostId)) throw new GatewayError('UNPROCESSABLE', `no host ${hostId}`);
      return hostId;
    }
    const open = hosts.list().filter((host) => !host.isInMaintenance);
    if (before !== undefined && open.some(({ id }) => id === before)) return before;
    const [only, ...others] = open;
    if (only === undefined) throw new GatewayError('UNPROCESSABLE', 'there is no host that takes VMs');
    if (0 < others.length) throw new GatewayError('UNPROCESSABLE', 'there are several hosts: say which in hostId');
    return only.id;
  }

  async #alive(id: string): Promise<StoredVm> {
    const vm = await this.#options.store.require(id);
    if (vm.deleting !== undefined) throw new GatewayError('CONFLICT', `VM ${vm.name} is being deleted`);
    return vm;
  }

  #requireState(vm: StoredVm, states: readonly Vm['state'][], verb: string): void {
    const { state } = this.#view(vm);
    if (!states.includes(state)) throw new GatewayError('CONFLICT', `VM ${vm.name} is ${state} and cannot be ${verb}`);
  }

  async #want(vm: StoredVm, wanted: WantedState, force = false): Promise<Vm> {
    const after = await this.#options.store.want(vm.id, wanted, force);
    this.#reconciler.wanted(vm.id);
    return await this.#publish(after);
  }

  #view(vm: StoredVm): Vm {
    const { hosts } = this.#options;
    const isConnected = hosts.driver(vm.hostId) !== undefined;
    return vmView(vm, {
      hostName: hosts.nameOf(vm.hostId),
      host: isConnected ? { observation: hosts.observation(vm.hostId, vm.id) } : undefined,
      retry: this.#reconciler.retryOf(vm.id),
    });
  }

  async #changed(id: string): Promise<void> {
    try {
      const vm = await this.#options.store.get(id);
      if (vm !== undefined) await this.#publish(vm);
      else if (this.#published.delete(id)) {
        this.#options.hub.publish(VM_TOPIC, { kind: 'removed', id }, { desktopId: id });
        for (const listener of this.#listeners) listener(id, undefined);
      }
    } catch (error) {
      this.#options.log.error({ err: error, vm: id }, 'vm-publish-failed');
    }
  }

  async #publish(vm: StoredVm): Promise<Vm> {
    const view = this.#view(vm);
    const text = JSON.stringify(view);
    if (this.#published.get(vm.id) !== text) {
      this.#published.set(vm.id, text);
      this.#options.hub.publish(VM_TOPIC, { kind: 'changed', id: vm.id, data: view }, { desktopId: vm.id });
      for (const listener of this.#listeners) listener(vm.id, view);
    }
    return view;
  }
}

async function withTimeout<T>(done: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new GatewayError('TIMED_OUT', 'the host did not answer in time')), ms);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A line feed at the end ends the last line and begins none. */
function lastLines(text: string, count: number): string {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return lines.slice(-count).join('');
}
