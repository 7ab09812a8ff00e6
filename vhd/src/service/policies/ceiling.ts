/** Ceilings on what a client may ask of a disk. */
import type { Disk, Extent, MaybeAsync } from '../../disk.ts';
import type { DiskRates } from '../control/api.ts';

/** Ceilings on requests and bytes per second, as token buckets that hold a tenth of a second. */
export class Ceiling implements Disk {
  readonly #inner: Disk;
  #rates: DiskRates;
  #requestsReadyAt = 0;
  #bytesReadyAt = 0;

  constructor(inner: Disk, rates: DiskRates) {
    this.#inner = inner;
    this.#rates = rates;
  }

  set rates(rates: DiskRates) {
    this.#rates = rates;
  }

  get name(): string {
    return this.#inner.name;
  }
  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }
  get isReadOnly(): boolean {
    return this.#inner.isReadOnly;
  }

  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    const wait = this.#wait(length ?? into.byteLength);
    return wait === undefined
      ? this.#inner.read(into, offset, start, length)
      : wait.then(() => this.#inner.read(into, offset, start, length));
  }
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    const wait = this.#wait(length ?? from.byteLength);
    return wait === undefined
      ? this.#inner.write(from, offset, start, length)
      : wait.then(() => this.#inner.write(from, offset, start, length));
  }
  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    const wait = this.#wait(0);
    const zero = (): MaybeAsync => this.#inner.writeZeroes(offset, length, options);
    return wait === undefined ? zero() : wait.then(zero);
  }
  trim(offset: number, length: number): MaybeAsync {
    const wait = this.#wait(0);
    return wait === undefined ? this.#inner.trim(offset, length) : wait.then(() => this.#inner.trim(offset, length));
  }
  flush(): Promise<void> {
    return this.#inner.flush();
  }
  extents(offset: number, length: number, limit?: number): Promise<readonly Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Takes one request of so many bytes out of the buckets; a promise where they are empty. */
  #wait(bytes: number): Promise<void> | undefined {
    const { iops, bytesPerSecond } = this.#rates;
    if (iops === undefined && bytesPerSecond === undefined) return undefined;
    const now = performance.now();
    const burstMs = 100;
    if (iops !== undefined) this.#requestsReadyAt = Math.max(this.#requestsReadyAt, now - burstMs) + 1000 / iops;
    if (bytesPerSecond !== undefined)
      this.#bytesReadyAt = Math.max(this.#bytesReadyAt, now - burstMs) + (bytes * 1000) / bytesPerSecond;
    const readyAt = Math.max(
      iops === undefined ? 0 : this.#requestsReadyAt,
      bytesPerSecond === undefined ? 0 : this.#bytesReadyAt,
    );
    if (readyAt <= now) return undefined;
    return new Promise((resolve) => setTimeout(resolve, readyAt - now));
  }
}
