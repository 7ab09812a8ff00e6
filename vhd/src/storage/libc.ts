/**
 * The calls of the C library that Node lacks: locks of byte ranges, holes, and a rename that replaces nothing. The binding
 * is loaded at the first call, since commands that only read have no need of it. Linux numbers, 64 bits.
 */
import { createRequire } from 'node:module';

/** The outcome of a call: what it returned, and the error number where that is below zero. */
export interface CallResult {
  readonly value: number;
  /** 0 where the call succeeded. */
  readonly errno: number;
}

/** `struct flock`: what a lock covers. Offsets in bytes. */
const FLOCK = {
  type: 0, //   i16
  whence: 2, // i16  SEEK_SET
  start: 8, //  i64
  length: 16, // i64
  pid: 24, //   i32  0 for locks of open file descriptions
  SIZE: 32,
} as const;

const LOCK_TYPE = { read: 0, write: 1, none: 2 } as const;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const SEEK = { data: 3, hole: 4 } as const;
const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

/** Error numbers that callers tell apart. */
export const ERRNO = { ENXIO: 6, EEXIST: 17 } as const;

interface Calls {
  readonly fcntl: (fd: number, command: number, lock: Uint8Array) => number;
  readonly lseek: (fd: number, offset: number, whence: number) => number;
  readonly renameat2: (fromFolder: number, from: string, toFolder: number, to: string, flags: number) => number;
  readonly errno: () => number;
}

/** The part of the binding that is used here. */
interface Koffi {
  readonly load: (name: null) => { readonly func: (declaration: string) => unknown };
  readonly errno: () => number;
}

let calls: Calls | null | undefined;

/** `null` where the binding does not load: another processor, another system. Callers then do without. */
function libc(): Calls | null {
  if (calls !== undefined) return calls;
  try {
    if (process.platform !== 'linux') throw new Error('Linux only');
    const require = createRequire(import.meta.url);
    const koffi = require('koffi') as Koffi;
    const lib = koffi.load(null);
    calls = {
      fcntl: lib.func('int fcntl(int fd, int command, _Inout_ uint8_t *lock)') as Calls['fcntl'],
      lseek: lib.func('int64_t lseek(int fd, int64_t offset, int whence)') as Calls['lseek'],
      renameat2: lib.func(
        'int renameat2(int fromFolder, const char *from, int toFolder, const char *to, unsigned int flags)',
      ) as Calls['renameat2'],
      errno: () => koffi.errno(),
    };
  } catch {
    calls = null;
  }
  return calls;
}

function resultOf(value: number, { errno }: Calls): CallResult {
  return { value, errno: value < 0 ? errno() : 0 };
}

/** Takes a shared lock of bytes for an open file; it ends when the file is closed. Does not wait. `undefined`: cannot be said. */
export function lockBytes(fd: number, start: number, length: number): CallResult | undefined {
  const c = libc();
  return c === null ? undefined : resultOf(c.fcntl(fd, F_OFD_SETLK, flock(LOCK_TYPE.read, start, length)), c);
}

/** True where another open file holds a lock of any of the bytes. */
export function areBytesLocked(fd: number, start: number, length: number): boolean {
  const c = libc();
  if (c === null) return false;
  const lock = flock(LOCK_TYPE.write, start, length);
  return (
    c.fcntl(fd, F_OFD_GETLK, lock) === 0 && new DataView(lock.buffer).getInt16(FLOCK.type, true) !== LOCK_TYPE.none
  );
}

function flock(type: number, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(FLOCK.SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt16(FLOCK.type, type, true);
  view.setBigInt64(FLOCK.start, BigInt(start), true);
  view.setBigInt64(FLOCK.length, BigInt(length), true);
  return bytes;
}

/** Where data, or a hole, begins at or behind `offset` in bytes. `undefined`: cannot be said. The end of the file counts as a hole. */
export function seek(fd: number, offset: number, what: keyof typeof SEEK): CallResult | undefined {
  const c = libc();
  return c === null ? undefined : resultOf(Number(c.lseek(fd, offset, SEEK[what])), c);
}

/** Renames where the new name is free: EEXIST where it is not. `undefined`: cannot be said. */
export function renameToFree(from: string, to: string): CallResult | undefined {
  const c = libc();
  return c === null ? undefined : resultOf(c.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE), c);
}
