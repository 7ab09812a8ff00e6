/**
 * Where the journal of an operation on an image lies, and what it means for who opens the image: an image with a journal
 * is half old and half new. The journals themselves are written and finished in ops/.
 */
import path from 'node:path';
import { VhdError } from '../errors.ts';
import { folderOf, type Storage } from './storage.ts';
import { shortName } from './temporary.ts';

/** The journal of an image: a hidden file beside it, wherever links to the image lie. */
export function journalName(image: string, storage: Storage): string {
  const name = storage.stat(image) === undefined ? image : storage.resolve(image);
  return path.join(folderOf(name), `.oriel-${shortName(path.basename(name))}.journal`);
}

/** The journals that lie in a folder; none where it cannot be listed. */
export function journalsIn(folder: string, storage: Storage): readonly string[] {
  try {
    return storage
      .list(folder)
      .filter((name) => name.startsWith('.oriel-') && name.endsWith('.journal'))
      .map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

/** Errors: IN_PROGRESS where an operation on the image was cut off, or is under way. */
export function refuseInterrupted(image: string, storage: Storage): void {
  if (storage.stat(journalName(image, storage)) === undefined) return;
  throw new VhdError(
    'IN_PROGRESS',
    `an operation on ${image} is under way or was cut off: oriel vhd merge ${image} --continue finishes a merge, oriel vhd check ${image} --repair anything else`,
  );
}
