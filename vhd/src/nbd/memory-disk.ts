/**
 * A disk in memory: what tests and benchmarks serve where the storage does not matter. Allocates 64 KiB pages as they
 * are written, so `extents` has something to tell.
 */
import type { Disk, Extent, MaybeAsync } from '../disk.ts';
import { VhdError } from '../errors.ts';

const PAGE_BYTES = 64 << 10;

export class MemoryDisk implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Counts calls of `flush`. */
  flushes = 0;
  readonly #pages = new Map<number, Buffer>();

  constructor(sizeBytes: number, options: { readonly name?: string; readonly isReadOnly?: boolean } = {}) {
    this.sizeBytes = sizeBytes;
    this.name = options.name ?? 'memory';
    this.isReadOnly = options.isReadOnly ?? false;
  }

  read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): MaybeAsync {
    this.#check(offset, length);
    this.#each(offset, length, (index, from, count, done) => {
      const page = this.#pages.get(index);
      if (page === undefined) into.fill(0, start + done, start + done + count);
      else page.copy(into, start + done, from, from + count);
    });
    return undefined;
  }

  write(from: Uint8Array, offset: number, start = 0, length: number = from.byteLength - start): MaybeAsync {
    this.#checkChange(offset, length);
    this.#each(offset, length, (index, at, count, done) => {
      let page = this.#pages.get(index);
      if (page === undefined) {
        page = Buffer.alloc(PAGE_BYTES);
        this.#pages.set(index, page);
      }
      page.set(from.subarray(start + done, start + done + count), at);
    });
    return undefined;
  }

  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    this.#checkChange(offset, length);
    this.#each(offset, length, (index, at, count) => {
      if (count === PAGE_BYTES && options?.mayUnmap === true) this.#pages.delete(index);
      else this.#pages.get(index)?.fill(0, at, at + count);
    });
    return undefined;
  }

  trim(offset: number, length: number): MaybeAsync {
    return this.writeZeroes(offset, length, { mayUnmap: true });
  }

  flush(): Promise<void> {
    this.flushes += 1;
    return Promise.resolve();
  }

  extents(offset: number, length: number, limit: number = Number.POSITIVE_INFINITY): Promise<readonly Extent[]> {
    this.#check(offset, length);
    const found: { offset: number; length: number; isAllocated: boolean; isZero: boolean; link?: number }[] = [];
    this.#each(offset, length, (index, _from, count, done) => {
      const isAllocated = this.#pages.has(index);
      const last = found.at(-1);
      if (last !== undefined && last.isAllocated === isAllocated) last.length += count;
      else
        found.push({
          offset: offset + done,
          length: count,
          isAllocated,
          isZero: !isAllocated,
          ...(isAllocated ? { link: 0 } : {}),
        });
    });
    return Promise.resolve(found.slice(0, limit));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #each(
    offset: number,
    length: number,
    visit: (index: number, from: number, length: number, done: number) => void,
  ): void {
    for (let done = 0; done < length; ) {
      const index = Math.floor((offset + done) / PAGE_BYTES);
      const from = (offset + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, length - done);
      visit(index, from, count, done);
      done += count;
    }
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || this.sizeBytes < offset + length) {
      throw new VhdError('OUT_OF_RANGE', `${length} bytes at ${offset} of a disk of ${this.sizeBytes}`);
    }
  }

  #checkChange(offset: number, length: number): void {
    if (this.isReadOnly) throw new VhdError('READ_ONLY', `${this.name} is read-only`);
    this.#check(offset, length);
  }
}
