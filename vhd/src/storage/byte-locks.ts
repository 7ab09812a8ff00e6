/**
 * The locks that QEMU takes on its images, taken and honoured here: ONE-WRITER between Oriel and every tool of QEMU, and
 * between two names of one file. QEMU locks single bytes for each permission that it has, and for each that it does not
 * grant to others (block/file-posix.c: RAW_LOCK_PERM_BASE, RAW_LOCK_SHARED_BASE). The locks belong to the open file, and
 * so to the device and inode: they end when it is closed, or its process dies.
 */
import fs from 'node:fs';
import { VhdError } from '../errors.ts';
import { areBytesLocked, lockBytes } from './libc.ts';
import { openersOf } from './open-files.ts';

/** The byte of a permission that is held: this, and the number of the permission. */
const HELD = 100;
/** The byte of a permission that others are not granted. */
const DENIED = 200;
/** The numbers of the permissions. */
const PERMISSION = { read: 0, write: 1, writeUnchanged: 2, resize: 3 } as const;

/** What a writer of Oriel holds, and what every user of a file denies to others. */
const HELD_BY = {
  writer: [PERMISSION.read, PERMISSION.write, PERMISSION.resize],
  reader: [PERMISSION.read],
} as const;
const DENIED_BY_ALL = [PERMISSION.write, PERMISSION.resize] as const;

/**
 * Takes the locks of a writer on a file, and returns what gives them back. Where the file system has no such locks, the
 * file is as safe as its lock file makes it. Errors: LOCKED, with who holds the file as far as that can be found out.
 */
export function lockForWriting(name: string): () => void {
  return lock(name, 'writer');
}

/** The same for who reads for long, as a server does: nobody writes meanwhile. Errors: LOCKED. */
export function lockForReading(name: string): () => void {
  return lock(name, 'reader');
}

function lock(name: string, as: keyof typeof HELD_BY): () => void {
  const fd = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    // First ours, then a look at the others': of two that come at once neither may overlook the other.
    for (const permission of HELD_BY[as]) lockBytes(fd, HELD + permission, 1);
    for (const permission of DENIED_BY_ALL) lockBytes(fd, DENIED + permission, 1);
    refuseOthers(name, fd, as);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return () => fs.closeSync(fd);
}

function refuseOthers(name: string, fd: number, as: keyof typeof HELD_BY): void {
  const isDenied = HELD_BY[as].some((permission) => areBytesLocked(fd, DENIED + permission, 1));
  const isWritten = DENIED_BY_ALL.some((permission) => areBytesLocked(fd, HELD + permission, 1));
  if (!isDenied && !isWritten) return;
  const holders = holdersOf(fd);
  const who = holders.length === 0 ? 'another process' : holders.join(', ');
  throw new VhdError(
    'LOCKED',
    `${name} is ${isWritten ? 'written to' : 'in use'} by ${who}, perhaps by another name: end that first`,
  );
}

/** The processes that hold locks of the same file, as far as they may be looked at: `qemu-nbd (process 42)`. */
function holdersOf(fd: number): readonly string[] {
  const others = openersOf(fs.fstatSync(fd)).filter(
    ({ pid, descriptor, hasLock }) => hasLock && (pid !== process.pid || descriptor !== fd),
  );
  return [...new Set(others.map(({ pid, program }) => `${program} (process ${pid})`))];
}
