/**
 * A place where files lie: the file system, or memory in tests. Names as well as bytes go through it, because the
 * order of renames and syncs is part of what a power cut can tear apart.
 */
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf, fileError, type RandomAccessFile } from './file.ts';
import { linkOrMove } from './free-name.ts';
import { type ImageLock, type LockOptions, lockRealFile } from './lock.ts';
import { deviceBytes, type OpenMode, openRealFile } from './real-file.ts';

export type { OpenMode } from './real-file.ts';

/** What a name leads to. A `stream` is read or written from its start to its end: a pipe, a socket, a terminal. */
export type FileKind = 'file' | 'folder' | 'device' | 'stream';

/** What is known about a file without opening it. */
export interface FileStat {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Bytes the file takes on its storage; less than its size where it has holes. */
  readonly storedBytes: number;
  readonly modifiedAt: Date;
  /** False where nobody has write permission: how this library marks a sealed image. */
  readonly isWritable: boolean;
  /** Equal for two names of one file. */
  readonly identity: string;
}

/** Files and their names. Paths are absolute or relative to the process; results keep what they were given. */
export interface Storage {
  /** Errors: NOT_FOUND, EXISTS (create), READ_ONLY, IO, UNSUPPORTED for what is not a regular file. */
  open(path: string, mode: OpenMode): RandomAccessFile;
  /** `undefined` where there is no such file. */
  stat(path: string): FileStat | undefined;
  /** The path with links resolved: what a policy about folders has to look at. Errors: NOT_FOUND. */
  resolve(path: string): string;
  /** Names in a folder. Errors: NOT_FOUND. */
  list(folder: string): readonly string[];
  /** Gives a file another name, atomically, in place of what had that name. */
  rename(from: string, to: string): void;
  /** Gives a file a second name; where the storage has no second names, the file moves to it. Errors: EXISTS. */
  link(from: string, to: string): void;
  /** Removes a name; nothing happens where there is none. */
  remove(path: string): void;
  /** Takes write permission away from a file or gives it back: SEALED-STAYS on disk. */
  setWritable(path: string, isWritable: boolean): void;
  /** Makes a folder, for us alone, with those above it; nothing happens where there is one. Errors: NO_SPACE, READ_ONLY, IO. */
  makeFolder(folder: string): void;
  /** Removes a folder with all that is in it; nothing happens where there is none. Errors: READ_ONLY, IO. */
  removeFolder(folder: string): void;
  /** Makes names made, changed and removed in a folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** ONE-WRITER: takes the lock of an image. `openChain` does so for a leaf that is written to. Errors: LOCKED, IO. */
  lock(path: string, options?: LockOptions): Promise<ImageLock>;
}

/** The file system of this machine. */
export const fileSystem: Storage = {
  open: openRealFile,
  stat(name) {
    try {
      const stat = fs.statSync(name, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      return {
        kind: kindOf(stat),
        sizeBytes: stat.isBlockDevice() ? deviceBytes(stat.rdev) : stat.size,
        storedBytes: stat.blocks * 512,
        modifiedAt: stat.mtime,
        isWritable: (stat.mode & 0o222) !== 0,
        identity: `${stat.dev}:${stat.ino}`,
      };
    } catch (cause) {
      throw fileError(cause, `cannot look at ${name}`);
    }
  },
  resolve: (name) => guard(`cannot resolve ${name}`, () => fs.realpathSync.native(name)),
  list: (folder) => guard(`cannot list ${folder}`, () => fs.readdirSync(folder)),
  rename: (from, to) => guard(`cannot rename ${from} to ${to}`, () => fs.renameSync(from, to)),
  link: (from, to) => guard(`cannot link ${from} to ${to}`, () => linkOrMove(from, to)),
  remove: (name) => guard(`cannot remove ${name}`, () => fs.rmSync(name, { force: true })),
  setWritable: (name, isWritable) => guard(`cannot change the mode of ${name}`, () => setMode(name, isWritable)),
  makeFolder: (folder) => guard(`cannot make ${folder}`, () => makeFolder(folder)),
  removeFolder: (folder) => guard(`cannot remove ${folder}`, () => fs.rmSync(folder, { recursive: true, force: true })),
  syncFolder,
  lock: lockRealFile,
};

/** One folder first: with `recursive`, Node 20 says of a read-only file system that the folder is not found. */
function makeFolder(folder: string): void {
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  try {
    fs.mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}

function kindOf(stat: fs.Stats): FileKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  return stat.isBlockDevice() ? 'device' : 'stream';
}

/** The folder a file is in, in the form that `syncFolder` and `list` take. */
export const folderOf = (name: string): string => path.dirname(name);

function setMode(name: string, isWritable: boolean): void {
  const mode = fs.statSync(name).mode & 0o777;
  // Whoever may read may write again: 0644 and 0640 become 0444 and 0440, and back with the owner's bit only.
  fs.chmodSync(name, isWritable ? mode | 0o200 : mode & ~0o222);
}

async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.promises.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(cause) ?? '')) return; // SMB: folders cannot be synced.
    throw fileError(cause, `cannot sync ${folder}`);
  }
}

function guard<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw fileError(cause, what);
  }
}
