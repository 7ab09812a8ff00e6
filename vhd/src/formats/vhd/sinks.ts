/** Where copies go that are VHDs: a fixed image, a new dynamic image. Both leave zeros out. Spec: "Data Blocks". */
import { type FileSink, SLOT_HEAD_BYTES } from '../../copy/copy.ts';
import { FileWriter } from '../../copy/file-writer.ts';
import { rawSink } from '../../copy/raw-sink.ts';
import { dataRuns } from '../../copy/zeros.ts';
import { VhdError } from '../../errors.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { LIMITS, SECTOR_BYTES } from '../../units.ts';
import { BlockTable } from './block-table.ts';
import { batEntriesFor } from './codec/bat.ts';
import { bitmapBytes } from './codec/bitmap.ts';
import { encodeFooter } from './codec/footer.ts';
import { newDynamicImage, newFixedImage } from './codec/image.ts';
import { blockSpanBytes, nextBlockOffset, planLayout } from './codec/layout.ts';

/** Identity and time of an image that a sink writes. */
export interface ImageFields {
  readonly uuid: string;
  readonly now: Date;
}

/** A fixed image: raw bytes and a footer. Errors of `finish`: USAGE, TOO_LARGE. */
export function fixedSink(file: RandomAccessFile, fields: ImageFields): FileSink {
  return {
    ...rawSink(file),
    finish: async (sizeBytes) => {
      const { footer } = newFixedImage({ ...fields, sizeBytes });
      await file.write(encodeFooter(footer), 0, SECTOR_BYTES, sizeBytes);
    },
  };
}

/**
 * A new dynamic image, blocks in the order they arrive. The room for the table does not depend on the size of the
 * disk, so blocks can be written before it is known. Errors of `put`: TOO_LARGE; of `finish`: USAGE, TOO_LARGE.
 */
export function dynamicSink(file: RandomAccessFile, blockBytes: number, fields: ImageFields): FileSink {
  const writer = new FileWriter(file);
  const table = new BlockTable(batEntriesFor(LIMITS.dynamicDiskBytes, blockBytes));
  const bitmapSize = bitmapBytes(blockBytes);
  let endBytes = planLayout(LIMITS.dynamicDiskBytes, blockBytes).blocksOffset;
  return {
    pieceBytes: blockBytes,
    put: async (slot) => {
      const runs = dataRuns(slot.bytes, SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + slot.length);
      if (runs.length === 0) return;
      const start = nextBlockOffset(endBytes, blockBytes);
      endBytes = start + blockSpanBytes(blockBytes); // Before any await: the next piece goes behind this one.
      if (LIMITS.blockOffsetBytes <= start) throw new VhdError('TOO_LARGE', `${file.path} would reach beyond 2 TiB`);
      table.set(slot.offset / blockBytes, start / SECTOR_BYTES);
      // Every sector is marked: whole blocks are what other tools write too (quirk 12).
      slot.bytes.fill(0xff, SLOT_HEAD_BYTES - bitmapSize, SLOT_HEAD_BYTES);
      await putBlock(writer, slot.bytes, runs, start, bitmapSize);
    },
    finish: async (sizeBytes) => {
      const image = newDynamicImage({ ...fields, sizeBytes, blockBytes });
      const { batOffset, maxTableEntries } = image.header;
      for (const part of image.parts) {
        if (part.offset < batOffset) await file.write(part.bytes, 0, part.bytes.byteLength, part.offset);
      }
      await writeTable(file, table, maxTableEntries, batOffset);
      await file.write(encodeFooter(image.footer), 0, SECTOR_BYTES, endBytes);
    },
  };
}

/** Writes the first `entries` entries of a table to `position`, a piece at a time. Errors: NO_SPACE, IO. */
export async function writeTable(
  file: RandomAccessFile,
  table: BlockTable,
  entries: number,
  position: number,
): Promise<void> {
  let at = position;
  for (const bytes of table.encode(entries)) {
    await file.write(bytes, 0, bytes.byteLength, at);
    at += bytes.byteLength;
  }
}

/** Writes bitmap and data of a block from one buffer, the bitmap right in front of SLOT_HEAD_BYTES; zeros are left out. */
export async function putBlock(
  file: FileWriter,
  bytes: Uint8Array,
  runs: ReturnType<typeof dataRuns>,
  start: number,
  bitmapSize: number,
): Promise<void> {
  const bitmapStart = SLOT_HEAD_BYTES - bitmapSize;
  if (runs.length === 0) await file.write(bytes, bitmapStart, bitmapSize, start); // Zeros that hide data of a parent.
  let isFirst = true;
  for (const run of runs) {
    // The bitmap goes with the first run where that starts the block: one write for a full block.
    const from = isFirst && run.start === SLOT_HEAD_BYTES ? bitmapStart : run.start;
    if (isFirst && from !== bitmapStart) await file.write(bytes, bitmapStart, bitmapSize, start);
    isFirst = false;
    await file.write(bytes, from, run.end - from, start + from - bitmapStart);
  }
}
