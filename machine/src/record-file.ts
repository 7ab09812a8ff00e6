/**
 * Small JSON files that are the old or the new one, whole, after any kill and any power cut: written beside, synced,
 * renamed, and the name synced. For their owner's eyes only (mode 0600).
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, MachineError } from './errors.ts';

const RECORD_BYTES = 1_048_576;

export interface WriteRecordOptions {
  /** False leaves the syncs out: for what may be as it was before, or missing, after a power cut. Default true. */
  readonly isSynced?: boolean;
}

/** Replaces the record. Errors: those of the operating system, and nothing has changed then. */
export function writeRecord(path: string, value: unknown, { isSynced = true }: WriteRecordOptions = {}): void {
  const beside = `${path}.${randomBytes(4).toString('hex')}.new`;
  const file = openSync(beside, 'wx', 0o600);
  try {
    try {
      writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
      if (isSynced) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  if (isSynced) syncFolder(dirname(path));
}

/** Undefined where there is no such file. Errors: DAMAGED where it is no JSON or too large, those of the operating system. */
export function readRecord(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
  if (RECORD_BYTES < text.length)
    throw new MachineError('DAMAGED', `${path} is damaged: ${text.length} bytes, at most ${RECORD_BYTES}`);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new MachineError('DAMAGED', `${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
