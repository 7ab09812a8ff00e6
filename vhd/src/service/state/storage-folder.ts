/** The storage folder as a thing of this process: made where it is not there, held by its lock, with its reserve. */
import { mkdirSync, realpathSync, statfsSync } from 'node:fs';
import { fileError } from '../../storage/file.ts';
import { takeReserve } from './reserve.ts';
import { lockStorage } from './storage-lock.ts';

export interface StorageFolder {
  /** With links resolved. */
  readonly path: string;
  freeBytes(): number;
  /** Sets space aside for the next start: once everything that a start has to write is written. */
  reserve(): void;
  /** Lets others serve it. */
  release(): void;
}

/** `socketPath` is part of the message that refuses a second service. Errors: LOCKED, READ_ONLY, NO_SPACE, IO. */
export async function takeStorageFolder(folder: string, socketPath: string): Promise<StorageFolder> {
  let path: string;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    path = realpathSync(folder);
  } catch (cause) {
    throw fileError(cause, `cannot use ${folder}`);
  }
  const unlock = await lockStorage(path, socketPath);
  return {
    path,
    freeBytes: () => {
      const space = statfsSync(path);
      return space.bavail * space.bsize;
    },
    reserve: () => takeReserve(path),
    release: unlock,
  };
}
