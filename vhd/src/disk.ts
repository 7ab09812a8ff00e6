/**
 * The one interface between VHD files and everything that uses their content: operations, the NBD server, the disk
 * service. A `Disk` is virtual content addressed in bytes; how it is stored (one image, a chain, memory) is its secret.
 *
 * Calls that can be answered at once (a page-cache hit, a small write) return `undefined`; others return a promise.
 * That keeps the NBD hot path free of a microtask per request. `await` works on both.
 */
export type MaybeAsync = Promise<void> | undefined;

/** A run of virtual bytes that are alike. `offset` and `length` in bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** False where no link of the chain stores the bytes; they read as zero. */
  readonly isAllocated: boolean;
  /** True where the bytes are known to read as zero without looking at data. */
  readonly isZero: boolean;
  /** Index of the link that stores the bytes: 0 is the leaf, 1 its parent. `undefined` where none does. */
  readonly link?: number;
}

/**
 * Random access to virtual content. Offsets and lengths are bytes and need not be aligned to anything. `start` and
 * `length` say which part of the buffer is meant; left out, all of it. They are there for the NBD server, where making a
 * view of the buffer for each request costs as much as the rest of what JavaScript does for it.
 */
export interface Disk {
  /** For messages: usually the path of the leaf. */
  readonly name: string;
  /** Virtual size in bytes, a multiple of 512. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills `into`. Errors: OUT_OF_RANGE, IO. */
  read(into: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync;
  /** Stores `from`; the caller may reuse the buffer once this has settled. Errors: READ_ONLY, OUT_OF_RANGE, NO_SPACE, IO. */
  write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync;
  /** The range reads as zero afterwards, also where a parent has data. `mayUnmap`: storage may be given back. */
  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync;
  /** A hint that the content is no longer needed; afterwards the range reads as zero or as before. */
  trim(offset: number, length: number): MaybeAsync;
  /** FLUSHED-IS-SAFE: what was written before this call is on stable storage when it settles. */
  flush(): Promise<void>;
  /** The extents of a range in order, without gaps, merged where alike; stops early after `limit` extents. */
  extents(offset: number, length: number, limit?: number): Promise<readonly Extent[]>;
  /** Flushes and lets go of files and locks. Idempotent. */
  close(): Promise<void>;
}

/** The part of a buffer that a request means. */
export function partOf(bytes: Uint8Array, start = 0, length: number = bytes.byteLength - start): Uint8Array {
  return start === 0 && length === bytes.byteLength ? bytes : bytes.subarray(start, start + length);
}
