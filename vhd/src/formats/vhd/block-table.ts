/**
 * The block allocation table of an open image, in memory. Spec: "Block Allocation Table". Kept in chunks, and all chunks
 * without any block are one and the same: a chain of 64 clones of a 2 TiB disk takes the room of what they store, not
 * 64 times 4 MiB.
 */
import { VhdError } from '../../errors.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { BAT_UNUSED, decodeBat, encodeBat } from './codec/bat.ts';

const CHUNK_SHIFT = 10;
const CHUNK_ENTRIES = 1 << CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_ENTRIES - 1;
/** Entries that are read or written at a time: 256 KiB. */
const PIECE_ENTRIES = 64 * CHUNK_ENTRIES;

/** BAT_UNUSED as a signed number. */
const UNUSED = BAT_UNUSED | 0;

/** The chunk of blocks that are not there. Never written to. */
const EMPTY: Int32Array = new Int32Array(CHUNK_ENTRIES).fill(UNUSED);
const EMPTY_BYTES: Uint8Array = new Uint8Array(EMPTY.buffer);

/** Where each block starts, in sectors. */
export class BlockTable {
  /** Blocks of the disk. */
  readonly length: number;
  /** Signed: looking for blocks in a million entries makes no number that does not fit in a pointer. */
  readonly #chunks: Int32Array[];

  constructor(length: number) {
    this.length = length;
    this.#chunks = Array.from({ length: Math.ceil(length / CHUNK_ENTRIES) }, () => EMPTY);
  }

  /** Reads a table of `length` entries. Errors: BAT_TRUNCATED, IO. */
  static read(file: RandomAccessFile, position: number, length: number): BlockTable {
    if (file.sizeBytes < position + length * 4) {
      throw new VhdError(
        'BAT_TRUNCATED',
        `${file.path}: BAT at ${position} needs ${length * 4} bytes, the file ends at ${file.sizeBytes}`,
      );
    }
    const table = new BlockTable(length);
    const bytes = Buffer.alloc(Math.min(length, PIECE_ENTRIES) * 4);
    for (let first = 0; first < length; first += PIECE_ENTRIES) {
      const count = Math.min(PIECE_ENTRIES, length - first);
      file.readSync(bytes, 0, count * 4, position + first * 4);
      table.#take(first, new Int32Array(decodeBat(bytes, count).buffer));
    }
    return table;
  }

  /** The sector where a block starts; BAT_UNUSED for one that is not in the file, or beyond the disk. */
  get(block: number): number {
    const chunk = this.#chunks[block >>> CHUNK_SHIFT] ?? EMPTY;
    return (chunk[block & CHUNK_MASK] ?? UNUSED) >>> 0;
  }

  set(block: number, entry: number): void {
    const index = block >>> CHUNK_SHIFT;
    let chunk = this.#chunks[index] ?? EMPTY;
    if (chunk === EMPTY) {
      if (entry === BAT_UNUSED) return;
      chunk = EMPTY.slice();
      this.#chunks[index] = chunk;
    }
    chunk[block & CHUNK_MASK] = entry;
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk === EMPTY ? 0 : chunk.byteLength), this.#chunks.length * 8);
  }

  /** True where any of the blocks from `first` to `last` is in the file. */
  hasAny(first: number, last: number): boolean {
    return this.nextUsed(first, last) <= last;
  }

  /** The first block from `first` to `last` that is in the file; `last + 1` where none is. */
  nextUsed(first: number, last: number): number {
    for (let block = first; block <= last; ) {
      const chunk = this.#chunks[block >>> CHUNK_SHIFT] ?? EMPTY;
      const chunkEnd = ((block >>> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
      if (chunk === EMPTY) {
        block = chunkEnd;
        continue;
      }
      const end = Math.min(chunkEnd, last + 1);
      while (block < end && chunk[block & CHUNK_MASK] === UNUSED) block++;
      if (block < end) return block;
    }
    return last + 1;
  }

  /** The first block from `first` to `last` that is not in the file; `last + 1` where all are. */
  nextUnused(first: number, last: number): number {
    let block = first;
    while (block <= last && (this.#chunks[block >>> CHUNK_SHIFT] ?? EMPTY)[block & CHUNK_MASK] !== UNUSED) block++;
    return block;
  }

  /** How many blocks are in the file. */
  get used(): number {
    const last = this.length - 1;
    let count = 0;
    for (let block = this.nextUsed(0, last); block <= last; block = this.nextUsed(block + 1, last)) count++;
    return count;
  }

  /** The starts of all blocks in the file, in the order of the file. */
  sortedEntries(): Uint32Array {
    const last = this.length - 1;
    const entries: number[] = [];
    for (let block = this.nextUsed(0, last); block <= last; block = this.nextUsed(block + 1, last)) {
      entries.push(this.get(block));
    }
    return Uint32Array.from(entries).sort();
  }

  /** All of it in one piece: a copy. */
  toArray(): Uint32Array {
    return this.#slice(0, this.length);
  }

  /** The first `entries` entries as they lie in a file, in pieces of whole sectors, none large (quirk 10). */
  *encode(entries: number = this.length): Generator<Uint8Array> {
    for (let first = 0; first < entries; first += PIECE_ENTRIES)
      yield encodeBat(this.#slice(first, Math.min(entries, first + PIECE_ENTRIES)));
  }

  /** Keeps the chunks of `piece` that have blocks: as parts of it where most do, as copies where few do. */
  #take(first: number, piece: Int32Array): void {
    const chunks: number[] = [];
    for (let at = 0; at < piece.length; at += CHUNK_ENTRIES) {
      const end = Math.min(piece.length, at + CHUNK_ENTRIES);
      if (Buffer.compare(bytesOf(piece, at, end), EMPTY_BYTES.subarray(0, (end - at) * 4)) !== 0) chunks.push(at);
    }
    const isDense = piece.length < 2 * CHUNK_ENTRIES * chunks.length;
    for (const at of chunks) {
      let chunk = piece.subarray(at, at + CHUNK_ENTRIES);
      if (!isDense || chunk.length < CHUNK_ENTRIES) {
        const part = chunk;
        chunk = EMPTY.slice();
        chunk.set(part);
      }
      this.#chunks[(first + at) >>> CHUNK_SHIFT] = chunk;
    }
  }

  /** Entries from `first`, which starts a chunk, up to `end`. */
  #slice(first: number, end: number): Uint32Array {
    const entries = new Uint32Array(end - first);
    for (let at = first; at < end; at += CHUNK_ENTRIES) {
      const chunk = this.#chunks[at >>> CHUNK_SHIFT] ?? EMPTY;
      entries.set(chunk.subarray(0, end - at), at - first);
    }
    return entries;
  }
}

function bytesOf(entries: Int32Array, from: number, to: number): Uint8Array {
  return new Uint8Array(entries.buffer, entries.byteOffset + from * 4, (to - from) * 4);
}

/** What is known of the bitmap of a block. */
export const FILL = { unknown: 0, partial: 1, full: 2 } as const;

const UNKNOWN: Uint8Array = new Uint8Array(CHUNK_ENTRIES);

/** One of `FILL` for each block, in chunks as the table is. */
export class BlockFill {
  readonly #chunks: Uint8Array[];

  constructor(length: number) {
    this.#chunks = Array.from({ length: Math.ceil(length / CHUNK_ENTRIES) }, () => UNKNOWN);
  }

  get(block: number): number {
    return this.#chunks[block >>> CHUNK_SHIFT]?.[block & CHUNK_MASK] ?? FILL.unknown;
  }

  set(block: number, fill: number): void {
    const index = block >>> CHUNK_SHIFT;
    let chunk = this.#chunks[index] ?? UNKNOWN;
    if (chunk === UNKNOWN) {
      chunk = UNKNOWN.slice();
      this.#chunks[index] = chunk;
    }
    chunk[block & CHUNK_MASK] = fill;
  }
}
