/** One step for one VM, as decide.ts asked for it: on its host, with its disks served. When to take one is reconciler.ts. */
import type { HostDriver, VmId, VmObservation } from '@oriel/hosts';
import { GatewayError } from '../../errors.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { Action } from './decide.ts';
import { ownerOf, type VmDisks } from './ports.ts';
import { Slots } from './slots.ts';
import { specOf } from './spec.ts';
import type { StoredVm, VmStore } from './vm-store.ts';

export const STEPS = {
  /** At once on one host: starting a VM is work. */
  perHost: 6,
  /** A step that has not ended by then has failed, and its VM is looked at again. */
  stepMs: 180_000,
  stopGraceMs: 20_000,
} as const;

export interface StepsOptions {
  readonly store: VmStore;
  readonly hosts: Hosts;
  readonly disks: VmDisks;
  readonly stopGraceMs?: number;
  /** What else is taken away with a VM, before its row goes. */
  readonly forgets?: readonly ((vm: StoredVm) => Promise<void>)[];
  /** What was done, for the VM's own log. */
  readonly note: (vmId: string, level: 'info', event: string, message: string) => Promise<void>;
}

/** Whether the disks of a VM are served. Undefined: not known. False: nothing of it is. */
export interface Served {
  isServed: boolean | undefined;
}

type OnHost = Extract<Action, { readonly do: 'apply' | 'power' | 'remove' }>;

export class Steps {
  readonly #options: StepsOptions;
  readonly #slots = new Map<string, Slots>();
  readonly #closing = new AbortController();

  constructor(options: StepsOptions) {
    this.#options = options;
  }

  async take(vm: StoredVm, served: Served, action: Action): Promise<void> {
    const { store, hosts } = this.#options;
    switch (action.do) {
      case 'accept':
        await store.want(vm.id, action.wanted);
        await this.#options.note(vm.id, 'info', 'accepted', action.why);
        return;
      case 'forget':
        await this.#forget(vm);
        return;
      case 'apply':
      case 'power':
      case 'remove':
        await this.#onHost(vm, served, action, hosts.requireDriver(vm.hostId));
    }
  }

  /** Each step may find its work done, by a gateway that was killed before the row was gone; the row goes last. */
  async #forget(vm: StoredVm): Promise<void> {
    const { store, disks, forgets } = this.#options;
    for (const { diskId } of vm.disks) {
      await disks.release(diskId);
      if (vm.deleting === 'delete') await disks.remove(diskId, ownerOf(vm.id));
      else await disks.disown(diskId, ownerOf(vm.id));
    }
    for (const forget of forgets ?? []) await forget(vm);
    await store.remove(vm.id);
  }

  async serve(vm: StoredVm, served: Served, fresh: boolean): Promise<Map<string, string>> {
    const uris = new Map<string, string>();
    served.isServed = undefined;
    for (const { diskId } of vm.disks) uris.set(diskId, await this.#options.disks.serve(diskId, { fresh }));
    served.isServed = true;
    return uris;
  }

  async release(vm: StoredVm, served: Served): Promise<void> {
    for (const disk of vm.disks) await this.#options.disks.release(disk.diskId);
    served.isServed = false;
  }

  /** OUTLIVE: lets go of the steps under way; what the hosts are doing they go on doing. */
  close(why: GatewayError): void {
    this.#closing.abort(why);
    for (const slots of this.#slots.values()) slots.close();
  }

  async #onHost(vm: StoredVm, served: Served, action: OnHost, driver: HostDriver): Promise<void> {
    const connection = this.#options.hosts.connection(vm.hostId);
    const isWork =
      action.do === 'apply' || (action.do === 'power' && (action.verb === 'start' || action.verb === 'save'));
    const free = isWork ? await this.#slotsOf(vm.hostId).take() : undefined;
    try {
      switch (action.do) {
        case 'remove':
          await this.#within(driver.remove(vm.id as VmId).done);
          return connection.forgot(vm.id as VmId);
        case 'apply':
          return connection.saw(await this.#apply(vm, served, driver, false));
        case 'power':
          await this.#power(vm, served, action, driver);
      }
    } finally {
      free?.();
    }
  }

  async #power(
    vm: StoredVm,
    served: Served,
    action: Extract<Action, { readonly do: 'power' }>,
    driver: HostDriver,
  ): Promise<void> {
    if (action.verb === 'start') {
      // It may have been forced off, or deleted, while it waited for its turn.
      const now = await this.#options.store.get(vm.id);
      if (now === undefined || now.deleting !== undefined || now.wanted === 'stopped') return;
      await this.#apply(now, served, driver, true);
    }
    const graceMs = this.#options.stopGraceMs ?? STEPS.stopGraceMs;
    const options = { graceMs, isPaused: action.isPaused ?? false };
    const seen = await this.#within(driver.power(vm.id as VmId, action.verb, options).done);
    this.#options.hosts.connection(vm.hostId).saw(seen);
    await this.#options.note(vm.id, 'info', action.verb, PAST[action.verb]);
  }

  /** Tells the host what the VM is, with the addresses at which its disks are served from now on. */
  async #apply(vm: StoredVm, served: Served, driver: HostDriver, fresh: boolean): Promise<VmObservation> {
    const uris = await this.serve(vm, served, fresh);
    const cdUri = vm.cdImageId === null ? undefined : await this.#options.disks.cdUri(vm.cdImageId);
    const { vm: seen } = await this.#within(driver.apply(specOf(vm, uris, cdUri)).done);
    return seen;
  }

  /** BOUNDED: a host that never answers does not hold a slot for ever, nor the gateway's own end. */
  async #within<T>(done: Promise<T>): Promise<T> {
    const { signal } = this.#closing;
    const late = new GatewayError('TIMED_OUT', `the host did not do it within ${STEPS.stepMs / 1000} s`);
    let giveUp: () => void = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    const interrupted = new Promise<never>((_, reject) => {
      giveUp = () => reject(signal.reason as Error);
      timer = setTimeout(() => reject(late), STEPS.stepMs);
      signal.addEventListener('abort', giveUp);
    });
    try {
      return await Promise.race([done, interrupted]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  #slotsOf(hostId: string): Slots {
    let slots = this.#slots.get(hostId);
    if (slots === undefined) {
      slots = new Slots(STEPS.perHost);
      this.#slots.set(hostId, slots);
    }
    return slots;
  }
}

const PAST = {
  start: 'it was started',
  stop: 'it was stopped',
  kill: 'it was forced off',
  reset: 'it was reset',
  pause: 'it was paused',
  resume: 'it was resumed',
  save: 'its state was saved',
  discard: 'its saved state was thrown away',
} as const;
