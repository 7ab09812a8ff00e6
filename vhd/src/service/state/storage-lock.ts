/**
 * One service per storage folder. The lock is a file that names the process that holds it, with the time the process
 * started, so that a process id used again by another program is not taken for the holder.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VhdError } from '../../errors.ts';
import { fileError } from '../../storage/file.ts';
import { fileSystem } from '../../storage/storage.ts';
import { readJson } from './json-file.ts';
import { releaseReserve } from './reserve.ts';

interface Holder {
  readonly pid: number;
  readonly processStart: string;
  readonly socketPath: string;
}

/** Takes the lock; the result gives it back. Errors: LOCKED (the message says who), READ_ONLY, NO_SPACE, IO. */
export function lockStorage(storage: string, socketPath: string): () => void {
  const path = join(storage, 'service.lock');
  refuseLiving(storage, readJson(path, fileSystem) as Holder | undefined);
  try {
    mkdirSync(storage, { recursive: true, mode: 0o700 });
    releaseReserve(storage); // Nobody serves the folder, so what is reserved in it is for us.
    return takeLock(storage, path, socketPath);
  } catch (cause) {
    throw fileError(cause, `cannot lock ${storage}`);
  }
}

function takeLock(storage: string, path: string, socketPath: string): () => void {
  const mine: Holder = { pid: process.pid, processStart: processStart(process.pid) ?? '', socketPath };
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (tryLink(beside, path)) return () => releaseStorage(path, mine);
      const holder = readJson(path, fileSystem) as Holder | undefined;
      refuseLiving(storage, holder);
      removeStale(path, holder);
    }
    throw new VhdError('LOCKED', `${path} changes hands too often`);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Errors: LOCKED. */
function refuseLiving(storage: string, holder: Holder | undefined): void {
  if (holder !== undefined && isAlive(holder))
    throw new VhdError('LOCKED', `${storage} is served by process ${holder.pid} on ${holder.socketPath}`);
}

/** True when the link was made: exactly one of two that try at once gets it. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a dead holder's lock away. If somebody else took it since we looked, it is theirs and goes back. */
function removeStale(path: string, seen: Holder | undefined): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // Another process removed it first.
  }
  const moved = readJson(aside, fileSystem) as Holder | undefined;
  if (moved?.pid !== seen?.pid || moved?.processStart !== seen?.processStart) tryLink(aside, path);
  rmSync(aside, { force: true });
}

/** A lock that cannot be removed names a process that is gone, and so holds nobody off. */
function releaseStorage(path: string, mine: Holder): void {
  const holder = readJson(path, fileSystem) as Holder | undefined;
  if (holder?.pid !== mine.pid || holder.processStart !== mine.processStart) return;
  try {
    rmSync(path, { force: true });
  } catch {
    // The storage is read-only.
  }
}

function isAlive(holder: Holder): boolean {
  return processStart(holder.pid) === holder.processStart;
}

/** Field 22 of /proc/<pid>/stat: when the process started, in clock ticks since boot. See proc(5). */
function processStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
