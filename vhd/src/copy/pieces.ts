/**
 * A disk cut into pieces of equal size, with the parts of each that may hold data: what every operation that walks a
 * whole disk works through. Memory stays the same at any size: extents are asked for a window at a time.
 */
import type { Disk } from '../disk.ts';
import { GIB } from '../units.ts';

/** A stretch of virtual bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** One piece of the disk: `index` times the size of a piece is its offset. */
export interface Piece {
  readonly index: number;
  readonly offset: number;
  readonly length: number;
  /** The parts that may hold data, in order; the rest of the piece reads as zero. Never empty. */
  readonly ranges: readonly Range[];
}

const WINDOW_BYTES: number = 16 * GIB;
const WINDOW_EXTENTS = 4096;

/** The stretches of a disk that may hold data, in order. Errors: IO. */
export async function* dataRanges(disk: Disk, from = 0, to: number = disk.sizeBytes): AsyncGenerator<Range> {
  for (let at = from; at < to; ) {
    const extents = await disk.extents(at, Math.min(WINDOW_BYTES, to - at), WINDOW_EXTENTS);
    for (const extent of extents) {
      if (extent.isAllocated && !extent.isZero) yield { offset: extent.offset, length: extent.length };
      at = extent.offset + extent.length;
    }
  }
}

/** The pieces of `pieceBytes` that may hold data, in order; others are left out. Errors: IO. */
export async function* dataPieces(disk: Disk, pieceBytes: number): AsyncGenerator<Piece> {
  let index = -1;
  let ranges: Range[] = [];
  const piece = (): Piece => {
    const offset = index * pieceBytes;
    return { index, offset, length: Math.min(pieceBytes, disk.sizeBytes - offset), ranges };
  };
  for await (const range of dataRanges(disk)) {
    const end = range.offset + range.length;
    for (let at = range.offset; at < end; ) {
      const here = Math.floor(at / pieceBytes);
      if (here !== index) {
        if (0 < ranges.length) yield piece();
        index = here;
        ranges = [];
      }
      const stop = Math.min(end, (here + 1) * pieceBytes);
      ranges.push({ offset: at, length: stop - at });
      at = stop;
    }
  }
  if (0 < ranges.length) yield piece();
}

/** Reads one piece into the start of `into`; what may not hold data is zeroed. Errors: IO. */
export async function readPiece(disk: Disk, piece: Piece, into: Uint8Array): Promise<void> {
  let end = piece.offset;
  for (const range of piece.ranges) {
    if (end < range.offset) into.fill(0, end - piece.offset, range.offset - piece.offset);
    const start = range.offset - piece.offset;
    await disk.read(into.subarray(start, start + range.length), range.offset);
    end = range.offset + range.length;
  }
  into.fill(0, end - piece.offset, piece.length);
}
