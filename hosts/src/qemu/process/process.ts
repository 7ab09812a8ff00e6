/**
 * QEMU as a process that outlives us: started in a session of its own, known again by pid, start time and command line.
 * INVARIANT OUTLIVE: nothing here ties its life to ours. Spec: proc(5), /proc/pid/stat and /proc/pid/cmdline.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  bootId,
  confine,
  findConfinement,
  isAlive,
  type Needs,
  type ProcessRef,
  plainEnvironment,
  refOf,
  statOf,
} from '@oriel/machine';
import { HostError } from '../../errors.ts';

/** The process whose pid a file holds, if it runs and has `word` among its arguments: nobody else's pid that came back. */
export function refFromPidFile(path: string, word: string): ProcessRef | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(path, 'utf8').trim());
  } catch {
    return undefined;
  }
  if (!Number.isSafeInteger(pid) || pid < 2) return undefined;
  const ref = refOf(pid);
  return argumentsOf(pid).includes(word) ? ref : undefined;
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

export interface Detached {
  readonly child: ChildProcess;
  /** Also of one that has ended at once. */
  readonly ref: ProcessRef | undefined;
}

export interface DetachedOptions extends Needs {
  /** A descriptor that becomes its standard input. */
  readonly stdin?: number | undefined;
}

/**
 * Starts a program with argv alone, in its own session, its words going to a log file, without our environment and without
 * privileges that it does not need. Resolves once it exists.
 */
export async function startDetached(
  binary: string,
  argv: readonly string[],
  logPath: string,
  { stdin, ...needs }: DetachedOptions = {},
): Promise<Detached> {
  const log = openSync(logPath, 'a', 0o600);
  try {
    const [program = '', ...args] = confine(await findConfinement(), [binary, ...argv], needs);
    const env = plainEnvironment(process.env);
    const child = spawn(program, args, { detached: true, stdio: [stdin ?? 'ignore', log, log], cwd: '/', env });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new HostError('VM_START_FAILED', `cannot start ${binary}: ${cause.message}`, { cause })),
      );
    });
    child.unref();
    return { child, ref: refOfChild(child) };
  } finally {
    closeSync(log);
  }
}

/** What a child of ours is, before anybody has waited for it. */
function refOfChild({ pid }: ChildProcess): ProcessRef | undefined {
  const stat = pid === undefined ? undefined : statOf(pid);
  return pid === undefined || stat === undefined ? undefined : { pid, startTicks: stat.startTicks, bootId: bootId() };
}

const POLL_MS = 10;

/** True once it is gone, false when the time is up. */
export async function waitForExit(ref: ProcessRef, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (isAlive(ref)) {
    if (end <= Date.now() || signal?.aborted === true) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** SIGKILL, to exactly that process, and waits until it is gone. */
export async function killProcess(ref: ProcessRef, timeoutMs: number): Promise<void> {
  if (!isAlive(ref)) return;
  try {
    process.kill(ref.pid, 'SIGKILL');
  } catch {
    return; // Gone between the two lines.
  }
  if (!(await waitForExit(ref, timeoutMs))) {
    throw new HostError('HOST_TIMEOUT', `process ${ref.pid} did not end within ${timeoutMs} ms of SIGKILL`);
  }
}
