/**
 * A file appears whole or not at all: it is filled under a temporary name in the same folder, synced, then given its
 * name, and the folder is synced. A power cut leaves at most a temporary file, whose name starts with `.oriel-`.
 */
import { isVhdError, VhdError } from '../errors.ts';
import type { RandomAccessFile } from './file.ts';
import { fileSystem, folderOf, type Storage } from './storage.ts';
import { removeAtExit, temporaryName } from './temporary.ts';

/** Whether a file of that name may be there already. `replace` takes its place; otherwise EXISTS. */
export interface NewFileOptions {
  readonly storage: Storage;
  readonly isReplacing?: boolean;
}

/**
 * Makes the file `name`. `fill` writes it, and its result is returned; what it throws removes the file again. A link that
 * is to be replaced stays, what it leads to is replaced.
 * Errors: EXISTS, UNSUPPORTED (a device, a pipe or a folder is there), NO_SPACE, IO, and those of `fill`.
 */
export async function writeNewFile<T>(
  name: string,
  { storage, isReplacing = false }: NewFileOptions,
  fill: (file: RandomAccessFile) => Promise<T>,
): Promise<T> {
  const place = placeOf(name, storage);
  const temporary = temporaryName(place);
  const file = open(temporary, name, storage);
  const isDone = storage === fileSystem ? removeAtExit(temporary) : () => undefined;
  try {
    let result: T;
    try {
      result = await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where the name is taken, a rename replaces; both are atomic.
    if (isReplacing) storage.rename(temporary, place);
    else storage.link(temporary, place);
    return result;
  } catch (error) {
    throw withoutTemporary(error, temporary, name);
  } finally {
    storage.remove(temporary);
    isDone();
    await storage.syncFolder(folderOf(place));
  }
}

/** Where the file goes: the end of links, where there is something to be replaced. Errors: UNSUPPORTED. */
export function placeOf(name: string, storage: Storage): string {
  const stat = storage.stat(name);
  if (stat === undefined) return name;
  if (stat.kind !== 'file')
    throw new VhdError('UNSUPPORTED', `${name} is ${KINDS[stat.kind]}, not a file that can be replaced`);
  return storage.resolve(name);
}

const KINDS = { folder: 'a folder', device: 'a block device', stream: 'a pipe or a device of characters' } as const;

function open(temporary: string, name: string, storage: Storage): RandomAccessFile {
  try {
    return storage.open(temporary, 'create');
  } catch (error) {
    throw withoutTemporary(error, temporary, name);
  }
}

/** Messages name what people know of. */
function withoutTemporary(error: unknown, temporary: string, name: string): unknown {
  if (!isVhdError(error) || !error.message.includes(temporary)) return error;
  return new VhdError(error.code, error.message.replaceAll(temporary, name), { cause: error });
}
