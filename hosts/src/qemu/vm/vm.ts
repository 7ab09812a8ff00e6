/**
 * One VM of this host: its records, its QMP connection and the state that follows from both. The verbs are beside this
 * file and act through it; this file only keeps what is true and says when that changes.
 */

import { isAlive, type ProcessRef } from '@oriel/machine';
import type { HostEventBody, PauseReason, VmObservation, VmState } from '../../driver.ts';
import { HostError, toHostError } from '../../errors.ts';
import type { DeviceId, VmId } from '../../ids.ts';
import { pendingRestart } from '../../spec-diff.ts';
import { AgentClient } from '../agent/client.ts';
import { waitForExit } from '../process/process.ts';
import { type AnyQmpEvent, connectQmp, type QmpClient } from '../qmp/client.ts';
import type { QmpEvents, RunState } from '../qmp/schema.ts';
import { deviceOfNode, deviceOfQdev } from './blockdev.ts';
import { recordEnd } from './end.ts';
import type { QemuHost } from './host.ts';
import { type VmPaths, vmPaths } from './paths.ts';
import { type Definition, type ProcessRecord, saveRecord } from './record.ts';

/** How the port of the guest's clipboard agent is called in QEMU. verbs/clipboard.ts plugs it in. */
export const CLIPBOARD = { port: 'clipboard-port', chardev: 'clipboard' } as const;

export class QemuVm {
  readonly id: VmId;
  readonly paths: VmPaths;
  readonly host: QemuHost;
  readonly agent: AgentClient;
  definition: Definition | undefined;
  process: ProcessRecord | undefined;
  qmp: QmpClient | undefined;
  isAgentConnected = false;
  #hasClipboard = false;
  /** Why the process is about to end, where we are the reason. */
  intent: 'requested' | 'forced' | undefined;
  #state: VmState = { state: 'stopped', reason: 'never-started' };
  #since: number;
  #shutdown: QmpEvents['SHUTDOWN'] | undefined;
  #ioError: (PauseReason & { kind: 'io-error' }) | undefined;
  #exit: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #writes: Promise<void> = Promise.resolve();
  #letGo = false;
  #held: Promise<unknown> = Promise.resolve();
  #wake: () => void = () => undefined;
  readonly #watchers = new Set<() => void>();

  constructor(id: VmId, host: QemuHost) {
    this.id = id;
    this.host = host;
    this.paths = vmPaths(host.runDir, host.stateDir, id);
    this.agent = new AgentClient(this.paths.agent, id);
    this.#since = host.now();
  }

  get state(): VmState {
    return this.#state;
  }

  observe(): VmObservation {
    const { definition } = this;
    return {
      id: this.id,
      name: definition?.spec.name ?? this.id,
      generation: definition?.spec.generation ?? 0,
      state: this.#state,
      since: this.#since,
      boots: definition?.boots ?? 0,
      isAgentConnected: this.isAgentConnected,
      hasClipboard: this.#hasClipboard,
      ...(this.process === undefined ? {} : { accelerator: this.process.accelerator }),
      pendingRestart:
        definition === undefined || this.process === undefined
          ? []
          : pendingRestart(this.process.spec, definition.spec),
      ...(definition === undefined ? {} : { spec: definition.spec }),
    };
  }

  /** At the start of a driver's life: what was found, without an event. */
  found(state: VmState, since: number): void {
    this.#state = state;
    this.#since = since;
  }

  become(state: VmState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    this.#state = state;
    this.#since = this.host.now();
    this.emit({ kind: 'state', vm: this.id, observation: this.observe() });
    for (const watcher of this.#watchers) watcher();
  }

  emit(body: HostEventBody): void {
    this.host.events.emit(body);
  }

  /** The connection, or VM_STATE / HOST_UNREACHABLE that says why there is none. */
  connection(doing: string): QmpClient {
    if (this.qmp?.isOpen === true) return this.qmp;
    if (this.process === undefined) throw this.wrongState(doing);
    throw new HostError('HOST_UNREACHABLE', `cannot ${doing} ${this.id}: QEMU does not answer`);
  }

  wrongState(doing: string): HostError {
    if (this.#state.state === 'broken')
      return new HostError('VM_BROKEN', `cannot ${doing} ${this.id}: ${this.#state.message}`);
    return new HostError('VM_STATE', `cannot ${doing} ${this.id}: it is ${this.#state.state}`);
  }

  known(doing: string): Definition {
    if (this.definition === undefined) throw this.wrongState(doing);
    return this.definition;
  }

  async saveDefinition(definition: Definition): Promise<void> {
    this.definition = definition;
    // One after the other: of two that are under way, the later must be what stays on disk.
    const write = this.#writes.then(() => saveRecord(this.paths.definition, definition, true));
    this.#writes = write.catch(() => undefined);
    await write;
  }

  async saveProcess(record: ProcessRecord): Promise<void> {
    this.process = record;
    await saveRecord(this.paths.process, record);
  }

  /** From now on events come in and the end of the process is noticed. */
  attach(qmp: QmpClient, ref: ProcessRef): void {
    this.qmp = qmp;
    this.#shutdown = undefined;
    this.#ioError = undefined;
    qmp.onEvent((event) => this.#onEvent(event));
    this.#exit = qmp.closed
      .then(() => this.#afterDisconnect(ref))
      .catch((thrown: unknown) => {
        const { code, message } = toHostError(thrown, 'VM_BROKEN', `cannot record the end of ${this.id}`);
        this.become({ state: 'broken', code, message });
      });
  }

  /** INVARIANT OUTLIVE: gives the connection up and touches nothing else. */
  async letGo(): Promise<void> {
    this.#letGo = true;
    this.#wake();
    this.agent.close();
    this.qmp?.close();
    await Promise.all([this.#exit, this.#held]);
  }

  /** Work on files of this VM that fails at once without QMP: `letGo` waits for it, so that the next driver finds them alone. */
  async whileHeld(work: Promise<void>): Promise<void> {
    this.#held = work.catch(() => undefined);
    await work;
  }

  /** INVARIANT OUTLIVE: a verb that was cut off by our own end must not take that for a VM that needs force. */
  checkHeld(): void {
    if (this.#letGo) throw new HostError('HOST_CLOSED', `the driver of ${this.id} was closed`);
  }

  /** Resolves when `until` holds after a change of state; false when the time is up. */
  async waitFor(until: () => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (until()) return true;
    return new Promise((resolve) => {
      const finish = (value: boolean): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        signal?.removeEventListener('abort', onAbort);
        resolve(value);
      };
      const look = (): void => {
        if (until()) finish(true);
      };
      const onAbort = (): void => finish(false);
      const timer = setTimeout(() => finish(until()), timeoutMs);
      this.#watchers.add(look);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
    });
  }

  /** State as QEMU tells it now: after adoption, or when an event says that something moved. */
  async refresh(): Promise<void> {
    const qmp = this.connection('look at');
    const [status, chardevs] = await Promise.all([qmp.execute('query-status'), qmp.execute('query-chardev')]);
    const isOpen = (id: string): boolean => chardevs.some(({ label, ...one }) => label === id && one['frontend-open']);
    this.isAgentConnected = isOpen('agent');
    this.#hasClipboard = isOpen(CLIPBOARD.chardev);
    if (status.status === 'io-error') this.#ioError ??= await this.#findIoError(qmp);
    this.#adoptRunState(status.status);
  }

  /** A verb gave up half-way: the state is again what QEMU says. */
  async refreshAfterVerb(): Promise<void> {
    this.intent = undefined;
    this.become({ state: 'starting' });
    await this.refresh();
  }

  /** A program in the guest opened or closed one of its ports. */
  #onPort(port: string, isOpen: boolean): void {
    if (port === CLIPBOARD.port) {
      this.#hasClipboard = isOpen;
      this.emit({ kind: 'state', vm: this.id, observation: this.observe() });
      return;
    }
    this.isAgentConnected = isOpen;
    this.emit({ kind: 'agent', vm: this.id, isConnected: isOpen });
  }

  #onEvent(event: AnyQmpEvent): void {
    switch (event.name) {
      case 'SHUTDOWN':
        this.#shutdown = event.data;
        return;
      case 'RESUME':
        this.#ioError = undefined;
        this.#adoptRunState('running');
        return;
      case 'BLOCK_IO_ERROR':
        if (event.data.action === 'stop') this.#ioError = pauseOf(event.data);
        return;
      case 'STOP':
        this.#adoptRunState(this.#ioError === undefined ? 'paused' : 'io-error');
        return;
      case 'GUEST_PANICKED':
        this.#adoptRunState('guest-panicked');
        return;
      case 'RESET':
        void this.#countReset(event.data.guest).catch(() => undefined);
        return;
      case 'VSERPORT_CHANGE':
        this.#onPort(event.data.id, event.data.open);
        return;
      case 'DEVICE_TRAY_MOVED': {
        const device = deviceOfQdev(event.data.id);
        this.emit({
          kind: 'device',
          vm: this.id,
          device,
          change: event.data['tray-open'] ? 'tray-open' : 'tray-closed',
        });
        return;
      }
      case 'POWERDOWN':
      case 'SUSPEND':
      case 'WAKEUP':
      case 'DEVICE_DELETED':
      case 'DEVICE_UNPLUG_GUEST_ERROR':
      case 'VNC_INITIALIZED':
      case 'MIGRATION':
        return; // Those who asked for it listen themselves.
    }
  }

  #adoptRunState(status: RunState): void {
    const current = this.#state.state;
    if (current === 'stopping' || current === 'saving') return; // The verb under way says when that ends.
    switch (status) {
      case 'running':
      case 'suspended':
        return this.become({ state: 'running' });
      case 'prelaunch':
      case 'inmigrate':
      case 'restore-vm':
        return this.become({ state: 'starting' });
      case 'io-error':
        return this.become({ state: 'paused', reason: this.#ioError ?? { kind: 'other', message: 'a disk failed' } });
      case 'guest-panicked':
        return this.become({ state: 'paused', reason: { kind: 'guest-crashed' } });
      case 'paused':
        return this.become({ state: 'paused', reason: { kind: 'requested' } });
      case 'debug':
      case 'internal-error':
      case 'watchdog':
      case 'postmigrate':
      case 'finish-migrate':
      case 'save-vm':
      case 'colo':
        return this.become({ state: 'paused', reason: { kind: 'other', message: `QEMU says ${status}` } });
      case 'shutdown':
        return;
    }
  }

  async #findIoError(qmp: QmpClient): Promise<PauseReason & { kind: 'io-error' }> {
    const blocks = await qmp.execute('query-block');
    const failed = blocks.find((block) => block['io-status'] !== undefined && block['io-status'] !== 'ok');
    return {
      kind: 'io-error',
      device: failed?.qdev === undefined ? ('unknown' as DeviceId) : deviceOfQdev(failed.qdev),
      operation: 'unknown',
      isOutOfSpace: failed?.['io-status'] === 'nospace',
      message: failed?.['io-status'] === 'nospace' ? 'No space left on device' : 'Input/output error',
    };
  }

  async #countReset(byGuest: boolean): Promise<void> {
    this.emit({ kind: 'reset', vm: this.id, by: byGuest ? 'guest' : 'host' });
    if (this.definition !== undefined)
      await this.saveDefinition({ ...this.definition, boots: this.definition.boots + 1 });
  }

  /** How the end of a VM is noticed: the control connection closes. What its state is then is decided in end.ts. */
  async #afterDisconnect(ref: ProcessRef): Promise<void> {
    if (this.#letGo) return;
    this.isAgentConnected = false;
    this.#hasClipboard = false;
    if (await waitForExit(ref, this.host.timing.quitMs)) return this.ended();
    await this.regain(ref);
  }

  /** A QEMU that runs and does not answer: shown as broken, asked again until it answers, ends, or we do. */
  async regain(ref: ProcessRef): Promise<void> {
    const { connectMs, commandMs, regainMs } = this.host.timing;
    while (!this.#letGo && this.process !== undefined && isAlive(ref)) {
      try {
        const qmp = await connectQmp(this.paths.qmp, { connectMs, handshakeMs: connectMs, commandMs });
        if (this.#letGo) return qmp.close();
        this.become({ state: 'starting' });
        this.attach(qmp, ref);
        return await this.refresh();
      } catch (thrown) {
        const { code, message } = toHostError(thrown, 'HOST_UNREACHABLE', `QEMU (pid ${ref.pid}) does not answer`);
        this.become({ state: 'broken', code, message });
      }
      await this.#pause(regainMs);
    }
    if (!this.#letGo) await this.ended();
  }

  /** `regain` in the background, waited for by `letGo`. */
  keepRegaining(ref: ProcessRef): void {
    this.#exit = this.#pause(this.host.timing.regainMs)
      .then(() => this.regain(ref))
      .catch(() => undefined);
  }

  /** Cut short by `letGo`. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** The process is gone: remembers why, and leaves nothing of it behind. Whoever calls waits for the same end. */
  ended(): Promise<void> {
    this.#ending ??= recordEnd(this, this.#shutdown).finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }
}

function pauseOf(data: QmpEvents['BLOCK_IO_ERROR']): PauseReason & { kind: 'io-error' } {
  const device = deviceOfNode(data['node-name'] ?? '') ?? data.device;
  return {
    kind: 'io-error',
    device: device as DeviceId,
    operation: data.operation,
    isOutOfSpace: data.nospace === true,
    message: data.reason,
  };
}
