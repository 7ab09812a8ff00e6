/**
 * Who is alive: a process named so that no later one can be taken for it. A pid comes back; a pid with the time its process
 * started and the boot of the machine does not. Spec: proc(5), /proc/<pid>/stat; random(4), boot_id.
 */
import { readFileSync } from 'node:fs';

export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTicks: number;
  readonly bootId: string;
}

export interface ProcessStat {
  /** One letter; `Z` and `X` are processes that have ended. */
  readonly state: string;
  readonly startTicks: number;
  readonly cpuTicks: number;
  readonly residentPages: number;
}

/** False only where it is certain that the process is gone. */
export function isAlive(ref: ProcessRef): boolean {
  return ref.bootId === bootId() && isRunning(statOf(ref.pid), ref.startTicks);
}

function isRunning(stat: ProcessStat | undefined, startTicks: number): boolean {
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X';
}

/** The process with this pid; undefined where there is none that runs. */
export function refOf(pid: number): ProcessRef | undefined {
  const stat = statOf(pid);
  if (stat === undefined || !isRunning(stat, stat.startTicks)) return undefined;
  return { pid, startTicks: stat.startTicks, bootId: bootId() };
}

let self: ProcessRef | undefined;

/** This process. */
export function ownRef(): ProcessRef {
  self ??= refOf(process.pid);
  if (self === undefined) throw new Error('cannot read /proc/self/stat: is /proc mounted?');
  return self;
}

let cachedBootId: string | undefined;

/** Of the running kernel: changes with each start of the machine, and is the same in all of its containers. */
export function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}

/** Undefined where no such process exists. One that has ended and was not waited for still does. */
export function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** PURE. The second field is the program's name in brackets and may hold anything, so fields count from the last bracket. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '?',
    startTicks: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    residentPages: Number(fields[21]),
  };
}
