/** Disks as VHDs that are sent before they are anywhere. Spec: "Data Blocks"; blocks lie in the order of the disk. */

import { dataPieces } from '../../copy/pieces.ts';
import { piecesAhead, readAhead } from '../../copy/read-ahead.ts';
import type { Disk } from '../../disk.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { ByteStream } from '../format.ts';
import { BlockTable } from './block-table.ts';
import { batBytes } from './codec/bat.ts';
import { bitmapBytes } from './codec/bitmap.ts';
import { encodeFooter } from './codec/footer.ts';
import { type NewImageOptions, type NewSparseImage, newDynamicImage, newFixedImage } from './codec/image.ts';
import { blockSpanBytes, DEFAULT_BLOCK_BYTES, nextBlockOffset } from './codec/layout.ts';

/** What the image of a stream is to be; its size is the disk's. */
export type StreamFields = Omit<NewImageOptions, 'sizeBytes' | 'hasSlack'>;

/** A fixed image. Errors: USAGE, TOO_LARGE. */
export function fixedStream(disk: Disk, fields: StreamFields): ByteStream {
  const { footer, lengthBytes } = newFixedImage({ ...fields, sizeBytes: disk.sizeBytes });
  return { lengthBytes, chunks: fixedChunks(disk, encodeFooter(footer)) };
}

async function* fixedChunks(disk: Disk, footer: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* readAhead(disk);
  yield footer;
}

/** A dynamic image. Errors: USAGE, TOO_LARGE, IO. */
export async function dynamicStream(disk: Disk, fields: StreamFields): Promise<ByteStream> {
  const { blockBytes = DEFAULT_BLOCK_BYTES } = fields;
  const image = newDynamicImage({ ...fields, blockBytes, sizeBytes: disk.sizeBytes, hasSlack: false });
  const { batOffset, maxTableEntries } = image.header;
  const table = new BlockTable(maxTableEntries);
  let endBytes = batOffset + batBytes(maxTableEntries);
  for await (const piece of dataPieces(disk, blockBytes)) {
    const start = nextBlockOffset(endBytes, blockBytes);
    table.set(piece.index, start / SECTOR_BYTES);
    endBytes = start + blockSpanBytes(blockBytes);
  }
  return { lengthBytes: endBytes + SECTOR_BYTES, chunks: dynamicChunks(disk, image, table, blockBytes) };
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
