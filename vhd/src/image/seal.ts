/**
 * SEALED-STAYS on disk. An image is sealed when nobody has write permission on its file: the bytes stay as they are
 * (so does their hash), it works on storage that is read-only anyway, every tool on the machine respects it, and it
 * comes back from a backup that keeps modes. What loses the mode, a copy to another system, is caught by looking for
 * children before an image is opened for writing.
 */
import { isVhdError, VhdError } from '../errors.ts';
import type { Storage } from '../storage/storage.ts';

/** True where an image is sealed by its mode. Errors: NOT_FOUND. */
export function isSealed(image: string, storage: Storage): boolean {
  const stat = storage.stat(image);
  if (stat === undefined) throw new VhdError('NOT_FOUND', `no such image: ${image}`);
  return !stat.isWritable;
}

/** Errors: SEALED where an image is sealed, NOT_FOUND. */
export function refuseSealed(image: string, storage: Storage): void {
  if (isSealed(image, storage))
    throw new VhdError('SEALED', `${image} is sealed: it has children, or is a template, snapshot or restore point`);
}

/**
 * SEALED-STAYS: takes write permission from an image, so that `openDisk` refuses to write to it. Idempotent. Where the mode
 * cannot be changed, on a mount that is read-only or in a file of another account, whoever clones cannot write to it either.
 * Errors: NOT_FOUND.
 */
export function seal(name: string, storage: Storage): void {
  if (storage.stat(name)?.isWritable !== true) return;
  try {
    storage.setWritable(name, false);
  } catch (error) {
    if (!isVhdError(error, 'READ_ONLY')) throw error;
  }
}
