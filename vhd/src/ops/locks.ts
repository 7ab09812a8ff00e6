/** ONE-WRITER for operations on closed images: who changes an image holds its lock. */

import { VhdError } from '../errors.ts';
import { lockHolder } from '../storage/lock.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';

/** Runs `work` while holding the locks of images, in the order given. Errors: LOCKED, and those of `work`. */
export async function withLocks<T>(images: readonly string[], storage: Storage, work: () => Promise<T>): Promise<T> {
  const [first, ...rest] = images;
  if (first === undefined) return work();
  const lock = await storage.lock(first);
  try {
    return await withLocks(rest, storage, work);
  } finally {
    await lock.release();
  }
}

/**
 * Errors: LOCKED where another process writes to the image. This process may: the disk service makes children of a leaf
 * that it holds open, and stops writing to it in the same step.
 */
export function refuseOtherWriter(image: string, storage: Storage): void {
  if (storage !== fileSystem) return;
  const holder = lockHolder(image);
  if (holder === undefined || holder.pid === process.pid) return;
  throw new VhdError('LOCKED', `process ${holder.pid} on ${holder.host} writes to ${image} since ${holder.since}`);
}
