/**
 * Random access to the bytes of one file. Everything in disk/ and ops/ reads and writes images through this, so that
 * a test can put a recording, a failing or an in-memory file in place of a real one.
 *
 * The `Sync` calls answer at once and are for small requests that the page cache can be expected to hold: a thread
 * pool hop costs several times the copy. They block the event loop when the cache misses; whoever serves disks to
 * others keeps each loop's disks apart for that reason.
 */
import { VhdError } from '../errors.ts';

/** An open file. Positions and lengths in bytes; every read and write is whole or an error. */
export interface RandomAccessFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  /** Current size, as left by the calls made through this object. */
  readonly sizeBytes: number;
  /** Fills `length` bytes of `into` from `intoOffset` on. Errors: IO, also where the file ends early. */
  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void;
  read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void>;
  /** Stores `length` bytes of `from` from `fromOffset` on; grows the file. Errors: NO_SPACE, READ_ONLY, IO. */
  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void;
  write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void>;
  /**
   * The next bytes at or behind `position` that are stored, what lies between being a hole; `undefined` where there are
   * none up to the end of the file. A file that cannot say it lacks this, or counts everything as stored.
   */
  nextStored?(position: number): StoredBytes | undefined;
  /** Cuts off or appends zeros. Errors: NO_SPACE, READ_ONLY, IO. */
  truncate(sizeBytes: number): Promise<void>;
  /** Everything written before the call is on stable storage when this settles. Errors: IO, NO_SPACE. */
  sync(): Promise<void>;
  /** Lets go of the file without a sync. Idempotent. */
  close(): Promise<void>;
}

/** A stretch of a file. */
export interface StoredBytes {
  readonly start: number;
  readonly end: number;
}

/** Reads `length` bytes into a new buffer. Errors: IO. */
export function readBytesSync(file: RandomAccessFile, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  file.readSync(bytes, 0, length, position);
  return bytes;
}

/** Turns an error of the operating system into ours; `cause` keeps it. */
export function fileError(cause: unknown, what: string): VhdError {
  if (cause instanceof VhdError) return cause;
  const errno = errnoOf(cause);
  const message = `${what}: ${errno ?? String(cause)}`;
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new VhdError('NO_SPACE', message, { cause });
    case 'ENOENT':
    case 'ENOTDIR':
      return new VhdError('NOT_FOUND', message, { cause });
    case 'EEXIST':
      return new VhdError('EXISTS', message, { cause });
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new VhdError('READ_ONLY', message, { cause });
    case undefined:
    default:
      return new VhdError('IO', message, { cause });
  }
}

/** The name of an operating system error, `ENOENT` and the like; `undefined` for anything else. */
export function errnoOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}

/** The error for a read beyond the end of a file. */
export function endOfFile(path: string, position: number, length: number, got: number): VhdError {
  return new VhdError('IO', `${path} ends early: ${got} of ${length} bytes at ${position}`);
}
