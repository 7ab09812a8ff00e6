/**
 * Rewrites an image without what it need not hold: blocks of zeros, blocks whose bitmap is empty, space that no block
 * uses, and the data behind clear bits. The new file takes the place of the old one when it is whole; identity, parent
 * and content are the same. Block data comes out in the order of the disk, aligned (quirk 11).
 */

import type { ChainDisk } from '../chain/chain-disk.ts';
import { VhdError } from '../errors.ts';
import { BlockTable } from '../formats/vhd/block-table.ts';
import { bitmapBytes, hasNoSectors, sectorRuns } from '../formats/vhd/codec/bitmap.ts';
import { encodeFooter, type Footer } from '../formats/vhd/codec/footer.ts';
import { encodeHeader } from '../formats/vhd/codec/header.ts';
import { newFooter } from '../formats/vhd/codec/image.ts';
import {
  BAT_OFFSET,
  blockSpanBytes,
  HEADER_OFFSET,
  LOCATORS_OFFSET,
  nextBlockOffset,
  planLayout,
} from '../formats/vhd/codec/layout.ts';
import type { Image } from '../image/image.ts';
import { openChain } from '../image/open.ts';
import type { ChainPolicy } from '../image/parent.ts';
import { refuseSealed } from '../image/seal.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import type { Storage } from '../storage/storage.ts';
import { alignUp, LIMITS, SECTOR_BYTES } from '../units.ts';
import { convertDisk } from './convert.ts';
import { inParallel, SLOT_HEAD_BYTES } from './copy.ts';
import { withLocks } from './locks.ts';
import { writeNewFile } from './new-file.ts';
import { chainOptions, type OperationOptions, storageOf } from './options.ts';
import { FileWriter, putBlock, writeTable } from './sinks.ts';
import { dataRuns } from './zeros.ts';

/** How an image is compacted. */
export interface CompactOptions extends OperationOptions {
  /** Where parents may lie: a zero block over data of a parent has to stay. */
  readonly policy?: ChainPolicy;
}

/** What it brought. Bytes on the storage, holes not counted. */
export interface CompactResult {
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
}

/** Makes an image as small as its content allows. Errors: SEALED, LOCKED, BAT_*, HEADER_*, CANCELLED, NO_SPACE, IO. */
export async function compactImage(name: string, options: CompactOptions = {}): Promise<CompactResult> {
  const storage = storageOf(options);
  refuseSealed(name, storage);
  return withLocks([name], storage, () => compactLocked(name, options, storage));
}

async function compactLocked(name: string, options: CompactOptions, storage: Storage): Promise<CompactResult> {
  const before = storage.stat(name)?.storedBytes ?? 0;
  const disk = await openChain(name, chainOptions(options));
  try {
    const leaf = disk.links[0];
    if (leaf === undefined) throw new VhdError('NOT_VHD', `${name} is no VHD`);
    if (leaf.kind === 'fixed') {
      await convertDisk(disk, name, { ...options, storage, to: 'fixed', uuid: leaf.footer.uuid, isReplacing: true });
    } else {
      await writeNewFile(name, { storage, isReplacing: true }, (file) => rewrite(disk, leaf, file, options));
    }
  } finally {
    await disk.close();
  }
  return { storedBytesBefore: before, storedBytesAfter: storage.stat(name)?.storedBytes ?? 0 };
}

async function rewrite(disk: ChainDisk, leaf: Image, file: RandomAccessFile, options: CompactOptions): Promise<void> {
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
    const keep = await whatToKeep(disk, leaf, block, bytes, bitmapStart);
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
  disk: ChainDisk,
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
  if (leaf.kind === 'dynamic') bitmap.fill(0xff);
  if (0 < runs.length) return runs;
  // Zeros over data of a parent are content; zeros over nothing are not.
  const hides = disk.links.slice(1).some((image) => offset < image.sizeBytes && image.hasBlocks(offset, length));
  return hides ? runs : undefined;
}

async function writeMetadata(file: RandomAccessFile, leaf: Image, table: BlockTable, endBytes: number): Promise<void> {
  const { header } = leaf;
  if (header === undefined) throw new VhdError('UNSUPPORTED', `${leaf.path} is fixed and has no table`);
  const footer = encodeFooter(compactFooter(leaf.footer));
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
