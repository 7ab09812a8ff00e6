/** A raw file as a read-only `Disk`: its bytes are the virtual bytes. */

import type { Disk, Extent } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { RandomAccessFile, StoredBytes } from '../../storage/file.ts';
import type { Storage } from '../../storage/storage.ts';
import { alignDown, alignUp, SECTOR_BYTES } from '../../units.ts';

/**
 * Opens a raw file for reading. Its size is rounded up to whole sectors; what is behind its end reads as zero. `isAlone`:
 * reads happen at once and not in the thread pool.
 * Errors: NOT_FOUND, UNSUPPORTED, IO.
 */
export async function openRawDisk(
  name: string,
  storage: Storage,
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): Promise<Disk> {
  const file = storage.open(name, 'read');
  const isSparse = (storage.stat(name)?.storedBytes ?? 0) < alignDown(file.sizeBytes, STORED_GRAIN_BYTES);
  return new RawDisk(file, isSparse, isAlone);
}

/** File systems count what they store in units up to this. */
const STORED_GRAIN_BYTES: number = 64 * 1024;

class RawDisk implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly = true;
  readonly #file: RandomAccessFile;
  /** False where all of the file is stored, so that nobody needs to be asked. */
  readonly #isSparse: boolean;
  readonly #isAlone: boolean;

  constructor(file: RandomAccessFile, isSparse: boolean, isAlone: boolean) {
    this.name = file.path;
    this.sizeBytes = alignUp(file.sizeBytes, SECTOR_BYTES);
    this.#file = file;
    this.#isSparse = isSparse && file.nextStored !== undefined;
    this.#isAlone = isAlone;
  }

  async read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): Promise<void> {
    if (this.sizeBytes < offset + length) {
      throw new VhdError('OUT_OF_RANGE', `read of ${length} bytes at ${offset} in ${this.name}`);
    }
    const stored = Math.max(0, Math.min(length, this.#file.sizeBytes - offset));
    into.fill(0, start + stored, start + length);
    if (stored === 0) return;
    if (this.#isAlone) this.#file.readSync(into, start, stored, offset);
    else await this.#file.read(into, start, stored, offset);
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
    for (let at = offset; at < end && extents.length < limit; ) {
      const stored = this.#nextStored(at);
      const start = Math.min(end, stored?.start ?? end);
      if (at < start) extents.push(hole(at, start));
      at = Math.max(at, start);
      if (stored === undefined || end <= at || limit <= extents.length) continue;
      const stop = Math.min(end, stored.end);
      extents.push(data(at, stop));
      at = stop;
    }
    return extents;
  }

  /** In whole sectors, so that a last one that the file has only a part of is among it. */
  #nextStored(at: number): StoredBytes | undefined {
    if (!this.#isSparse) return { start: at, end: this.sizeBytes };
    const stored = this.#file.nextStored?.(at);
    if (stored === undefined) return undefined;
    return {
      start: Math.max(at, alignDown(stored.start, SECTOR_BYTES)),
      end: Math.min(this.sizeBytes, alignUp(stored.end, SECTOR_BYTES)),
    };
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
