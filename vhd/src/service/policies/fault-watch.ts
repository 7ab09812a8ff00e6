/** A watch over the storage of a disk: that it fails, and when it does no longer. */
import type { Disk, Extent, MaybeAsync } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { Fault } from '../control/api.ts';

type Kind = 'read' | 'change' | 'flush';

/** The request that failed last: its kind, its place, and when. */
interface Failure {
  readonly kind: Kind;
  readonly offset: number;
  readonly end: number;
  readonly at: number;
}

/** Who goes on for so long after a failure is no guest that waits for its end. */
const PAUSED_MS = 30_000;

/**
 * Remembers that the storage fails until the request that failed succeeds. Others say nothing: a QEMU that pauses its
 * guest for a failed write flushes next, and writes that were on their way beside it may have had their space already.
 */
export class FaultWatch implements Disk {
  readonly #inner: Disk;
  readonly #onChange: () => void;
  #fault: Fault | undefined;
  #failure: Failure | undefined;

  constructor(inner: Disk, onChange: () => void) {
    this.#inner = inner;
    this.#onChange = onChange;
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
  get fault(): Fault | undefined {
    return this.#fault;
  }

  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    return this.#watch(() => this.#inner.read(into, offset, start, length), 'read', offset, length ?? into.byteLength);
  }
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    return this.#watch(
      () => this.#inner.write(from, offset, start, length),
      'change',
      offset,
      length ?? from.byteLength,
    );
  }
  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    return this.#watch(() => this.#inner.writeZeroes(offset, length, options), 'change', offset, length);
  }
  trim(offset: number, length: number): MaybeAsync {
    return this.#watch(() => this.#inner.trim(offset, length), 'change', offset, length);
  }
  async flush(): Promise<void> {
    await this.#watch(() => this.#inner.flush(), 'flush', 0, this.sizeBytes);
  }
  extents(offset: number, length: number, limit?: number): Promise<readonly Extent[]> {
    return this.#inner.extents(offset, length, limit);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  #watch(request: () => MaybeAsync, kind: Kind, offset: number, length: number): MaybeAsync {
    let pending: MaybeAsync;
    try {
      pending = request();
    } catch (error) {
      this.#failed(error, kind, offset, length);
      throw error;
    }
    if (pending === undefined) {
      if (this.#failure !== undefined) this.#succeeded(this.#failure, kind, offset, length);
      return undefined;
    }
    return pending.then(
      () => {
        if (this.#failure !== undefined) this.#succeeded(this.#failure, kind, offset, length);
      },
      (error: unknown) => {
        this.#failed(error, kind, offset, length);
        throw error;
      },
    );
  }

  #failed(error: unknown, kind: Kind, offset: number, length: number): void {
    const code = error instanceof VhdError ? error.code : 'IO';
    if (code === 'LEASE_LOST' || code === 'OUT_OF_RANGE' || code === 'CLOSED') return;
    const message = error instanceof Error ? error.message : String(error);
    const before = this.#fault?.code === code ? this.#fault : undefined;
    this.#failure = { kind, offset, end: offset + length, at: Date.now() };
    this.#fault = { code, message, since: before?.since ?? new Date().toISOString(), count: (before?.count ?? 0) + 1 };
    if (before === undefined) this.#onChange();
  }

  #succeeded(failure: Failure, kind: Kind, offset: number, length: number): void {
    if (kind !== failure.kind) return;
    const isSame = offset < failure.end && failure.offset < offset + length;
    if (isSame || PAUSED_MS <= Date.now() - failure.at) this.#cured();
  }

  #cured(): void {
    this.#fault = undefined;
    this.#failure = undefined;
    this.#onChange();
  }
}
