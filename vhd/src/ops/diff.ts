/**
 * Where two disks differ: for backups, for proofs, and for rebasing. Where both take a range from the same image file,
 * or neither stores it, nothing is read; all else is compared byte by byte.
 */
import { ChainDisk } from '../chain/chain-disk.ts';
import { type OperationOptions, storageOf, throwIfCancelled } from '../copy/options.ts';
import type { Range } from '../copy/pieces.ts';
import type { Disk, Extent } from '../disk.ts';
import type { Storage } from '../storage/storage.ts';
import { SECTOR_BYTES } from '../units.ts';
import { checkUsage } from '../usage.ts';

/** How two disks are compared. */
export interface DiffOptions extends OperationOptions {
  /** Differences are told in multiples of this many bytes; a sector when left out. A power of two from 512 to 65536. */
  readonly grainBytes?: number;
}

const CHUNK_BYTES: number = 1 << 20;
const WINDOW_EXTENTS = 1024;

/**
 * The ranges where `a` and `b` hold different bytes, in order and merged. A disk that is shorter reads as zero behind
 * its end. Errors: CANCELLED, IO.
 */
export async function* diffDisks(a: Disk, b: Disk, options: DiffOptions = {}): AsyncGenerator<Range> {
  checkUsage('diffDisks', { disks: { a, b }, options });
  const grain = options.grainBytes ?? SECTOR_BYTES;
  const totalBytes = Math.max(a.sizeBytes, b.sizeBytes);
  let open: Range | undefined;
  for await (const range of suspects(a, b, storageOf(options))) {
    for await (const found of differences(a, b, range, grain, options.signal)) {
      if (open !== undefined && found.offset <= open.offset + open.length) {
        open = { offset: open.offset, length: found.offset + found.length - open.offset };
        continue;
      }
      if (open !== undefined) yield open;
      open = found;
    }
    options.onProgress?.({ doneBytes: range.offset + range.length, totalBytes });
  }
  if (open !== undefined) yield open;
}

/** The ranges that have to be compared: stored by different files. */
export async function* suspects(a: Disk, b: Disk, storage: Storage): AsyncGenerator<Range> {
  const ownerOfA = owners(a, storage);
  const ownerOfB = owners(b, storage);
  const end = Math.max(a.sizeBytes, b.sizeBytes);
  const left = new Walk(a, end);
  const right = new Walk(b, end);
  for (let at = 0; at < end; ) {
    const one = await left.at(at);
    const other = await right.at(at);
    const stop = Math.min(one.offset + one.length, other.offset + other.length);
    const isSame = ownerOfA(one) === ownerOfB(other) && ownerOfA(one) !== undefined;
    if (!isSame) yield { offset: at, length: stop - at };
    at = stop;
  }
}

/** Goes through the extents of a disk in order; behind its end there are zeros. */
class Walk {
  readonly #disk: Disk;
  readonly #end: number;
  #extents: readonly Extent[] = [];
  #next = 0;

  constructor(disk: Disk, end: number) {
    this.#disk = disk;
    this.#end = end;
  }

  async at(offset: number): Promise<Extent> {
    if (this.#disk.sizeBytes <= offset) return { offset, length: this.#end - offset, isAllocated: false, isZero: true };
    for (;;) {
      const extent = this.#extents[this.#next];
      if (extent === undefined) {
        this.#extents = await this.#disk.extents(offset, this.#disk.sizeBytes - offset, WINDOW_EXTENTS);
        this.#next = 0;
      } else if (offset < extent.offset + extent.length) return extent;
      else this.#next++;
    }
  }
}

/** Names who stores an extent: a file, `zero`, or `undefined` for a disk that does not say. */
function owners(disk: Disk, storage: Storage): (extent: Extent) => string | undefined {
  const files = disk instanceof ChainDisk ? disk.links.map((image) => storage.stat(image.path)?.identity) : [];
  return (extent) => {
    if (!extent.isAllocated || extent.isZero) return 'zero';
    return extent.link === undefined ? undefined : files[extent.link];
  };
}

async function* differences(
  a: Disk,
  b: Disk,
  range: Range,
  grain: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Range> {
  const left = new Uint8Array(CHUNK_BYTES);
  const right = new Uint8Array(CHUNK_BYTES);
  const end = range.offset + range.length;
  for (let at = range.offset - (range.offset % grain); at < end; at += CHUNK_BYTES) {
    throwIfCancelled(signal);
    const length = Math.min(CHUNK_BYTES, end - at);
    await Promise.all([readPadded(a, left, at, length), readPadded(b, right, at, length)]);
    for (const run of unequalRuns(left, right, length, grain)) yield { offset: at + run.offset, length: run.length };
  }
}

/** Reads from a disk as if zeros came behind its end. Errors: IO. */
export async function readPadded(disk: Disk, into: Uint8Array, offset: number, length: number): Promise<void> {
  const inside = Math.max(0, Math.min(length, disk.sizeBytes - offset));
  if (0 < inside) await disk.read(into.subarray(0, inside), offset);
  into.fill(0, inside, length);
}

/** The runs of grains where two buffers differ; halves what is unequal until it is one grain. */
export function* unequalRuns(a: Uint8Array, b: Uint8Array, length: number, grain: number): Generator<Range> {
  const left = Buffer.from(a.buffer, a.byteOffset, length);
  let open: { offset: number; length: number } | undefined;
  for (const at of unequalGrains(left, b, 0, length, grain)) {
    const stop = Math.min(length, at + grain);
    if (open !== undefined && open.offset + open.length === at) open.length = stop - open.offset;
    else {
      if (open !== undefined) yield open;
      open = { offset: at, length: stop - at };
    }
  }
  if (open !== undefined) yield open;
}

function* unequalGrains(a: Buffer, b: Uint8Array, start: number, end: number, grain: number): Generator<number> {
  if (a.compare(b, start, end, start, end) === 0) return;
  if (end - start <= grain) {
    yield start;
    return;
  }
  const half = start + Math.max(grain, Math.floor((end - start) / 2 / grain) * grain);
  yield* unequalGrains(a, b, start, half, grain);
  yield* unequalGrains(a, b, half, end, grain);
}
