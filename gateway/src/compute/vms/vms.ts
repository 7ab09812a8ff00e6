/** The VMs: what people ask of them becomes rows, and the reconciler does the rest. */
import { randomUUID } from 'node:crypto';
import { type DeviceId, HostError, type VmId } from '@oriel/hosts';
import { LIVE_TOPICS } from '../../../api/desktop.ts';
import {
  isOn,
  ON_STATES,
  type Vm,
  type VmCreate,
  type VmEdit,
  type VmLogEntry,
  type WantedState,
} from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { VmDisks } from './ports.ts';
import { Reconciler } from './reconciler.ts';
import { vmView } from './view.ts';
import type { StoredVm, VmStore } from './vm-store.ts';

export interface VmsOptions {
  readonly store: VmStore;
  readonly hosts: Hosts;
  readonly disks: VmDisks;
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
  readonly #listeners = new Set<VmListener>();
  /** What was last published of each VM, so that only changes are. */
  readonly #published = new Map<string, string>();

  constructor(options: VmsOptions) {
    this.#options = options;
    this.#reconciler = new Reconciler({ ...options, events: { changed: (id) => void this.#changed(id) } });
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

  async has(id: string): Promise<boolean> {
    return (await this.#options.store.get(id)) !== undefined;
  }

  async log(id: string): Promise<VmLogEntry[]> {
    await this.#options.store.require(id);
    return await this.#options.store.readLog(id);
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

  /** Makes the VM and its first disk. Where the second half fails, the first is taken back. */
  async create(asked: VmCreate, signal?: AbortSignal): Promise<Vm> {
    const { store, disks } = this.#options;
    const hostId = this.#placeOn(asked.hostId);
    const existing = await store.all();
    if (VM_BOUNDS.vms <= existing.length)
      throw new GatewayError('TOO_MANY', `there are ${existing.length} VMs already`);
    if (existing.some((vm) => vm.name === asked.name)) {
      throw new GatewayError('ALREADY_EXISTS', `there is a VM ${asked.name} already`);
    }
    if (asked.cdImageId !== null) await disks.cdUri(asked.cdImageId);
    const made = await this.#firstDisk(asked, signal);
    try {
      const vm = await store.add(
        {
          id: randomUUID(),
          name: asked.name,
          description: asked.description,
          hostId,
          wanted: asked.wanted,
          hardware: asked.hardware,
          cdImageId: asked.cdImageId,
          sessionRules: asked.sessionRules,
        },
        made === undefined ? [] : [{ diskId: made.id, bus: asked.bus }],
      );
      await store.log(
        vm.id,
        'info',
        'created',
        `created with ${asked.source.from === 'none' ? 'no disk' : `a disk from ${asked.source.from}`}`,
      );
      this.#reconciler.wanted(vm.id);
      return await this.#publish(vm);
    } catch (error) {
      if (made?.isNew === true) await disks.remove(made.id).catch(() => undefined);
      throw error;
    }
  }

  async edit(id: string, change: VmEdit): Promise<Vm> {
    const before = await this.#alive(id);
    if (this.#view(before).state === 'saved' && (change.hardware !== undefined || change.disks !== undefined)) {
      throw new GatewayError('CONFLICT', `VM ${before.name} is saved: start it or throw the saved state away first`);
    }
    for (const disk of change.disks ?? []) {
      if (before.disks.some((one) => one.diskId === disk.diskId)) continue;
      await this.#options.disks.checkUsable(disk.diskId);
    }
    if (typeof change.cdImageId === 'string') await this.#options.disks.cdUri(change.cdImageId);
    const vm = await this.#options.store.edit(id, change);
    this.#reconciler.wanted(id);
    return await this.#publish(vm);
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
  #placeOn(hostId: string | undefined): string {
    const { hosts } = this.#options;
    if (hostId !== undefined) {
      if (!hosts.has(hostId)) throw new GatewayError('UNPROCESSABLE', `no host ${hostId}`);
      return hostId;
    }
    const [only, ...others] = hosts.list().filter((host) => !host.isInMaintenance);
    if (only === undefined) throw new GatewayError('UNPROCESSABLE', 'there is no host that takes VMs');
    if (0 < others.length) throw new GatewayError('UNPROCESSABLE', 'there are several hosts: say which in hostId');
    return only.id;
  }

  async #firstDisk(asked: VmCreate, signal?: AbortSignal): Promise<{ id: string; isNew: boolean } | undefined> {
    const { disks } = this.#options;
    const { source } = asked;
    switch (source.from) {
      case 'none':
        return undefined;
      case 'disk': {
        await disks.checkUsable(source.diskId);
        const holder = await this.holderOf(source.diskId);
        if (holder !== undefined)
          throw new GatewayError('CONFLICT', `disk ${source.diskId} is in use by VM ${holder.name}`);
        return { id: source.diskId, isNew: false };
      }
      case 'template':
      case 'image':
      case 'blank': {
        const { id } = await disks.create(asked.name, source, signal);
        return { id, isNew: true };
      }
    }
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
        this.#options.hub.publish(LIVE_TOPICS.vm, { kind: 'removed', id }, { desktopId: id });
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
      this.#options.hub.publish(LIVE_TOPICS.vm, { kind: 'changed', id: vm.id, data: view }, { desktopId: vm.id });
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
