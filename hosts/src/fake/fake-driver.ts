/**
 * HostDriver over a FakeHost: the second implementation that keeps the interface honest, and what the gateway's tests and
 * benchmarks run whole fleets on.
 */
import type * as api from '../driver.ts';
import { HostError } from '../errors.ts';
import type { Cursor, VmId } from '../ids.ts';
import { type VmSpec, vmSpec } from '../spec.ts';
import { diffSpecs } from '../spec-diff.ts';
import { TaskBook, type TaskControl } from '../task-book.ts';
import { FAKE_SCREEN, fakePng, fakeRfb, fakeSerial } from './fake-display.ts';
import { fakeAgent, fakeBlock } from './fake-facets.ts';
import type { FakeHost, FakeVm } from './fake-host.ts';

const FACETS: readonly api.FacetName[] = ['block', 'agent', 'screen', 'logs'];
const DEFAULT_GRACE_MS = 30_000;
const DISPLAY_TTL_MS = 30_000;

export function fakeDriver(host: FakeHost): api.HostDriver {
  return new FakeDriver(host);
}

class FakeDriver implements api.HostDriver {
  readonly kind = 'fake';
  readonly block: api.BlockFacet;
  readonly agent: api.AgentFacet;
  readonly screen: api.ScreenFacet;
  readonly logs: api.LogFacet;
  readonly #host: FakeHost;
  readonly #tasks: TaskBook;
  #state: 'new' | 'connected' | 'closed' = 'new';
  readonly #watches = new AbortController();

  constructor(host: FakeHost) {
    this.#host = host;
    this.#tasks = new TaskBook((task) => {
      if (this.#state === 'closed') return;
      host.emit({ kind: 'task', vm: task.vm, task: task.id, verb: task.kind, status: task.status() });
    });
    this.block = fakeBlock(host, (kind, vm, work) =>
      this.#tasks.run({ kind, vm }, async () => this.#connected() && work()),
    );
    this.agent = fakeAgent(host);
    this.screen = {
      shot: async (id) => {
        await host.enter('shot', id);
        this.#running(id, 'see');
        return { png: fakePng(), width: FAKE_SCREEN.width, height: FAKE_SCREEN.height, takenAt: host.now() };
      },
      keys: async (id, chords) => {
        this.#running(id, 'press keys of').serial += chords.map((chord) => chord.join('-')).join(' ');
      },
      resize: async (id) => {
        this.#running(id, 'resize');
        throw new HostError('SCREEN_UNAVAILABLE', `the screen of ${id} cannot be resized`);
      },
    };
    this.logs = {
      read: async (id, log, maxBytes = 65_536) =>
        Buffer.from(log === 'serial' ? host.find(id).serial : '').subarray(-maxBytes),
    };
  }

  get caps(): api.Capabilities {
    if (this.#state === 'new') throw new HostError('HOST_NOT_CONNECTED', 'the fake driver is not connected yet');
    return {
      facets: FACETS,
      machines: ['pc', 'q35'],
      firmware: ['bios', 'uefi'],
      diskBuses: ['virtio-blk', 'virtio-scsi', 'ide'],
      video: ['std', 'virtio', 'none'],
      nics: ['user', 'bridge', 'tap'],
      displays: ['rfb', 'serial'],
      maxVcpus: this.#host.cpus,
      maxMemoryMiB: this.#host.memoryMiB,
      maxVms: 10_000,
      hotplug: ['disk', 'cd'],
      canSave: true,
      migrate: 'none',
      hasTpm: true,
      hasRng: true,
      hasOneTimeSecrets: false,
    };
  }

  async connect(options: api.CallOptions = {}): Promise<api.HostInfo> {
    if (this.#state !== 'new') throw new HostError('HOST_CLOSED', 'a driver connects once');
    await this.#host.enter('connect', undefined, options.signal);
    this.#state = 'connected';
    for (const job of this.#host.jobs.values()) {
      // A verb that an earlier driver began: the host goes on with it, we tell how it ends.
      const { id, vm, verb: kind, startedAt } = job;
      this.#tasks.run({ kind, vm, id, startedAt }, async (control) => {
        control.signal.addEventListener('abort', () => job.cancel());
        await job.done;
        return this.#host.observe(this.#host.find(vm));
      });
    }
    return {
      kind: this.kind,
      name: this.#host.name,
      version: '1.0.0',
      cpus: this.#host.cpus,
      memoryMiB: this.#host.memoryMiB,
      accelerator: { name: 'native', reason: 'nothing runs here' },
      clockSkewMs: 0,
    };
  }

  async list(options: api.CallOptions = {}): Promise<readonly api.VmObservation[]> {
    this.#connected();
    await this.#host.enter('list', undefined, options.signal);
    return this.#host.observations();
  }

  watch(since?: Cursor, options: api.CallOptions = {}): AsyncIterable<api.HostEvent> {
    this.#connected();
    const signals = [this.#watches.signal, ...(options.signal === undefined ? [] : [options.signal])];
    return this.#host.events.watch(() => this.#host.observations(), since, { signal: AbortSignal.any(signals) });
  }

  apply(wanted: VmSpec, options: api.ApplyOptions = {}): api.Task<api.ApplyResult> {
    return this.#tasks.run({ kind: 'apply', vm: wanted.id }, async () => {
      this.#connected();
      await this.#host.enter('apply', wanted.id);
      const spec = vmSpec(wanted);
      const held = this.#host.vms.get(spec.id);
      this.#check(spec, held?.spec.generation ?? 0, options);
      const live = held?.running === undefined ? undefined : { isDiskLive: () => true, canChangeCd: true };
      const changes = diffSpecs(held?.running ?? held?.spec, spec, live);
      if (options.isDryRun === true) return { vm: this.#observe(held, spec), changes };
      const same = held !== undefined && JSON.stringify(held.spec) === JSON.stringify(spec);
      if (same) return { vm: this.#host.observe(held), changes };
      const vm = held ?? this.#host.define(spec);
      vm.spec = spec;
      if (vm.running !== undefined) vm.running = { ...vm.running, name: spec.name, disks: spec.disks, cds: spec.cds };
      this.#host.emit({ kind: 'state', vm: spec.id, observation: this.#host.observe(vm) });
      return { vm: this.#host.observe(vm), changes };
    });
  }

  power(id: VmId, verb: api.PowerVerb, options: api.PowerOptions = {}): api.Task<api.VmObservation> {
    return this.#tasks.run({ kind: verb, vm: id, overtakes: verb === 'kill' }, async (control) => {
      this.#connected();
      const vm = this.#host.find(id);
      const abort = new AbortController();
      control.signal.addEventListener('abort', () => abort.abort());
      if (control.signal.aborted) abort.abort();
      control.progress(0.1, verb);
      const done = this.#perform(vm, verb, options, { ...control, signal: abort.signal });
      const end = (): boolean => this.#host.jobs.delete(control.id);
      done.then(end, end);
      const startedAt = this.#host.now();
      this.#host.jobs.set(control.id, { id: control.id, vm: id, verb, startedAt, done, cancel: () => abort.abort() });
      await done;
      return this.#host.observe(vm);
    });
  }

  remove(id: VmId): api.Task<void> {
    return this.#tasks.run({ kind: 'remove', vm: id }, async () => {
      this.#connected();
      await this.#host.enter('remove', id);
      const { state } = this.#host.find(id).state;
      if (!['stopped', 'saved', 'broken'].includes(state)) throw wrongState(this.#host.find(id), 'remove');
      this.#host.vms.delete(id);
      this.#host.emit({ kind: 'removed', vm: id });
    });
  }

  async display(id: VmId, want: api.DisplayWant): Promise<api.DisplayEndpoint> {
    this.#connected();
    await this.#host.enter('display', id);
    const vm = this.#running(id, 'open a display of');
    const has =
      want.kind === 'rfb' ? vm.running?.video !== 'none' : want.kind === 'serial' && vm.running?.hasSerial === true;
    if (!has || want.needsOneTimeSecret === true)
      throw new HostError('DISPLAY_UNSUPPORTED', `${id} has no such ${want.kind} display`);
    const expires = this.#host.now() + (want.ttlMs ?? DISPLAY_TTL_MS);
    const run = vm.startedAt;
    const { kind } = want;
    return {
      kind,
      expires,
      dial: async () => {
        if (expires < this.#host.now())
          throw new HostError('DISPLAY_EXPIRED', `the display of ${id} was not dialled in time`);
        if (vm.running === undefined || vm.startedAt !== run)
          throw new HostError('DISPLAY_EXPIRED', `${id} was stopped or restarted since`);
        if (kind === 'rfb') return fakeRfb();
        return fakeSerial(vm.serial, (text) => {
          vm.serial += text;
        });
      },
    };
  }

  async metrics(ids?: readonly VmId[], options: api.CallOptions = {}): Promise<readonly api.Sample[]> {
    this.#connected();
    await this.#host.enter('metrics', undefined, options.signal);
    const wanted = ids === undefined ? [...this.#host.vms.values()] : ids.map((id) => this.#host.vms.get(id));
    return wanted
      .map((vm) => (vm === undefined ? undefined : this.#host.sample(vm)))
      .filter((sample) => sample !== undefined);
  }

  tasks(): readonly api.Task<unknown>[] {
    return this.#tasks.list();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#watches.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connected(): true {
    if (this.#state === 'closed') throw new HostError('HOST_CLOSED', 'the fake driver was closed');
    if (this.#state === 'new') throw new HostError('HOST_NOT_CONNECTED', 'the fake driver is not connected yet');
    return true;
  }

  #running(id: VmId, doing: string): FakeVm {
    this.#connected();
    const vm = this.#host.find(id);
    if (vm.running === undefined) throw wrongState(vm, doing);
    return vm;
  }

  #observe(held: FakeVm | undefined, spec: VmSpec): api.VmObservation {
    if (held !== undefined) return this.#host.observe(held);
    const state = { state: 'stopped', reason: 'never-started' } as const;
    const { id, name } = spec;
    return {
      id,
      name,
      generation: 0,
      state,
      since: this.#host.now(),
      boots: 0,
      isAgentConnected: false,
      pendingRestart: [],
    };
  }

  #check(spec: VmSpec, held: number, options: api.ApplyOptions): void {
    if (this.#host.memoryMiB < spec.memoryMiB || this.#host.cpus < spec.vcpus) {
      throw new HostError('SPEC_UNSUPPORTED', `${spec.id} is larger than ${this.#host.name}`);
    }
    const isExpected = options.ifGeneration === undefined || options.ifGeneration === held;
    if (!isExpected || spec.generation < held) throw new HostError('SPEC_STALE', `${spec.id} is at generation ${held}`);
  }

  async #perform(vm: FakeVm, verb: api.PowerVerb, options: api.PowerOptions, control: TaskControl): Promise<void> {
    const host = this.#host;
    const { id } = vm.spec;
    const { state } = vm.state;
    const allowed = ALLOWED[verb];
    if (!allowed.from.includes(state)) throw wrongState(vm, verb);
    if (state === allowed.already) return;
    const before = vm.state;
    if (verb === 'start') host.become(id, { state: 'starting' });
    if (verb === 'stop')
      host.become(id, { state: 'stopping', forceAt: host.now() + (options.graceMs ?? DEFAULT_GRACE_MS) });
    if (verb === 'save') host.become(id, { state: 'saving' });
    try {
      await host.enter(verb, id, control.signal);
    } catch (error) {
      const failed =
        verb === 'start' && before.state === 'stopped' && error instanceof HostError && error.code !== 'TASK_CANCELLED';
      host.become(id, failed ? { state: 'stopped', reason: 'start-failed', detail: error.message } : before);
      throw error;
    }
    // What another verb has done meanwhile (kill overtakes) stands.
    if ((verb === 'stop' || verb === 'save') && vm.running === undefined) return;
    settle(host, vm, verb, options, before.state === 'saved');
  }
}

const ON = ['running', 'paused', 'stopping', 'saving', 'starting'];
const ALLOWED: Readonly<
  Record<api.PowerVerb, { readonly from: readonly string[]; readonly already?: api.VmState['state'] }>
> = {
  start: { from: ['stopped', 'saved'] },
  stop: { from: ['running', 'paused', 'stopping', 'stopped'], already: 'stopped' },
  kill: { from: [...ON, 'stopped'], already: 'stopped' },
  reset: { from: ['running', 'paused'] },
  pause: { from: ['running', 'paused'], already: 'paused' },
  resume: { from: ['running', 'paused'], already: 'running' },
  save: { from: ['running', 'paused', 'saved'], already: 'saved' },
  discard: { from: ['saved', 'stopped'], already: 'stopped' },
};

function settle(host: FakeHost, vm: FakeVm, verb: api.PowerVerb, options: api.PowerOptions, resumes: boolean): void {
  const { id } = vm.spec;
  switch (verb) {
    case 'start':
      vm.running = vm.spec;
      vm.startedAt = Math.max(host.now(), vm.startedAt + 1);
      if (!resumes) vm.boots += 1;
      if (!resumes) vm.serial += `fake guest boot ${vm.boots}\r\n`;
      return host.become(
        id,
        options.isPaused === true ? { state: 'paused', reason: { kind: 'requested' } } : { state: 'running' },
      );
    case 'stop':
      return host.stopped(id, 'requested');
    case 'kill':
      return host.stopped(id, 'forced');
    case 'reset':
      vm.boots += 1;
      host.emit({ kind: 'reset', vm: id, by: 'host' });
      return host.become(id, { state: 'running' });
    case 'pause':
      return host.become(id, { state: 'paused', reason: { kind: 'requested' } });
    case 'resume':
      return host.become(id, { state: 'running' });
    case 'save':
      return host.become(id, { state: 'saved', savedAt: host.now() });
    case 'discard':
      return host.stopped(id, 'requested');
  }
}

function wrongState(vm: FakeVm, doing: string): HostError {
  return new HostError('VM_STATE', `cannot ${doing} ${vm.spec.id}: it is ${vm.state.state}`);
}
