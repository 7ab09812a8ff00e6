/** Holds the requests of a disk back: so that several disks can be changed at one instant, or another put in its place. */
import { Gate } from '../../chain/gate.ts';
import type { Disk, Extent, MaybeAsync } from '../../disk.ts';

export class Hold implements Disk {
  #inner: Disk;
  readonly #gate = new Gate();

  constructor(inner: Disk) {
    this.#inner = inner;
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

  /** Puts another disk in the place of the one before; only while requests are held. */
  set inner(inner: Disk) {
    this.#inner = inner;
  }

  /** From now on new requests wait. Settles when those that ran are through. Errors: IN_PROGRESS. */
  hold(): Promise<void> {
    return this.#gate.hold();
  }

  release(): void {
    this.#gate.release();
  }

  // The hot path: no closure, no promise where the disk answers at once.
  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#gate.closed !== undefined) return this.#passLater(() => this.#inner.read(into, offset, start, length));
    const pending = this.#inner.read(into, offset, start, length);
    return pending === undefined ? undefined : this.#count(pending);
  }
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#gate.closed !== undefined) return this.#passLater(() => this.#inner.write(from, offset, start, length));
    const pending = this.#inner.write(from, offset, start, length);
    return pending === undefined ? undefined : this.#count(pending);
  }
  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    return this.#pass(() => this.#inner.writeZeroes(offset, length, options));
  }
  trim(offset: number, length: number): MaybeAsync {
    return this.#pass(() => this.#inner.trim(offset, length));
  }
  async flush(): Promise<void> {
    await this.#pass(() => this.#inner.flush());
  }
  async extents(offset: number, length: number, limit?: number): Promise<readonly Extent[]> {
    while (this.#gate.closed !== undefined) await this.#gate.closed;
    return this.#inner.extents(offset, length, limit);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  #pass(request: () => MaybeAsync): MaybeAsync {
    if (this.#gate.closed !== undefined) return this.#passLater(request);
    const pending = request();
    return pending === undefined ? undefined : this.#count(pending);
  }

  async #passLater(request: () => MaybeAsync): Promise<void> {
    while (this.#gate.closed !== undefined) await this.#gate.closed;
    const pending = request();
    if (pending !== undefined) await this.#count(pending);
  }

  #count(pending: Promise<void>): Promise<void> {
    this.#gate.enter();
    return pending.finally(() => this.#gate.leave());
  }
}
