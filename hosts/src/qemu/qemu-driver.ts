/**
 * The QEMU driver: HostDriver over QEMU processes on this machine. This file wires; what each verb does is beside it.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { cpus, hostname, totalmem } from 'node:os';
import type { OwnerLock } from '@oriel/machine';
import type * as api from '../driver.ts';
import { HostError } from '../errors.ts';
import { EventLog } from '../event-log.ts';
import { type Cursor, type TaskId, taskId, type VmId } from '../ids.ts';
import { type VmSpec, vmSpec } from '../spec.ts';
import { TaskBook, type TaskControl } from '../task-book.ts';
import { capabilitiesOf, findInstalled, type Installed } from './capabilities.ts';
import { agentFacet } from './facets/agent-facet.ts';
import { attachHeldDisk, changeHeldCd, detachHeldDisk, swapHeldDisk } from './facets/block.ts';
import { Displays } from './facets/display.ts';
import { thawGuest } from './facets/freeze.ts';
import { sampleVms } from './facets/metrics.ts';
import { pressKeys, resizeScreen, Screens } from './facets/screen.ts';
import { lockFolder } from './process/folder-lock.ts';
import { type Engine, probeKvm } from './process/kvm-probe.ts';
import { LOG_BYTES, readLog, trimLog } from './process/log-trim.ts';
import { type Adopted, adoptAll } from './verbs/adopt.ts';
import { applySpec } from './verbs/apply.ts';
import { resizeDisk } from './verbs/hotplug.ts';
import { killVm, pauseVm, resetVm, resumeVm, stopVm } from './verbs/power.ts';
import { discardSaved, saveVm } from './verbs/save.ts';
import { startVm } from './verbs/start.ts';
import { sweepRunFolder } from './vm/end.ts';
import { QEMU_LIMITS, QEMU_TIMING, type QemuHost, type QemuOptions, type QemuTiming } from './vm/host.ts';
import { RECORD_VERSION, saveRecord, type TaskRecord } from './vm/record.ts';
import { QemuVm } from './vm/vm.ts';

const FACETS: readonly api.FacetName[] = ['block', 'agent', 'screen', 'logs'];

/** Does nothing yet: `connect` finds out what is installed and takes over what runs. */
export function qemuDriver(options: QemuOptions): api.HostDriver {
  return new QemuDriver(options);
}

class QemuDriver implements api.HostDriver {
  readonly kind = 'qemu';
  readonly block: api.BlockFacet;
  readonly agent: api.AgentFacet;
  readonly screen: api.ScreenFacet;
  readonly logs: api.LogFacet;
  readonly #options: QemuOptions;
  readonly #timing: QemuTiming;
  readonly #events = new EventLog();
  readonly #displays = new Displays();
  readonly #screens = new Screens();
  readonly #vms = new Map<VmId, QemuVm>();
  readonly #tasks: TaskBook;
  #installed: Installed | undefined;
  #caps: api.Capabilities | undefined;
  #host: QemuHost | undefined;
  #lock: OwnerLock | undefined;
  #trimmer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: QemuOptions) {
    this.#options = options;
    this.#timing = { ...QEMU_TIMING, ...options.timing };
    this.#tasks = new TaskBook((task) => {
      this.#events.emit({ kind: 'task', vm: task.vm, task: task.id, verb: task.kind, status: task.status() });
    });
    this.block = this.#blockFacet();
    this.agent = agentFacet((id) => this.#vm(id));
    this.screen = {
      shot: async (id, shotOptions) => this.#screens.shot(this.#vm(id), shotOptions),
      keys: async (id, chords, callOptions) => pressKeys(this.#vm(id), chords, callOptions),
      resize: async (id, width, height, callOptions) => resizeScreen(this.#vm(id), width, height, callOptions),
    };
    this.logs = {
      read: async (id, log, maxBytes = 65_536) => {
        const { paths } = this.#vm(id);
        return readLog(log === 'serial' ? paths.serialLog : paths.hostLog, Math.min(maxBytes, LOG_BYTES));
      },
    };
  }

  get caps(): api.Capabilities {
    if (this.#caps === undefined) throw new HostError('HOST_NOT_CONNECTED', 'the QEMU driver is not connected yet');
    return this.#caps;
  }

  async connect(): Promise<api.HostInfo> {
    if (this.#host !== undefined || this.#closed) throw new HostError('HOST_CLOSED', 'a driver connects once');
    const binary = this.#options.binary ?? '/usr/bin/qemu-system-x86_64';
    const installed = await findInstalled(binary, this.#options);
    this.#lock = await lockFolder(this.#options.runDir);
    try {
      const accelerator = await this.#chooseEngine(binary, installed.version);
      this.#installed = installed;
      this.#caps = capabilitiesOf(installed, this.#options, FACETS);
      this.#host = this.#settle(binary, installed, accelerator);
      for (const adopted of await adoptAll(this.#host)) this.#adopt(adopted);
      this.#trimmer = setInterval(() => void this.#trim(), this.#timing.trimMs);
      this.#trimmer.unref();
      return {
        kind: this.kind,
        name: this.#options.name ?? hostname(),
        version: installed.version,
        cpus: cpus().length,
        memoryMiB: Math.floor(totalmem() / 1_048_576),
        accelerator,
        clockSkewMs: 0, // The host is this machine.
      };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async list(): Promise<readonly api.VmObservation[]> {
    this.#connected();
    return this.#observations();
  }

  watch(since?: Cursor, options?: api.CallOptions): AsyncIterable<api.HostEvent> {
    this.#connected();
    return this.#events.watch(() => this.#observations(), since, options);
  }

  apply(spec: VmSpec, options: api.ApplyOptions = {}): api.Task<api.ApplyResult> {
    return this.#tasks.run({ kind: 'apply', vm: spec.id }, async () => {
      const host = this.#connected();
      const checked = vmSpec(spec);
      const known = this.#vms.get(checked.id);
      if (known === undefined && QEMU_LIMITS.vms <= this.#vms.size) {
        throw new HostError('HOST_LIMIT', `${this.#vms.size} VMs are defined already`);
      }
      const vm = known ?? new QemuVm(checked.id, host);
      const machines = (this.#installed as Installed).machines;
      const result = await applySpec(vm, checked, options, { caps: this.caps, machines });
      if (options.isDryRun !== true && known === undefined) this.#vms.set(vm.id, vm);
      return result;
    });
  }

  power(id: VmId, verb: api.PowerVerb, options: api.PowerOptions = {}): api.Task<api.VmObservation> {
    const { isPaused, graceMs } = options;
    const forceAt = verb === 'stop' ? Date.now() + (graceMs ?? this.#timing.graceMs) : undefined;
    return this.#verb(id, verb, {
      ...(isPaused === undefined ? {} : { isPaused }),
      ...(forceAt === undefined ? {} : { forceAt }),
    });
  }

  remove(id: VmId): api.Task<void> {
    return this.#tasks.run({ kind: 'remove', vm: id }, async () => {
      const vm = this.#vm(id);
      const { state } = vm.state;
      if (vm.process !== undefined || !['stopped', 'saved', 'broken'].includes(state)) throw vm.wrongState('remove');
      await sweepRunFolder(vm.paths);
      await rm(vm.paths.runFolder, { recursive: true, force: true });
      await rm(vm.paths.stateFolder, { recursive: true, force: true });
      this.#vms.delete(id);
      this.#events.emit({ kind: 'removed', vm: id });
    });
  }

  async display(id: VmId, want: api.DisplayWant): Promise<api.DisplayEndpoint> {
    return this.#displays.endpoint(this.#vm(id), want);
  }

  async metrics(ids?: readonly VmId[]): Promise<readonly api.Sample[]> {
    this.#connected();
    const wanted = ids === undefined ? [...this.#vms.values()] : ids.map((id) => this.#vms.get(id));
    return sampleVms(wanted.filter((vm) => vm !== undefined));
  }

  tasks(): readonly api.Task<unknown>[] {
    return this.#tasks.list();
  }

  /** INVARIANT OUTLIVE: closes our ends of the sockets; no VM is told anything. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#trimmer);
    this.#displays.close();
    await Promise.all([...this.#vms.values()].map((vm) => vm.letGo()));
    this.#events.close();
    this.#lock?.release();
    this.#lock = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connected(): QemuHost {
    if (this.#closed) throw new HostError('HOST_CLOSED', 'the QEMU driver was closed');
    if (this.#host === undefined) throw new HostError('HOST_NOT_CONNECTED', 'the QEMU driver is not connected yet');
    return this.#host;
  }

  #vm(id: VmId): QemuVm {
    this.#connected();
    const vm = this.#vms.get(id);
    if (vm === undefined) throw new HostError('VM_NOT_FOUND', `no VM ${JSON.stringify(id)} on this host`);
    return vm;
  }

  #observations(): readonly api.VmObservation[] {
    return [...this.#vms.values()].map((vm) => vm.observe());
  }

  async #chooseEngine(binary: string, version: string): Promise<Engine> {
    const wanted = this.#options.accelerator ?? 'auto';
    if (wanted !== 'auto') return { name: wanted, reason: 'set by the administrator' };
    return probeKvm({ binary, version, runDir: this.#options.runDir, timeoutMs: this.#timing.probeMs });
  }

  #settle(binary: string, installed: Installed, accelerator: Engine): QemuHost {
    const { runDir, stateDir, tbSizeMiB, reconnectDelayS, tcpDisplay } = this.#options;
    return {
      runDir,
      stateDir: stateDir ?? runDir,
      accelerator,
      argv: {
        binary,
        accelerator: accelerator.name,
        nbd: { reconnectDelayS: reconnectDelayS ?? 60 },
        tbSizeMiB: tbSizeMiB ?? 32,
        firmware: installed.firmware,
        tcpDisplay,
      },
      firmwareVariables: installed.firmware?.variables,
      timing: this.#timing,
      events: this.#events,
      now: Date.now,
    };
  }

  #adopt({ vm, task }: Adopted): void {
    this.#vms.set(vm.id, vm);
    // A record of a freeze means that its guard died with the last driver.
    if (vm.process !== undefined && existsSync(vm.paths.freeze)) thawGuest(vm).catch(() => undefined);
    if (task === undefined) return;
    this.#verb(vm.id, task.kind as api.PowerVerb, { ...task, id: taskId(task.id) });
  }

  /** A power verb as a task that the next driver finds on disk and goes on with. */
  #verb(
    id: VmId,
    verb: api.PowerVerb,
    known: {
      readonly id?: TaskId;
      readonly startedAt?: number;
      readonly forceAt?: number;
      readonly isPaused?: boolean;
    },
  ): api.Task<api.VmObservation> {
    const request = {
      kind: verb,
      vm: id,
      overtakes: verb === 'kill',
      ...(known.id === undefined ? {} : { id: known.id }),
      ...(known.startedAt === undefined ? {} : { startedAt: known.startedAt }),
    };
    return this.#tasks.run(request, async (control) => {
      const vm = this.#vm(id);
      const record: TaskRecord = {
        ...known,
        version: RECORD_VERSION,
        id: control.id,
        kind: verb,
        startedAt: known.startedAt ?? Date.now(),
      };
      const durable = verb === 'start' || verb === 'stop' || verb === 'save';
      if (durable) await saveRecord(vm.paths.task, record);
      try {
        await this.#perform(vm, verb, record, control, known.id !== undefined);
      } finally {
        // A driver that was closed meanwhile leaves the record: the task is not over, its successor goes on with it.
        if (durable && !this.#closed) await rm(vm.paths.task, { force: true });
      }
      return vm.observe();
    });
  }

  async #perform(
    vm: QemuVm,
    verb: api.PowerVerb,
    record: TaskRecord,
    control: TaskControl,
    continues: boolean,
  ): Promise<void> {
    switch (verb) {
      case 'start':
        return startVm(vm, { isPaused: record.isPaused === true, continues }, control);
      case 'stop':
        return stopVm(vm, record.forceAt ?? Date.now(), control);
      case 'kill':
        return killVm(vm);
      case 'reset':
        return resetVm(vm);
      case 'pause':
        return pauseVm(vm);
      case 'resume':
        return resumeVm(vm);
      case 'save':
        return saveVm(vm, control);
      case 'discard':
        return discardSaved(vm);
    }
  }

  #blockFacet(): api.BlockFacet {
    const task = (kind: string, id: VmId, work: (vm: QemuVm) => Promise<void>): api.Task<void> =>
      this.#tasks.run({ kind, vm: id }, () => work(this.#vm(id)));
    return {
      swap: (id, disk, uri) => task('swap', id, (vm) => swapHeldDisk(vm, disk, uri)),
      resize: (id, disk, sizeBytes) => task('resize', id, (vm) => resizeDisk(vm, disk, sizeBytes)),
      attach: (id, disk) => task('attach', id, (vm) => attachHeldDisk(vm, disk)),
      detach: (id, disk) => task('detach', id, (vm) => detachHeldDisk(vm, disk)),
      changeCd: (id, cd, uri) => task('change-cd', id, (vm) => changeHeldCd(vm, cd, uri)),
    };
  }

  async #trim(): Promise<void> {
    for (const vm of this.#vms.values()) {
      if (vm.process === undefined) continue;
      await trimLog(vm.paths.serialLog).catch(() => undefined);
      await trimLog(vm.paths.hostLog).catch(() => undefined);
    }
  }
}
