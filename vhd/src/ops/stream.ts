/**
 * Disks as streams of bytes: what `export` and `convert … -` send. A stream has a length that is known before its first
 * byte, so that it can be sent with a Content-Length. Spec: "Data Blocks"; blocks lie in the order of the disk.
 */
import { randomUUID } from 'node:crypto';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { dataPieces, type Piece, readPiece } from '../copy/pieces.ts';
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import { BlockTable } from '../formats/vhd/block-table.ts';
import { batBytes } from '../formats/vhd/codec/bat.ts';
import { bitmapBytes } from '../formats/vhd/codec/bitmap.ts';
import { encodeFooter } from '../formats/vhd/codec/footer.ts';
import { type NewSparseImage, newDynamicImage, newFixedImage } from '../formats/vhd/codec/image.ts';
import { blockSpanBytes, DEFAULT_BLOCK_BYTES, nextBlockOffset } from '../formats/vhd/codec/layout.ts';
import { SECTOR_BYTES } from '../units.ts';
import type { NativeFormat } from './convert.ts';

/** A stream of a known length. */
export interface ExportStream {
  readonly lengthBytes: number;
  /** The bytes, in order. A chunk is only valid until the next is asked for. Errors: CANCELLED, IO. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** What a stream is to be. */
export interface ExportOptions extends OperationOptions {
  readonly to: NativeFormat;
  readonly blockBytes?: number;
  readonly uuid?: string;
  readonly now?: Date;
}

const CHUNK_BYTES: number = 2 << 20;
/** Chunks that are read before they are asked for. */
const CHUNKS_AHEAD = 4;

/** The content of a disk as a stream. Errors: USAGE, TOO_LARGE, IO. */
export async function exportStream(disk: Disk, options: ExportOptions): Promise<ExportStream> {
  const fields = { sizeBytes: disk.sizeBytes, uuid: options.uuid ?? randomUUID(), now: options.now ?? new Date() };
  const watched = (chunks: AsyncIterable<Uint8Array>, lengthBytes: number): ExportStream => ({
    lengthBytes,
    chunks: watch(chunks, lengthBytes, options),
  });
  switch (options.to) {
    case 'raw':
      return watched(readAhead(disk), disk.sizeBytes);
    case 'fixed': {
      const { footer, lengthBytes } = newFixedImage(fields);
      return watched(concat(readAhead(disk), [encodeFooter(footer)]), lengthBytes);
    }
    case 'dynamic':
      return dynamicStream(disk, { ...fields, blockBytes: options.blockBytes ?? DEFAULT_BLOCK_BYTES }, watched);
  }
}

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

interface ReadPiece {
  readonly piece: Piece;
  readonly bytes: Uint8Array;
}

/** The pieces of a disk that may hold data, with their bytes, in order; the reads of the next ones are under way. */
async function* piecesAhead(disk: Disk, pieceBytes: number): AsyncGenerator<ReadPiece> {
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

type DynamicFields = Required<Pick<ExportOptions, 'uuid' | 'now' | 'blockBytes'>> & { readonly sizeBytes: number };

async function dynamicStream(
  disk: Disk,
  fields: DynamicFields,
  watched: (chunks: AsyncIterable<Uint8Array>, lengthBytes: number) => ExportStream,
): Promise<ExportStream> {
  const image = newDynamicImage({ ...fields, hasSlack: false });
  const { batOffset, maxTableEntries } = image.header;
  const table = new BlockTable(maxTableEntries);
  let endBytes = batOffset + batBytes(maxTableEntries);
  for await (const piece of dataPieces(disk, fields.blockBytes)) {
    const start = nextBlockOffset(endBytes, fields.blockBytes);
    table.set(piece.index, start / SECTOR_BYTES);
    endBytes = start + blockSpanBytes(fields.blockBytes);
  }
  return watched(dynamicChunks(disk, image, table, fields.blockBytes), endBytes + SECTOR_BYTES);
}

async function* dynamicChunks(
  disk: Disk,
  image: NewSparseImage,
  table: BlockTable,
  blockBytes: number,
): AsyncGenerator<Uint8Array> {
  const { batOffset } = image.header;
  let at = 0;
  const padTo = (offset: number): Uint8Array => new Uint8Array(offset - at);
  for (const part of image.parts) {
    if (batOffset <= part.offset) continue;
    yield padTo(part.offset);
    yield part.bytes;
    at = part.offset + part.bytes.byteLength;
  }
  yield padTo(batOffset);
  yield* table.encode();
  at = batOffset + batBytes(table.length);
  const bitmap = new Uint8Array(bitmapBytes(blockBytes)).fill(0xff);
  for await (const { piece, bytes } of piecesAhead(disk, blockBytes)) {
    const start = table.get(piece.index) * SECTOR_BYTES;
    yield padTo(start);
    yield bitmap;
    yield bytes;
    if (piece.length < blockBytes) yield new Uint8Array(blockBytes - piece.length);
    at = start + blockSpanBytes(blockBytes);
  }
  yield encodeFooter(image.footer);
}

async function* concat(
  ...parts: readonly (AsyncIterable<Uint8Array> | Iterable<Uint8Array>)[]
): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* part;
}

/** Counts what goes by, and checks the promise of the length. */
async function* watch(
  chunks: AsyncIterable<Uint8Array>,
  lengthBytes: number,
  options: OperationOptions,
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of chunks) {
    throwIfCancelled(options.signal);
    yield chunk;
    doneBytes += chunk.byteLength;
    options.onProgress?.({ doneBytes, totalBytes: lengthBytes });
  }
  if (doneBytes !== lengthBytes)
    throw new VhdError('IO', `the stream has ${doneBytes} bytes instead of ${lengthBytes}: the disk has changed`);
}
