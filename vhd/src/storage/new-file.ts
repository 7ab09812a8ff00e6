/**
 * A file appears whole or not at all: it is filled under a temporary name in the same folder, synced, then given its
 * name, and the folder is synced. A power cut leaves at most a temporary file, whose name starts with `.oriel-`.
 */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { RandomAccessFile } from './file.ts';
import { folderOf, type Storage } from './storage.ts';

/** A temporary name beside `name`. */
export function temporaryName(name: string): string {
  return path.join(folderOf(name), `.oriel-${path.basename(name).slice(0, 160)}.${randomBytes(6).toString('hex')}`);
}

/** Whether a file of that name may be there already. `replace` takes its place; otherwise EXISTS. */
export interface NewFileOptions {
  readonly storage: Storage;
  readonly isReplacing?: boolean;
}

/**
 * Makes the file `name`. `fill` writes it, and its result is returned; what it throws removes the file again.
 * Errors: EXISTS, NO_SPACE, IO, and those of `fill`.
 */
export async function writeNewFile<T>(
  name: string,
  { storage, isReplacing = false }: NewFileOptions,
  fill: (file: RandomAccessFile) => Promise<T>,
): Promise<T> {
  const temporary = temporaryName(name);
  const file = storage.open(temporary, 'create');
  try {
    let result: T;
    try {
      result = await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where the name is taken, a rename replaces; both are atomic.
    if (isReplacing) storage.rename(temporary, name);
    else storage.link(temporary, name);
    return result;
  } finally {
    storage.remove(temporary);
    await storage.syncFolder(folderOf(name));
  }
}
