/** A raw file as a read-only `Disk`: its bytes are the virtual bytes. */

import type { Range } from '../../copy/pieces.ts';
import type { Disk, Extent } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { fileSystem, type Storage } from '../../storage/storage.ts';
import { alignDown, alignUp, SECTOR_BYTES } from '../../units.ts';
import { storedRanges } from './holes.ts';

/**
 * Opens a raw file for reading. Its size is rounded up to whole sectors; what is behind its end reads as zero.
 * Errors: NOT_FOUND, UNSUPPORTED, IO.
 */
export async function openRawDisk(name: string, storage: Storage): Promise<Disk> {
  const file = storage.open(name, 'read');
  const isSparse = (storage.stat(name)?.storedBytes ?? 0) < alignDown(file.sizeBytes, STORED_GRAIN_BYTES);
  const stored = isSparse && storage === fileSystem ? await storedRanges(name) : undefined;
  return new RawDisk(file, stored);
}

/** File systems count what they store in units up to this. */
const STORED_GRAIN_BYTES: number = 64 * 1024;

class RawDisk implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly = true;
  readonly #file: RandomAccessFile;
  /** What is stored, in order; all of it where that is not known. */
  readonly #stored: readonly Range[];

  constructor(file: RandomAccessFile, stored: readonly Range[] | undefined) {
    this.name = file.path;
    this.sizeBytes = alignUp(file.sizeBytes, SECTOR_BYTES);
    this.#file = file;
    this.#stored = stored ?? [{ offset: 0, length: this.sizeBytes }];
  }

  async read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): Promise<void> {
    if (this.sizeBytes < offset + length) {
      throw new VhdError('OUT_OF_RANGE', `read of ${length} bytes at ${offset} in ${this.name}`);
    }
    const stored = Math.max(0, Math.min(length, this.#file.sizeBytes - offset));
    into.fill(0, start + stored, start + length);
    if (0 < stored) await this.#file.read(into, start, stored, offset);
  }

  async extents(offset: number, length: number, limit: number = Number.MAX_SAFE_INTEGER): Promise<readonly Extent[]> {
    const extents: Extent[] = [];
    const end = offset + length;
    const data = (start: number, stop: number): Extent => ({
      offset: start,
      length: stop - start,
      isAllocated: true,
      isZero: false,
      link: 0,
    });
    const hole = (start: number, stop: number): Extent => ({
      offset: start,
      length: stop - start,
      isAllocated: false,
      isZero: true,
    });
    let at = offset;
    for (let i = this.#firstBehind(offset); at < end && extents.length < limit; i++) {
      const range = this.#stored[i];
      const start = Math.min(end, range?.offset ?? end);
      if (at < start) extents.push(hole(at, start));
      at = Math.max(at, start);
      if (range === undefined || end <= at) break;
      const stop = Math.min(end, range.offset + range.length);
      extents.push(data(at, stop));
      at = stop;
    }
    return extents;
  }

  /** Index of the first stored range that ends behind `offset`. */
  #firstBehind(offset: number): number {
    let low = 0;
    let high = this.#stored.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#stored[middle];
      if (range !== undefined && range.offset + range.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
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
