/**
 * Policies of an open disk, each a wrapper that takes a Disk and gives a Disk: a gate to hold requests back, a watch
 * for faults of the storage, a fence for a lease that was lost, and ceilings on requests and bytes per second.
 * Order matters: the fence sits below the ceilings, so a write that a ceiling delayed cannot outlive its lease.
 */
import type { Disk, Extent, MaybeAsync } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { DiskRates, Fault } from '../control/api.ts';

/** Holds requests back so that several disks can be changed at one instant. */
export class Gate implements Disk {
  #inner: Disk;
  #running = 0;
  #held: { readonly promise: Promise<void>; readonly open: () => void } | undefined;
  #onQuiet: (() => void) | undefined;

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

  /** Puts another disk behind the gate; only while it is held. */
  set inner(inner: Disk) {
    this.#inner = inner;
  }

  /** From now on new requests wait. Settles when those that ran are through. */
  async hold(): Promise<void> {
    if (this.#held !== undefined) throw new VhdError('IN_PROGRESS', `${this.name} is held already`);
    let open: () => void = () => {};
    const promise = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#held = { promise, open };
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
    this.#onQuiet = undefined;
  }

  release(): void {
    this.#held?.open();
    this.#held = undefined;
  }

  // The hot path: no closure, no promise where the disk answers at once.
  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#held !== undefined) return this.#passLater(() => this.#inner.read(into, offset, start, length));
    const pending = this.#inner.read(into, offset, start, length);
    return pending === undefined ? undefined : this.#count(pending);
  }
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    if (this.#held !== undefined) return this.#passLater(() => this.#inner.write(from, offset, start, length));
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
    while (this.#held !== undefined) await this.#held.promise;
    return this.#inner.extents(offset, length, limit);
  }
  close(): Promise<void> {
    return this.#inner.close();
  }

  #pass(request: () => MaybeAsync): MaybeAsync {
    if (this.#held !== undefined) return this.#passLater(request);
    const pending = request();
    return pending === undefined ? undefined : this.#count(pending);
  }

  async #passLater(request: () => MaybeAsync): Promise<void> {
    while (this.#held !== undefined) await this.#held.promise;
    const pending = request();
    if (pending !== undefined) await this.#count(pending);
  }

  #count(pending: Promise<void>): Promise<void> {
    this.#running += 1;
    return pending.finally(() => {
      this.#running -= 1;
      if (this.#running === 0) this.#onQuiet?.();
    });
  }
}

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
