/**
 * Copies a disk into a file of another kind: several reads and writes in flight, buffers used again, zeros left out.
 * The source may be a chain, a raw file or a stream; the sink says where the bytes go.
 */
import type { Disk } from '../disk.ts';
import { type OperationOptions, throwIfCancelled } from './options.ts';
import { dataPieces, type Piece, readPiece } from './pieces.ts';

/** Bytes in front of the data of a slot: room for the bitmap of a block, so that bitmap and data are one write. */
export const SLOT_HEAD_BYTES = 4096;

/** One buffer in use: the data of a piece starts at SLOT_HEAD_BYTES. */
export interface Slot {
  readonly bytes: Uint8Array;
  /** Virtual offset of the data, and how many bytes of it there are. */
  readonly offset: number;
  readonly length: number;
}

/** Where the pieces of a copy go. */
export interface Sink {
  /** Bytes of a piece. */
  readonly pieceBytes: number;
  /** Stores one piece; may be called again before it has settled. */
  put(slot: Slot): Promise<void>;
}

/** A sink into a file that ends with `finish`, which is told the final virtual size in bytes. */
export interface FileSink extends Sink {
  finish(sizeBytes: number): Promise<void>;
}

/** Pieces in flight: one is written, the next are read or wait; more of them only take turns at the memory. */
const SLOTS = 4;
/** Reads that are done at once, and zeros that are not written, would let no signal in: others get a turn this often. */
const TURN_MS = 50;
/** BOUNDED: what the buffers of one copy may take together. */
const SLOTS_BYTES: number = 48 << 20;

/** Copies all data of `disk` into `sink`. Errors: CANCELLED, IO, and those of the sink. */
export async function copyDisk(disk: Disk, sink: Sink, options: OperationOptions): Promise<void> {
  const pieces = dataPieces(disk, sink.pieceBytes)[Symbol.asyncIterator]();
  await inParallel(sink.pieceBytes, options, disk.sizeBytes, async (bytes) => {
    const next: IteratorResult<Piece, unknown> = await pieces.next();
    if (next.done === true) return undefined;
    const piece = next.value;
    await readPiece(disk, piece, bytes.subarray(SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + piece.length));
    await sink.put({ bytes, offset: piece.offset, length: piece.length });
    return piece.offset + piece.length;
  });
}

/**
 * Runs `step` on several buffers at once until it returns `undefined`; otherwise it returns how far it came. The first
 * error stops all; it is thrown once nothing is in flight any more.
 */
export async function inParallel(
  pieceBytes: number,
  options: OperationOptions,
  totalBytes: number | undefined,
  step: (bytes: Uint8Array) => Promise<number | undefined>,
): Promise<void> {
  const slots = Math.max(1, Math.min(SLOTS, Math.floor(SLOTS_BYTES / (pieceBytes + SLOT_HEAD_BYTES))));
  let failure: { readonly cause: unknown } | undefined;
  let isOver = false;
  let doneBytes = 0;
  let turnAt = performance.now();
  const work = async (): Promise<void> => {
    const bytes = Buffer.allocUnsafeSlow(SLOT_HEAD_BYTES + pieceBytes);
    try {
      while (!isOver) {
        if (TURN_MS < performance.now() - turnAt) {
          await new Promise((resolve) => setImmediate(resolve));
          turnAt = performance.now();
        }
        throwIfCancelled(options.signal);
        const done = await step(bytes);
        if (done === undefined) isOver = true;
        else {
          doneBytes = Math.max(doneBytes, done);
          options.onProgress?.({ doneBytes, totalBytes });
        }
      }
    } catch (cause) {
      isOver = true;
      failure ??= { cause };
    }
  };
  await Promise.all(Array.from({ length: slots }, work));
  if (failure !== undefined) throw failure.cause;
}
