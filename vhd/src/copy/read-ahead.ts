/** A disk read in order, a few chunks ahead of who takes them. */
import type { Disk } from '../disk.ts';
import { dataPieces, type Piece, readPiece } from './pieces.ts';

const CHUNK_BYTES: number = 2 << 20;
/** Chunks that are read before they are asked for. */
const CHUNKS_AHEAD = 4;

/** All virtual bytes in order, read a few chunks ahead. A chunk is only valid until the next is asked for. Errors: IO. */
export async function* readAhead(disk: Disk): AsyncGenerator<Uint8Array> {
  const zeros = new Uint8Array(CHUNK_BYTES);
  let at = 0;
  for await (const { piece, bytes } of piecesAhead(disk, CHUNK_BYTES)) {
    for (; at < piece.offset; at += CHUNK_BYTES) yield zeros;
    yield bytes;
    at = piece.offset + piece.length;
  }
  for (; at < disk.sizeBytes; at += CHUNK_BYTES) yield zeros.subarray(0, Math.min(CHUNK_BYTES, disk.sizeBytes - at));
}

/** A piece with its bytes. */
export interface ReadPiece {
  readonly piece: Piece;
  readonly bytes: Uint8Array;
}

/** The pieces of a disk that may hold data, with their bytes, in order; the reads of the next ones are under way. */
export async function* piecesAhead(disk: Disk, pieceBytes: number): AsyncGenerator<ReadPiece> {
  const pieces = dataPieces(disk, pieceBytes);
  const buffers = Array.from({ length: CHUNKS_AHEAD + 1 }, () => Buffer.allocUnsafeSlow(pieceBytes));
  const reading: Promise<ReadPiece | undefined>[] = [];
  let next = 0;
  const start = async (): Promise<ReadPiece | undefined> => {
    const bytes = buffers[next++ % buffers.length] ?? Buffer.alloc(0);
    const { value, done } = (await pieces.next()) as IteratorResult<Piece, undefined>;
    if (done === true) return undefined;
    await readPiece(disk, value, bytes);
    return { piece: value, bytes: bytes.subarray(0, value.length) };
  };
  try {
    for (let i = 0; i < CHUNKS_AHEAD; i++) reading.push(start());
    for (;;) {
      const read = await reading.shift();
      if (read === undefined) return;
      reading.push(start()); // The buffer of the chunk before the last: nobody looks at it any more.
      yield read;
    }
  } finally {
    await Promise.allSettled(reading); // A consumer that stops early must not leave reads behind.
  }
}
