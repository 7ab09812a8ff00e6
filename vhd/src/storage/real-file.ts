/** A file of the operating system as a `RandomAccessFile`: short reads and writes are continued, errors get our codes. */
import fs from 'node:fs';
import { VhdError } from '../errors.ts';
import { endOfFile, errnoOf, fileError, type RandomAccessFile, type StoredBytes } from './file.ts';
import { ERRNO, seek } from './libc.ts';

/** How a file is opened. `create` makes a new, empty one and fails with EXISTS where there is one. */
export type OpenMode = 'read' | 'write' | 'create';

const MODES = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
} as const;

/**
 * Opens a regular file or a block device; anything else (a pipe, a folder) is refused. A device that is mounted, or
 * otherwise in use, is not opened for writing.
 * Errors: NOT_FOUND, EXISTS, READ_ONLY, LOCKED (a device in use), IO, UNSUPPORTED.
 */
export function openRealFile(path: string, mode: OpenMode): RandomAccessFile {
  let fd: number;
  try {
    fd = fs.openSync(path, MODES[mode] | fs.constants.O_NONBLOCK, 0o644); // NONBLOCK: a pipe must not hang the open.
    if (mode === 'write' && fs.fstatSync(fd).isBlockDevice()) {
      fs.closeSync(fd);
      fd = fs.openSync(path, MODES.write | fs.constants.O_EXCL); // Of a device it means: nobody else uses it.
    }
  } catch (cause) {
    if (errnoOf(cause) === 'EBUSY')
      throw new VhdError('LOCKED', `${path} is in use: it is mounted, or a part of something that is`, { cause });
    throw fileError(cause, `cannot open ${path}`);
  }
  try {
    const stat = fs.fstatSync(fd);
    if (stat.isBlockDevice()) return new RealFile(path, fd, deviceBytes(stat.rdev), mode === 'read');
    if (!stat.isFile()) throw new VhdError('UNSUPPORTED', `${path} is not a regular file`);
    return new RealFile(path, fd, stat.size, mode === 'read');
  } catch (cause) {
    fs.closeSync(fd);
    throw fileError(cause, `cannot open ${path}`);
  }
}

/** The size of a block device, which its `stat` does not tell. Errors: IO. */
export function deviceBytes(device: number): number {
  // Linux packs the two numbers so: 12 bits of the major one above 8 of the minor one, the rest of that above both.
  const [major, minor] = [(device >>> 8) & 0xfff, (device & 0xff) | ((device >>> 12) & 0xfff00)];
  const sectors = Number(fs.readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8'));
  return sectors * 512;
}

class RealFile implements RandomAccessFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  sizeBytes: number;
  #fd: number;

  constructor(path: string, fd: number, sizeBytes: number, isReadOnly: boolean) {
    this.path = path;
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
    this.isReadOnly = isReadOnly;
  }

  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void {
    let done = 0;
    try {
      while (done < length) {
        const got = fs.readSync(this.#fd, into, intoOffset + done, length - done, position + done);
        if (got === 0) throw endOfFile(this.path, position, length, done);
        done += got;
      }
    } catch (cause) {
      throw this.#failed('read', cause);
    }
  }

  read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        if (this.#fd < 0) return reject(this.#closed('read'));
        fs.read(this.#fd, into, intoOffset + done, length - done, position + done, (error, got) => {
          if (error !== null) return reject(this.#failed('read', error));
          if (got === 0 && done < length) return reject(endOfFile(this.path, position, length, done));
          done += got;
          if (done < length) next();
          else resolve();
        });
      };
      next();
    });
  }

  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    let done = 0;
    try {
      while (done < length) {
        done += fs.writeSync(this.#fd, from, fromOffset + done, length - done, position + done);
      }
    } catch (cause) {
      throw this.#failed('write', cause);
    }
    if (this.sizeBytes < position + length) this.sizeBytes = position + length;
  }

  write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        if (this.#fd < 0) return reject(this.#closed('write'));
        fs.write(this.#fd, from, fromOffset + done, length - done, position + done, (error, put) => {
          if (error !== null) return reject(this.#failed('write', error));
          done += put;
          if (done < length) return next();
          if (this.sizeBytes < position + length) this.sizeBytes = position + length;
          resolve();
        });
      };
      next();
    });
  }

  nextStored(position: number): StoredBytes | undefined {
    const data = seek(this.#fd, position, 'data');
    if (data?.errno === ERRNO.ENXIO) return undefined;
    if (data?.errno !== 0) return position < this.sizeBytes ? { start: position, end: this.sizeBytes } : undefined;
    const hole = seek(this.#fd, data.value, 'hole');
    return { start: data.value, end: hole?.errno === 0 ? hole.value : this.sizeBytes };
  }

  truncate(sizeBytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#fd < 0) return reject(this.#closed('truncate'));
      fs.ftruncate(this.#fd, sizeBytes, (error) => {
        if (error !== null) return reject(this.#failed('truncate', error));
        this.sizeBytes = sizeBytes;
        resolve();
      });
    });
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#fd < 0) return reject(this.#closed('sync'));
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(this.#failed('sync', error))));
    });
  }

  close(): Promise<void> {
    const fd = this.#fd;
    if (fd < 0) return Promise.resolve();
    this.#fd = -1;
    return new Promise((resolve, reject) => {
      fs.close(fd, (error) =>
        error === undefined || error === null ? resolve() : reject(this.#failed('close', error)),
      );
    });
  }

  #failed(verb: string, cause: unknown): VhdError {
    return this.#fd < 0 ? this.#closed(verb, cause) : fileError(cause, `cannot ${verb} ${this.path}`);
  }

  #closed(verb: string, cause?: unknown): VhdError {
    return new VhdError('CLOSED', `cannot ${verb} ${this.path}: it is closed`, { cause });
  }
}
