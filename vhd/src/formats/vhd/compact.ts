/**
 * Rewrites an image without what it need not hold: blocks of zeros, blocks whose bitmap is empty, space that no block
 * uses, and the data behind clear bits. Block data comes out in the order of the disk, aligned (quirk 11).
 */
import { inParallel, SLOT_HEAD_BYTES } from '../../copy/copy.ts';
import { FileWriter } from '../../copy/file-writer.ts';
import type { OperationOptions } from '../../copy/options.ts';
import { dataRuns } from '../../copy/zeros.ts';
import { VhdError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { alignUp, LIMITS, SECTOR_BYTES } from '../../units.ts';
import { BlockTable } from './block-table.ts';
import { bitmapBytes, hasNoSectors, sectorRuns } from './codec/bitmap.ts';
import { encodeFooter, type Footer } from './codec/footer.ts';
import { encodeHeader } from './codec/header.ts';
import { newFooter } from './codec/image.ts';
import {
  BAT_OFFSET,
  blockSpanBytes,
  HEADER_OFFSET,
  LOCATORS_OFFSET,
  nextBlockOffset,
  planLayout,
} from './codec/layout.ts';
import { readFooter, readHeader } from './image-metadata.ts';
import { putBlock, writeTable } from './sinks.ts';

/**
 * Writes `leaf`, which is not fixed, into the empty `file` without what it need not hold. `isBelow` says whether a parent
 * has any block of a range. Errors: UNSUPPORTED, CANCELLED, NO_SPACE, IO.
 */
export async function rewriteImage(
  leaf: Image,
  file: RandomAccessFile,
  isBelow: (offset: number, length: number) => boolean,
  options: OperationOptions,
): Promise<void> {
  const { blockBytes } = leaf;
  const layout = planLayout(leaf.sizeBytes, blockBytes);
  const written = new BlockTable(layout.batEntries);
  const bitmapSize = bitmapBytes(blockBytes);
  const bitmapStart = SLOT_HEAD_BYTES - bitmapSize;
  const last = layout.batEntries - 1;
  const writer = new FileWriter(file);
  let endBytes = layout.blocksOffset;
  let next = 0;
  await inParallel(blockBytes, options, leaf.sizeBytes, async (bytes) => {
    const block = leaf.nextBlock(next, last);
    if (last < block) return undefined;
    next = block + 1;
    const position = leaf.positionOf(block * blockBytes) - bitmapSize;
    await leaf.file.read(bytes, bitmapStart, blockSpanBytes(blockBytes), position);
    const keep = await whatToKeep(isBelow, leaf, block, bytes, bitmapStart);
    if (keep === undefined) return (block + 1) * blockBytes;
    const start = nextBlockOffset(endBytes, blockBytes);
    endBytes = start + blockSpanBytes(blockBytes);
    written.set(block, start / SECTOR_BYTES);
    await putBlock(writer, bytes, keep, start, bitmapSize);
    return (block + 1) * blockBytes;
  });
  await writeMetadata(file, leaf, written, endBytes);
}

/**
 * The runs of a block to write; `undefined` where the block can go. Changes the bitmap of a block in an image without
 * parent to all ones, once the data behind clear bits is zero: readers that ignore bitmaps then read the same (quirk 12).
 */
async function whatToKeep(
  isBelow: (offset: number, length: number) => boolean,
  leaf: Image,
  block: number,
  bytes: Uint8Array,
  bitmapStart: number,
): Promise<ReturnType<typeof dataRuns> | undefined> {
  const bitmap = bytes.subarray(bitmapStart, SLOT_HEAD_BYTES);
  const offset = block * leaf.blockBytes;
  const length = Math.min(leaf.blockBytes, leaf.sizeBytes - offset);
  const sectors = length / SECTOR_BYTES;
  if (hasNoSectors(bitmap, 0, sectors)) return undefined;
  for (const run of sectorRuns(bitmap, 0, sectors)) {
    const start = SLOT_HEAD_BYTES + run.first * SECTOR_BYTES;
    if (!run.isPresent) bytes.fill(0, start, start + run.count * SECTOR_BYTES);
  }
  bytes.fill(0, SLOT_HEAD_BYTES + length); // Behind the end of the disk there is nothing (quirk 10).
  const runs = dataRuns(bytes, SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + length);
  if (!leaf.hasParent) bitmap.fill(0xff);
  if (0 < runs.length) return runs;
  // Zeros over data of a parent are content; zeros over nothing are not.
  return isBelow(offset, length) ? runs : undefined;
}

async function writeMetadata(file: RandomAccessFile, leaf: Image, table: BlockTable, endBytes: number): Promise<void> {
  const reading = readFooter(leaf.file);
  const header = readHeader(leaf.file, reading.footer);
  const footer = encodeFooter(compactFooter(reading.footer));
  const put = (bytes: Uint8Array, offset: number): Promise<void> => file.write(bytes, 0, bytes.byteLength, offset);
  let at = LOCATORS_OFFSET;
  const locators = [];
  for (const entry of header.locators) {
    if (LIMITS.locatorBytes < entry.lengthBytes || leaf.file.sizeBytes < entry.offsetBytes + entry.lengthBytes)
      continue; // Leads nowhere.
    const spaceBytes = alignUp(Math.max(entry.lengthBytes, 1), SECTOR_BYTES);
    if (BAT_OFFSET < at + spaceBytes)
      throw new VhdError('UNSUPPORTED', `the parent paths of ${leaf.path} take more than 60 KiB`);
    await put(readBytesSync(leaf.file, entry.offsetBytes, entry.lengthBytes), at);
    locators.push({ ...entry, spaceBytes, offsetBytes: at });
    at += spaceBytes;
  }
  await writeTable(file, table, table.length, BAT_OFFSET);
  await put(encodeHeader({ ...header, batOffset: BAT_OFFSET, maxTableEntries: table.length, locators }), HEADER_OFFSET);
  await put(footer, 0);
  await put(footer, endBytes);
}

/** The same identity; we are the creator now, since there is no batmap behind the table any more (quirk 16). */
function compactFooter(footer: Footer): Footer {
  const { creatorApp, creatorVersion, creatorHostOs, geometry } = newFooter(
    { ...footer, headerOffset: HEADER_OFFSET },
    new Date(0),
  );
  return {
    ...footer,
    headerOffset: HEADER_OFFSET,
    creatorApp,
    creatorVersion,
    creatorHostOs,
    geometry,
    isShort: false,
  };
}
