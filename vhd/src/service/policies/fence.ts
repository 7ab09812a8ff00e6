/** A fence around a lease: what comes through it ends with the lease. Below the ceilings, so that what they delay cannot outlive it. */
import type { Disk, Extent, MaybeAsync } from '../../disk.ts';
import { VhdError } from '../../errors.ts';

/** ONE-WRITER: what a lease may do ends with the lease. */
export class Fence implements Disk {
  readonly isReadOnly: boolean;
  readonly #inner: Disk;
  readonly #lease: number;
  #isLost = false;
  #onFirstChange: (() => Promise<void>) | undefined;

  /** `onFirstChange` is through before the first change reaches the disk. */
  constructor(inner: Disk, lease: number, mode: 'write' | 'read', onFirstChange?: () => Promise<void>) {
    this.#inner = inner;
    this.#onFirstChange = onFirstChange;
    this.#lease = lease;
    this.isReadOnly = mode === 'read' || inner.isReadOnly;
  }

  get name(): string {
    return this.#inner.name;
  }
  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  /** From now on nothing of this lease reaches the disk. */
  revoke(): void {
    this.#isLost = true;
  }

  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#isLost) return this.#refuse();
    return this.#inner.read(into, offset, start, length);
  }
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#isLost || this.isReadOnly) return this.#refuse();
    if (this.#onFirstChange !== undefined) return this.#takeOver().then(() => this.write(from, offset, start, length));
    return this.#inner.write(from, offset, start, length);
  }
  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    if (this.#isLost || this.isReadOnly) return this.#refuse();
    if (this.#onFirstChange !== undefined)
      return this.#takeOver().then(() => this.writeZeroes(offset, length, options));
    return this.#inner.writeZeroes(offset, length, options);
  }
  trim(offset: number, length: number): MaybeAsync {
    if (this.#isLost || this.isReadOnly) return this.#refuse();
    if (this.#onFirstChange !== undefined) return this.#takeOver().then(() => this.trim(offset, length));
    return this.#inner.trim(offset, length);
  }
  async flush(): Promise<void> {
    if (this.#isLost) await this.#refuse();
    if (!this.isReadOnly) await this.#inner.flush();
  }
  async extents(offset: number, length: number, limit?: number): Promise<readonly Extent[]> {
    if (this.#isLost) await this.#refuse();
    return this.#inner.extents(offset, length, limit);
  }
  /** The disk belongs to whoever opened it; a lease ends without closing it. */
  close(): Promise<void> {
    this.revoke();
    return Promise.resolve();
  }

  /** Changes that come in meanwhile wait for the same takeover. */
  #takeOver(): Promise<void> {
    const first = this.#onFirstChange;
    this.#taking ??= (first?.() ?? Promise.resolve()).then(() => {
      this.#onFirstChange = undefined;
    });
    return this.#taking;
  }
  #taking: Promise<void> | undefined;

  #refuse(): Promise<void> {
    const error = this.#isLost
      ? new VhdError('LEASE_LOST', `lease ${this.#lease} of ${this.name} was taken over`)
      : new VhdError('READ_ONLY', `${this.name} is served read-only`);
    return Promise.reject(error);
  }
}
