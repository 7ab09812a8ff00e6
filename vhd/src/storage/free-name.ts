/** Gives a file a name that nobody has, atomically, also where the file system has no hard links (exFAT, FAT, SMB). */
import fs from 'node:fs';
import { errnoOf } from './file.ts';
import { ERRNO, renameToFree } from './libc.ts';

/** What file systems answer that have no hard links. */
const NO_LINKS = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EACCES'];

/**
 * Gives a file a second name, which must be free; where there are no second names, the file moves to it. Errors of the
 * operating system: EEXIST where the name is not free.
 */
export function linkOrMove(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (cause) {
    if (!hasNoLinks(cause)) throw cause;
    moveWithoutLinks(from, to);
  }
}

/** The same without waiting for the folder: a live snapshot is made on the thread that serves the disk. */
export async function linkOrMoveLater(from: string, to: string): Promise<void> {
  try {
    await fs.promises.link(from, to);
  } catch (cause) {
    if (!hasNoLinks(cause)) throw cause;
    moveWithoutLinks(from, to);
  }
}

function hasNoLinks(cause: unknown): boolean {
  return NO_LINKS.includes(errnoOf(cause) ?? '');
}

function moveWithoutLinks(from: string, to: string): void {
  const moved = renameToFree(from, to);
  if (moved?.errno === 0) return;
  if (moved?.errno !== ERRNO.EEXIST) {
    // A file system without such a rename: the name is taken first, with an empty file, which then is replaced.
    fs.closeSync(fs.openSync(to, 'wx'));
    fs.renameSync(from, to);
    return;
  }
  throw Object.assign(new Error(`EEXIST: ${to} is there already`), { code: 'EEXIST' });
}
