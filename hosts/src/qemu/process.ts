// QEMU as a process that outlives us: started in a session of its own, known again by pid, start time and command line.
// INVARIANT OUTLIVE: nothing here ties its life to ours. Spec: proc(5), /proc/pid/stat and /proc/pid/cmdline.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { HostError } from '../error.ts';

/** Names one process for the whole life of a machine: a pid comes back, a pid with its start time does not. */
export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTicks: number;
  readonly bootId: string;
}

export interface ProcessStat {
  readonly state: string;
  readonly startTicks: number;
  readonly cpuTicks: number;
  readonly residentPages: number;
}

let cachedBootId: string | undefined;
export function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}

/** Undefined where no such process exists. */
export function statOf(pid: number): ProcessStat | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in brackets and may hold anything, so count from the last bracket.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    startTicks: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    residentPages: Number(fields[21]),
  };
}

export function isAlive(ref: ProcessRef): boolean {
  if (ref.bootId !== bootId()) return false;
  const stat = statOf(ref.pid);
  return stat !== undefined && stat.startTicks === ref.startTicks && stat.state !== 'Z' && stat.state !== 'X';
}

/** The process whose pid a file holds, if it runs and has `word` among its arguments: nobody else's pid that came back. */
export function refFromPidFile(path: string, word: string): ProcessRef | undefined {
  let pid: number;
  try {
    pid = Number(readFileSync(path, 'utf8').trim());
  } catch {
    return undefined;
  }
  if (!Number.isSafeInteger(pid) || pid < 2) return undefined;
  const stat = statOf(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  if (!argumentsOf(pid).includes(word)) return undefined;
  return { pid, startTicks: stat.startTicks, bootId: bootId() };
}

function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Starts a program with argv alone, in its own session, its words going to a log file. Resolves once it exists. */
export async function startDetached(
  binary: string,
  argv: readonly string[],
  logPath: string,
  stdin?: number,
): Promise<ChildProcess> {
  const log = openSync(logPath, 'a', 0o600);
  try {
    const child = spawn(binary, argv, { detached: true, stdio: [stdin ?? 'ignore', log, log], cwd: '/' });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) =>
        reject(new HostError('VM_START_FAILED', `cannot start ${binary}: ${cause.message}`, { cause })),
      );
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** What a child of ours is, before anybody has waited for it. */
export function refOfChild(child: ChildProcess): ProcessRef | undefined {
  const stat = child.pid === undefined ? undefined : statOf(child.pid);
  if (child.pid === undefined || stat === undefined) return undefined;
  return { pid: child.pid, startTicks: stat.startTicks, bootId: bootId() };
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
