/** Small JSON files that are either the old or the new one after a power cut: written beside, synced, renamed. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileError } from '../../storage/file.ts';

/**
 * `isSynced: false` leaves out the syncs, each of which commits the journal of the file system under running VMs: for what
 * may be as it was before, or missing, after a power cut. Errors: NO_SPACE, READ_ONLY, IO.
 */
export function writeJson(path: string, value: unknown, { isSynced = true }: { isSynced?: boolean } = {}): void {
  const beside = `${path}.new`;
  try {
    const file = openSync(beside, 'w', 0o600);
    try {
      writeSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
      if (isSynced) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
    if (isSynced) syncFolder(dirname(path));
  } catch (cause) {
    throw fileError(cause, `cannot write ${path}`);
  }
}

/** `undefined` where there is no such file, or where it is no JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** Makes names in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
