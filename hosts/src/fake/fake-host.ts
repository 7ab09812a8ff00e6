/**
 * A host that does not exist: VMs that start, stop, save and crash in memory, with latencies and with failures on demand.
 * It outlives its drivers as a real host does, so a restart of the gateway can be played. PURE of input and output.
 */
import type { HostEventBody, PauseReason, PowerVerb, Sample, StopReason, VmObservation, VmState } from '../driver.ts';
import { HostError, type HostErrorCode } from '../errors.ts';
import { EventLog } from '../event-log.ts';
import type { TaskId, VmId } from '../ids.ts';
import { type VmSpec, type VmSpecInput, vmSpec } from '../spec.ts';
import { pendingRestart } from '../spec-diff.ts';

/** What can be made to fail or to take time. */
export type FakeCall =
  | 'connect'
  | 'list'
  | 'apply'
  | PowerVerb
  | 'remove'
  | 'display'
  | 'metrics'
  | 'block'
  | 'agent'
  | 'shot';

export interface FakeHostOptions {
  readonly name?: string;
  readonly latencyMs?: Partial<Record<FakeCall, number>>;
  readonly memoryMiB?: number;
  readonly cpus?: number;
  readonly now?: () => number;
}

export interface PlannedFailure {
  readonly call: FakeCall;
  readonly code: HostErrorCode;
  /** Of one VM; of any where absent. */
  readonly vm?: VmId;
  /** How often; once where absent. */
  readonly times?: number;
}

export interface FakeVm {
  spec: VmSpec;
  /** The spec that it was started with, while it runs. */
  running: VmSpec | undefined;
  state: VmState;
  since: number;
  boots: number;
  startedAt: number;
  isAgentConnected: boolean;
  serial: string;
  readonly files: Map<string, Uint8Array>;
}

/** A verb under way, known to the host and not only to the driver that began it. */
export interface FakeJob {
  readonly id: TaskId;
  readonly vm: VmId;
  readonly verb: PowerVerb;
  readonly startedAt: number;
  readonly done: Promise<void>;
  cancel(): void;
}

export class FakeHost {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly events: EventLog;
  readonly vms: Map<VmId, FakeVm> = new Map();
  readonly jobs: Map<TaskId, FakeJob> = new Map();
  readonly now: () => number;
  #latencyMs: Partial<Record<FakeCall, number>>;
  #failures: { plan: PlannedFailure; left: number }[] = [];
  #isReachable = true;

  constructor(options: FakeHostOptions = {}) {
    this.name = options.name ?? 'fake';
    this.cpus = options.cpus ?? 64;
    this.memoryMiB = options.memoryMiB ?? 1_048_576;
    this.now = options.now ?? Date.now;
    this.#latencyMs = options.latencyMs ?? {};
    this.events = new EventLog(this.now);
  }

  /** The next calls of this kind fail with this code. */
  failNext(plan: PlannedFailure): void {
    this.#failures.push({ plan, left: plan.times ?? 1 });
  }

  setLatency(latencyMs: Partial<Record<FakeCall, number>>): void {
    this.#latencyMs = { ...this.#latencyMs, ...latencyMs };
  }

  /** The cable is out: every call fails until `plug`. The VMs run on. */
  unplug(): void {
    this.#isReachable = false;
    this.events.emit({ kind: 'host', isReachable: false, message: `${this.name} cannot be reached` });
  }

  plug(): void {
    this.#isReachable = true;
    this.events.emit({ kind: 'host', isReachable: true, message: `${this.name} can be reached again` });
  }

  /** What every call goes through: time first, then what was planned to go wrong. */
  async enter(call: FakeCall, vm?: VmId, signal?: AbortSignal): Promise<void> {
    const ms = this.#latencyMs[call] ?? 0;
    if (0 < ms) await wait(ms, signal);
    if (!this.#isReachable) throw new HostError('HOST_UNREACHABLE', `${this.name} cannot be reached`);
    const at = this.#failures.findIndex(({ plan }) => plan.call === call && (plan.vm === undefined || plan.vm === vm));
    const failure = this.#failures[at];
    if (failure === undefined) return;
    failure.left -= 1;
    if (failure.left <= 0) this.#failures.splice(at, 1);
    throw new HostError(failure.plan.code, `${call} of ${vm ?? this.name} fails because a test asked for it`);
  }

  define(input: VmSpecInput, state: VmState = { state: 'stopped', reason: 'never-started' }): FakeVm {
    const spec = vmSpec(input);
    const runs = state.state === 'running' || state.state === 'paused';
    const vm: FakeVm = {
      spec,
      running: runs ? spec : undefined,
      state,
      since: this.now(),
      boots: runs ? 1 : 0,
      startedAt: this.now(),
      isAgentConnected: runs && spec.hasAgent,
      serial: runs ? 'fake guest boot 1\r\n' : '',
      files: new Map(),
    };
    this.vms.set(spec.id, vm);
    return vm;
  }

  become(id: VmId, state: VmState): void {
    const vm = this.find(id);
    vm.state = state;
    vm.since = this.now();
    const runs =
      state.state !== 'stopped' && state.state !== 'saved' && state.state !== 'broken' && state.state !== 'starting';
    if (!runs) vm.running = undefined;
    const agent = runs && vm.running?.hasAgent === true;
    const changed = agent !== vm.isAgentConnected;
    vm.isAgentConnected = agent;
    this.emit({ kind: 'state', vm: id, observation: this.observe(vm) });
    if (changed) this.emit({ kind: 'agent', vm: id, isConnected: agent });
  }

  /** The guest, or a fate, does something that nobody asked for. */
  guestShutsDown(id: VmId): void {
    this.stopped(id, 'guest');
  }

  crash(id: VmId): void {
    this.stopped(id, 'died', 'killed by a test');
  }

  ioError(id: VmId, reason: PauseReason & { kind: 'io-error' }): void {
    this.become(id, { state: 'paused', reason });
  }

  stopped(id: VmId, reason: StopReason, detail?: string): void {
    this.become(id, { state: 'stopped', reason, ...(detail === undefined ? {} : { detail }) });
  }

  find(id: VmId): FakeVm {
    const vm = this.vms.get(id);
    if (vm === undefined) throw new HostError('VM_NOT_FOUND', `no VM ${JSON.stringify(id)} on ${this.name}`);
    return vm;
  }

  emit(body: HostEventBody): void {
    this.events.emit(body);
  }

  observe(vm: FakeVm): VmObservation {
    return {
      id: vm.spec.id,
      name: vm.spec.name,
      generation: vm.spec.generation,
      state: vm.state,
      since: vm.since,
      boots: vm.boots,
      isAgentConnected: vm.isAgentConnected,
      ...(vm.running === undefined ? {} : { accelerator: 'native' as const }),
      pendingRestart: vm.running === undefined ? [] : pendingRestart(vm.running, vm.spec),
      spec: vm.spec,
    };
  }

  observations(): readonly VmObservation[] {
    return Array.from(this.vms.values(), (vm) => this.observe(vm));
  }

  /** Made up, but growing and bounded by the machine: 5 % of a core each, and half the memory. */
  sample(vm: FakeVm): Sample | undefined {
    if (vm.running === undefined) return undefined;
    const seconds = Math.max(0, (this.now() - vm.startedAt) / 1000);
    return {
      vm: vm.spec.id,
      at: this.now(),
      cpuSeconds: seconds / 20,
      residentBytes: (vm.running.memoryMiB * 1_048_576) / 2,
      diskReadBytes: Math.floor(seconds * 65_536),
      diskWrittenBytes: Math.floor(seconds * 16_384),
    };
  }
}

/** Resolves after a time; rejects with TASK_CANCELLED at once where the signal comes first. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new HostError('TASK_CANCELLED', 'cancelled'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}
