/**
 * Starting a VM: from records to a QEMU that answers on QMP. The order is what makes a second copy impossible and a
 * crash of ours at any line harmless: task record, pid file (locked by QEMU itself), process record, first instruction.
 */
import { chmod, copyFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type Needs, type ProcessRef } from '@oriel/machine';
import { HostError, type HostErrorCode } from '../../errors.ts';
import type { TaskControl } from '../../task-book.ts';
import { killProcess, refFromPidFile, startDetached, waitForExit } from '../process/process.ts';
import { connectQmp, type QmpClient } from '../qmp/client.ts';
import { needsOf, qemuArgv } from '../vm/argv.ts';
import { lastLine, sweepRunFolder } from '../vm/end.ts';
import { socketsOf } from '../vm/paths.ts';
import { type Definition, RECORD_VERSION } from '../vm/record.ts';
import type { QemuVm } from '../vm/vm.ts';
import { plugClipboard } from './clipboard.ts';
import { startTpm } from './tpm.ts';

const POLL_MS = 2;
/** For a process whose control socket has just closed to be gone. */
const DEATH_MS = 300;

export interface StartOptions {
  readonly isPaused: boolean;
  /** An earlier driver began this start: the process may be there already. */
  readonly continues: boolean;
}

/** Starts a stopped VM, resumes a saved one, and finishes a start that an earlier driver began. */
export async function startVm(vm: QemuVm, options: StartOptions, control: TaskControl): Promise<void> {
  if (vm.process !== undefined && !options.continues) throw vm.wrongState('start');
  if (vm.process === undefined) {
    const { state } = vm.state;
    if (state !== 'stopped' && state !== 'saved') throw vm.wrongState('start');
    await checkMemory(vm);
    try {
      await launch(vm, control);
    } catch (error) {
      await abandon(vm, error);
      throw error;
    }
  }
  control.progress(0.9, 'running');
  const ref = vm.process?.ref;
  try {
    await release(vm, options);
  } catch (error) {
    if (ref === undefined || !(await waitForExit(ref, DEATH_MS))) throw error;
    await vm.ended();
    throw new HostError('VM_DIED', `QEMU for ${vm.id} ended while it was starting`, { cause: error });
  }
}

async function launch(vm: QemuVm, control: TaskControl): Promise<void> {
  const { host, paths } = vm;
  const definition = vm.known('start');
  const resumes = vm.state.state === 'saved';
  const spec = resumes ? withUrisOf(definition) : definition.spec;
  vm.become({ state: 'starting' });
  control.progress(0.1, 'preparing');
  await mkdir(paths.runFolder, { recursive: true, mode: 0o700 });
  // Before anything of the last run is swept away: whoever still holds the pid file is a copy that runs.
  const other = refFromPidFile(paths.pidFile, paths.pidFile);
  if (other !== undefined) throw new HostError('VM_STATE', `cannot start ${vm.id}: process ${other.pid} runs it`);
  await sweepRunFolder(paths);
  await rm(paths.hostLog, { force: true });
  // What the last run said on its console is the administrator's to read, not the next user's.
  if (!resumes) await rename(paths.serialLog, `${paths.serialLog}.old`).catch(() => undefined);
  if (spec.firmware === 'uefi') await provideVariables(vm);
  if (spec.hasTpm) await startTpm(vm);
  const argv = qemuArgv({ ...definition, spec, isIncoming: resumes }, paths, host.argv);
  control.progress(0.3, 'starting QEMU');
  const ref = await spawnQemu(vm, argv, { ...needsOf(spec), isResumed: resumes });
  if (ref === undefined) throw new HostError('VM_START_FAILED', `QEMU for ${vm.id} ended at once`);
  const startedAt = host.now();
  await vm.saveProcess({
    version: RECORD_VERSION,
    ref,
    accelerator: host.accelerator.name,
    startedAt,
    spec,
    rounds: {},
  });
  const qmp = await firstAnswer(vm, ref, control.signal);
  vm.attach(qmp, ref);
  await Promise.all(socketsOf(paths).map((path) => chmod(path, 0o600).catch(() => undefined)));
}

async function spawnQemu(
  vm: QemuVm,
  argv: readonly string[],
  { isResumed, ...needs }: Needs & { readonly isResumed: boolean },
): Promise<ProcessRef | undefined> {
  const { paths, host } = vm;
  const memory = isResumed ? await open(paths.savedMemory, 'r') : undefined;
  try {
    return (await startDetached(host.argv.binary, argv, paths.hostLog, { ...needs, stdin: memory?.fd })).ref;
  } finally {
    await memory?.close();
  }
}

/** QMP as soon as it is there; the reason from the log where QEMU ends instead. */
export async function firstAnswer(vm: QemuVm, ref: ProcessRef, signal: AbortSignal): Promise<QmpClient> {
  const { timing } = vm.host;
  const end = Date.now() + timing.startMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await connectQmp(vm.paths.qmp, {
        connectMs: timing.connectMs,
        handshakeMs: Math.max(1, end - Date.now()),
        commandMs: timing.commandMs,
        signal,
      });
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== 'HOST_UNREACHABLE') throw error;
    }
    if (!isAlive(ref)) throw await startFailure(vm);
    if (end < Date.now()) {
      throw new HostError(
        'HOST_TIMEOUT',
        `QEMU for ${vm.id} did not answer within ${timing.startMs} ms: ${await lastLine(vm.paths.hostLog)}`,
      );
    }
    await delay(POLL_MS);
  }
}

const FAILURES: readonly (readonly [RegExp, HostErrorCode])[] = [
  [/pid file/i, 'VM_STATE'],
  [/cannot set up guest memory|cannot allocate memory|out of memory/i, 'HOST_RESOURCES'],
  [/failed to connect to|requested export not available|no export|nbd|export '/i, 'DISK_UNREACHABLE'],
  [/unsupported machine type|not supported|not a valid device/i, 'SPEC_UNSUPPORTED'],
];

async function startFailure(vm: QemuVm): Promise<HostError> {
  const log = await readFile(vm.paths.hostLog, 'utf8').catch(() => '');
  const lines = log.trim().split('\n');
  const code = FAILURES.find(([pattern]) => pattern.test(log))?.[1] ?? 'VM_START_FAILED';
  const line = lines.findLast((one) => !one.startsWith('Use -')) ?? '';
  return new HostError(code, `QEMU for ${vm.id} ended: ${line.slice(0, 500)}`);
}

/** A start that failed leaves no process, no socket and no claim. */
async function abandon(vm: QemuVm, error: unknown): Promise<void> {
  vm.checkHeld(); // Our own end is no failure of the VM: the next driver goes on with this start.
  const wasSaved = vm.definition?.rest.state.state === 'saved';
  const { process: record } = vm;
  if (record !== undefined) {
    vm.intent = 'forced';
    await killProcess(record.ref, vm.host.timing.quitMs);
    vm.process = undefined;
    await rm(vm.paths.process, { force: true });
  }
  vm.qmp?.close();
  vm.qmp = undefined;
  vm.intent = undefined;
  if (error instanceof HostError && error.code === 'VM_STATE') return vm.become(restOf(vm));
  await sweepRunFolder(vm.paths);
  if (wasSaved) return vm.become(restOf(vm)); // Its memory is still there: it can be tried again.
  const detail = error instanceof Error ? error.message : String(error);
  const state = { state: 'stopped', reason: 'start-failed', detail } as const;
  if (vm.definition !== undefined) await vm.saveDefinition({ ...vm.definition, rest: { state, since: vm.host.now() } });
  vm.become(state);
}

function restOf(vm: QemuVm): Definition['rest']['state'] {
  return vm.definition?.rest.state ?? { state: 'stopped', reason: 'never-started' };
}

/** From "QEMU answers" to "the guest runs". Also where an adopted start goes on. */
async function release(vm: QemuVm, options: StartOptions): Promise<void> {
  const qmp = vm.connection('start');
  const definition = vm.known('start');
  await waitForIncoming(vm, qmp);
  const { status } = await qmp.execute('query-status');
  if (status === 'running') return vm.refresh();
  await plugClipboard(vm, qmp);
  const resumed = definition.rest.state.state === 'saved';
  // INVARIANT: a saved memory is resumed at most once. From the first instruction on the disk moves away from it, so the
  // record forgets it before that instruction, and a crash in between costs the memory, never the disk.
  const { savedSpec: _, ...rest } = definition;
  const state = { state: 'stopped', reason: 'died' } as const;
  const boots = definition.boots + (resumed ? 0 : 1);
  const recorded = vm.saveDefinition({ ...rest, boots, rest: { state, since: vm.host.now() } });
  if (resumed) await recorded;
  const released = options.isPaused ? becomePaused(vm) : qmp.execute('cont').then(() => vm.refresh());
  await Promise.all([recorded, released]);
  if (resumed) await rm(vm.paths.savedMemory, { force: true });
}

async function becomePaused(vm: QemuVm): Promise<void> {
  vm.become({ state: 'paused', reason: { kind: 'requested' } });
}

async function waitForIncoming(vm: QemuVm, qmp: QmpClient): Promise<void> {
  const end = Date.now() + vm.host.timing.saveMs;
  while ((await qmp.execute('query-status')).status === 'inmigrate') {
    if (end < Date.now()) throw new HostError('HOST_TIMEOUT', `the saved memory of ${vm.id} was not read in time`);
    await delay(POLL_MS);
  }
}

/** The devices as they were when the memory was saved; their disks where the definition says they are now. */
function withUrisOf(definition: Definition): Definition['spec'] {
  const saved = definition.savedSpec ?? definition.spec;
  const disks = saved.disks.map((disk) => ({
    ...disk,
    uri: definition.spec.disks.find((one) => one.id === disk.id)?.uri ?? disk.uri,
  }));
  return { ...saved, disks };
}

async function checkMemory(vm: QemuVm): Promise<void> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const availableKiB = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? Number.POSITIVE_INFINITY);
  const wantedMiB = vm.known('start').spec.memoryMiB;
  if (availableKiB < wantedMiB * 1024) {
    const have = Math.floor(availableKiB / 1024);
    throw new HostError('HOST_RESOURCES', `${vm.id} wants ${wantedMiB} MiB of memory, the host has ${have} MiB left`);
  }
}

async function provideVariables(vm: QemuVm): Promise<void> {
  const { firmwareVariables } = vm.host;
  if (firmwareVariables === undefined) throw new HostError('SPEC_UNSUPPORTED', 'no UEFI firmware is installed here');
  const file = await open(vm.paths.firmwareVariables, 'r').catch(() => undefined);
  if (file === undefined) return copyFile(firmwareVariables, vm.paths.firmwareVariables);
  await file.close();
}
