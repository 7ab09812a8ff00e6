/**
 * Small JSON files that are the old or the new one, whole, after any kill and any power cut: written beside, synced,
 * renamed, and the name synced. For their owner's eyes only (mode 0600).
 */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, MachineError } from './errors.ts';

const RECORD_BYTES = 1_048_576;

export interface WriteRecordOptions {
  /** False leaves the syncs out: for what may be as it was before, or missing, after a power cut. Default true. */
  readonly isSynced?: boolean;
}

/**
 * Replaces the record. Of two calls for one file that are under way, either may be last. Errors: those of the operating
 * system, and nothing has changed then.
 */
export async function writeRecord(
  path: string,
  value: unknown,
  { isSynced = true }: WriteRecordOptions = {},
): Promise<void> {
  const text = `${JSON.stringify(value)}\n`;
  const beside = `${path}.${randomBytes(4).toString('hex')}.new`;
  try {
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      if (isSynced) await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  if (isSynced) await syncFolder(dirname(path));
}

/** Undefined where there is no such file. Errors: DAMAGED where it is no JSON or too large, those of the operating system. */
export async function readRecord(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw cause;
  }
  try {
    if (RECORD_BYTES < text.length) throw new Error(`${text.length} bytes, at most ${RECORD_BYTES}`);
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new MachineError('DAMAGED', `${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}

/** Makes the names in a folder durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
