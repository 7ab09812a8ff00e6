/** A raw file as a read-only `Disk`: its bytes are the virtual bytes. */
import type { Disk, Extent } from '../disk/disk.ts';
import type { RandomAccessFile } from '../disk/file.ts';
import type { Storage } from '../disk/storage.ts';
import { VhdError } from '../errors.ts';
import { alignUp, SECTOR_BYTES } from '../units.ts';

/**
 * Opens a raw file for reading. Its size is rounded up to whole sectors; what is behind its end reads as zero. Node has
 * no way to ask a file where its holes are, so all of it counts as data, unless nothing at all is stored.
 * Errors: NOT_FOUND, UNSUPPORTED, IO.
 */
export function openRawDisk(name: string, storage: Storage): Disk {
  const file = storage.open(name, 'read');
  return new RawDisk(file, storage.stat(name)?.storedBytes === 0);
}

class RawDisk implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly = true;
  readonly #file: RandomAccessFile;
  readonly #isHole: boolean;

  constructor(file: RandomAccessFile, isHole: boolean) {
    this.name = file.path;
    this.sizeBytes = alignUp(file.sizeBytes, SECTOR_BYTES);
    this.#file = file;
    this.#isHole = isHole;
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    if (this.sizeBytes < offset + into.byteLength) {
      throw new VhdError('OUT_OF_RANGE', `read of ${into.byteLength} bytes at ${offset} in ${this.name}`);
    }
    const length = Math.max(0, Math.min(into.byteLength, this.#file.sizeBytes - offset));
    into.fill(0, length);
    if (0 < length) await this.#file.read(into, 0, length, offset);
  }

  async extents(offset: number, length: number): Promise<readonly Extent[]> {
    return [{ offset, length, isAllocated: !this.#isHole, isZero: this.#isHole, ...(this.#isHole ? {} : { link: 0 }) }];
  }

  async write(): Promise<void> {
    throw this.#readOnly();
  }
  async writeZeroes(): Promise<void> {
    throw this.#readOnly();
  }
  async trim(): Promise<void> {
    throw this.#readOnly();
  }
  async flush(): Promise<void> {}
  close(): Promise<void> {
    return this.#file.close();
  }

  #readOnly(): VhdError {
    return new VhdError('READ_ONLY', `${this.name} is open for reading`);
  }
}
