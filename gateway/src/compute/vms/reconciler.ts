/**
 * Keeps every VM as it is wanted: looks, decides (decide.ts), takes one step (steps.ts), and looks again. Each VM goes its
 * own way: one that fails waits longer and longer, and never holds up another; one host that hangs holds up only itself.
 */
import type { VmId, VmObservation } from '@oriel/hosts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { type Action, decide, type Intent, type Observed } from './decide.ts';
import type { VmDisks, VmEvents } from './ports.ts';
import { afterDeath, afterFailure, RETRY, type Retry } from './retry.ts';
import { type Served, Steps } from './steps.ts';
import type { StoredVm, VmStore } from './vm-store.ts';

/** Looks at every VM this often, in case an event was lost. */
const ROUND_MS = 30_000;

export interface ReconcilerOptions {
  readonly store: VmStore;
  readonly hosts: Hosts;
  readonly disks: VmDisks;
  readonly events: VmEvents;
  readonly log: Logger;
  readonly now: () => number;
  readonly stopGraceMs?: number;
  readonly forgets?: readonly ((vm: StoredVm) => Promise<void>)[];
}

/** What is remembered of one VM between two looks. */
interface Entry extends Served {
  isLooking: boolean;
  mustLookAgain: boolean;
  retry: Retry | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The step under way. */
  pending: Action | undefined;
  runningSince: number | undefined;
  /** `since` of the last death counted, so that none counts twice. */
  deathAt: number | undefined;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #steps: Steps;
  readonly #underWay = new Set<Promise<void>>();
  readonly #round: NodeJS.Timeout;
  #unsubscribe: () => void = () => undefined;
  readonly #closing = new AbortController();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#steps = new Steps({
      ...options,
      note: (vmId, level, event, message) => this.#note(vmId, level, event, message),
    });
    this.#round = setInterval(() => void this.pokeAll(), ROUND_MS);
    this.#round.unref();
  }

  start(): void {
    this.#unsubscribe = this.#options.hosts.subscribe((hostId, vm) => {
      if (vm === undefined) void this.pokeAll(hostId);
      else this.#observed(hostId, vm);
    });
    void this.pokeAll();
  }

  retryOf(vmId: string): Retry | undefined {
    return this.#entries.get(vmId)?.retry;
  }

  /** Somebody wants something of the VM: look now, whatever failed before. */
  wanted(vmId: string): void {
    const entry = this.#entry(vmId);
    entry.retry = undefined;
    this.#poke(vmId, entry);
  }

  async pokeAll(hostId?: string): Promise<void> {
    try {
      for (const vm of await this.#options.store.all(hostId)) {
        this.#noteDeath(vm, this.#options.hosts.observation(vm.hostId, vm.id));
        this.#poke(vm.id, this.#entry(vm.id));
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#options.log.error({ err: error }, 'reconcile-round-failed');
    }
  }

  /** OUTLIVE: lets go; what the hosts are doing they go on doing. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#steps.close(new GatewayError('STOPPING', 'the gateway is stopping'));
    this.#unsubscribe();
    clearInterval(this.#round);
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    await Promise.all(this.#underWay);
  }

  #observed(hostId: string, vm: VmId): void {
    const observation = this.#options.hosts.observation(hostId, vm);
    const entry = this.#entry(vm);
    if (observation?.state.state === 'running') entry.runningSince ??= observation.since;
    if (observation?.state.state === 'stopped' && observation.state.reason === 'died')
      this.#countDeath(entry, observation);
    if (observation === undefined || observation.state.state === 'stopped') entry.runningSince = undefined;
    this.#poke(vm, entry);
  }

  #noteDeath(vm: StoredVm, observation: VmObservation | undefined): void {
    const entry = this.#entry(vm.id);
    if (observation?.state.state === 'running') entry.runningSince ??= observation.since;
    if (observation?.state.state === 'stopped' && observation.state.reason === 'died')
      this.#countDeath(entry, observation);
  }

  #countDeath(entry: Entry, observation: VmObservation): void {
    if (observation.state.state !== 'stopped' || entry.deathAt === observation.since) return;
    entry.deathAt = observation.since;
    // One whose start we did not see (it died while no gateway ran) counts as proven: it is started at once.
    const ranMs = entry.runningSince === undefined ? RETRY.provenMs : observation.since - entry.runningSince;
    entry.retry = afterDeath(entry.retry, ranMs, observation.state.detail ?? 'it died', this.#options.now());
    const level = entry.retry.failures === 0 ? 'warn' : 'error';
    void this.#note(observation.id, level, 'died', observation.state.detail ?? 'the virtual machine died');
  }

  #entry(vmId: string): Entry {
    let entry = this.#entries.get(vmId);
    if (entry === undefined) {
      entry = {
        isLooking: false,
        mustLookAgain: false,
        retry: undefined,
        timer: undefined,
        pending: undefined,
        runningSince: undefined,
        deathAt: undefined,
        isServed: undefined,
      };
      this.#entries.set(vmId, entry);
    }
    return entry;
  }

  #poke(vmId: string, entry: Entry): void {
    if (this.#closing.signal.aborted) return;
    if (entry.isLooking) {
      entry.mustLookAgain = true;
      return;
    }
    entry.isLooking = true;
    this.#track(this.#lookUntilSettled(vmId, entry));
  }

  #track(step: Promise<void>): void {
    this.#underWay.add(step);
    void step.finally(() => this.#underWay.delete(step));
  }

  async #lookUntilSettled(vmId: string, entry: Entry): Promise<void> {
    do {
      entry.mustLookAgain = false;
      try {
        await this.#look(vmId, entry);
      } catch (error) {
        if (!this.#closing.signal.aborted) this.#options.log.error({ err: error, vm: vmId }, 'reconcile-failed');
      }
    } while (entry.mustLookAgain && !this.#closing.signal.aborted);
    entry.isLooking = false;
    if (!this.#closing.signal.aborted) this.#options.events.changed(vmId);
  }

  async #look(vmId: string, entry: Entry): Promise<void> {
    const vm = await this.#options.store.get(vmId);
    if (vm === undefined) {
      clearTimeout(entry.timer);
      this.#entries.delete(vmId);
      return;
    }
    const observed = this.#observe(vm);
    if (observed === undefined) return; // The host is away; its coming back pokes.
    const action = decide(intentOf(vm), observed);
    if (action === undefined) {
      await this.#settle(vm, entry, observed);
      return;
    }
    if (this.#mustWait(vmId, vm, entry, action)) return;
    this.#begin(vm, entry, action);
  }

  /** Nothing to do: keep the disks of a running VM served, let go of those of one that is off. */
  async #settle(vm: StoredVm, entry: Entry, observed: Observed): Promise<void> {
    if (entry.pending !== undefined) return;
    const state = observed.state === 'absent' ? 'stopped' : observed.vm.state;
    if (state === 'stopped' || state === 'saved') {
      if (entry.isServed === false) return;
      await this.#steps.release(vm, entry);
      if (entry.retry !== undefined && vm.wanted !== 'running') entry.retry = undefined;
    } else if (entry.isServed !== true && state !== 'broken') {
      await this.#steps.serve(vm, entry, false);
    }
    if (observed.state === 'present' && state === 'running') this.#forgive(entry, observed.since);
  }

  /** A VM that has run long enough starts with a clean sheet; its trouble is not shown while it runs. */
  #forgive(entry: Entry, since: number): void {
    const retry = entry.retry;
    if (retry === undefined) return;
    const provenAt = since + RETRY.provenMs;
    if (provenAt <= this.#options.now()) entry.retry = undefined;
  }

  #mustWait(vmId: string, vm: StoredVm, entry: Entry, action: Action): boolean {
    const isKill = action.do === 'power' && action.verb === 'kill';
    if (entry.pending !== undefined) {
      // Only force overtakes what is under way.
      const isKilling = entry.pending.do === 'power' && entry.pending.verb === 'kill';
      return !isKill || isKilling;
    }
    if (action.do === 'power' && action.verb === 'start' && this.#options.hosts.isInMaintenance(vm.hostId)) return true;
    if (isKill || action.do === 'accept' || entry.retry === undefined) return false;
    if (entry.retry.isFinal) return true;
    const waitMs = entry.retry.notBefore - this.#options.now();
    if (waitMs <= 0) return false;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.#poke(vmId, entry), waitMs);
    entry.timer.unref();
    return true;
  }

  #begin(vm: StoredVm, entry: Entry, action: Action): void {
    entry.pending = action;
    const step = this.#steps
      .take(vm, entry, action)
      .then(
        () => {
          if (action.do === 'accept') entry.retry = undefined;
        },
        (error: unknown) => this.#failed(vm, entry, action, error),
      )
      .finally(() => {
        if (entry.pending === action) entry.pending = undefined;
        this.#poke(vm.id, entry);
      });
    this.#track(step);
  }

  async #failed(vm: StoredVm, entry: Entry, action: Action, error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const code = (error as { code?: unknown }).code;
    const message = error instanceof Error ? error.message : String(error);
    entry.retry = afterFailure(entry.retry, typeof code === 'string' ? code : 'INTERNAL', message, this.#options.now());
    const what = action.do === 'power' ? action.verb : action.do;
    this.#options.log.warn({ err: error, vm: vm.id, step: what, failures: entry.retry.failures }, 'vm-step-failed');
    await this.#note(vm.id, 'error', `${what}-failed`, message);
  }

  #observe(vm: StoredVm): Observed | undefined {
    const { hosts } = this.#options;
    if (hosts.driver(vm.hostId) === undefined) return undefined;
    const seen = hosts.observation(vm.hostId, vm.id);
    if (seen === undefined) return { state: 'absent' };
    return { state: 'present', vm: seen.state, since: seen.since, generation: seen.generation };
  }

  async #note(vmId: string, level: 'info' | 'warn' | 'error', event: string, message: string): Promise<void> {
    try {
      await this.#options.store.log(vmId, level, event, message);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#options.log.error({ err: error, vm: vmId }, 'vm-log-failed');
    }
  }
}

function intentOf(vm: StoredVm): Intent {
  return {
    wanted: vm.wanted,
    wantedAt: vm.wantedAt,
    isForced: vm.isForced,
    isDeleting: vm.deleting !== undefined,
    generation: vm.generation,
  };
}
