/**
 * Where we put things in the images we write. The format lets every part lie anywhere; this is what is good for it:
 *
 *     0        footer copy                       512 bytes
 *     512      dynamic disk header               1024
 *     4 KiB    parent locator paths              three slots of 16 KiB (differencing images; a hole in others)
 *     64 KiB   block allocation table            entries in use, then room up to 2040 GiB (a hole until grown)
 *     …        blocks: bitmap, data              data on a 4 KiB boundary, the bitmap right in front of it (quirk 11)
 *     end      footer
 *
 * The room behind the table makes growing a disk a matter of a few bytes: no block ever has to move (quirk 19).
 */
import { alignUp, KIB, LIMITS } from '../../../units.ts';
import { batBytes, batEntriesFor } from './bat.ts';
import { bitmapBytes } from './bitmap.ts';
import { FOOTER_BYTES } from './footer.ts';

/** Block data starts on multiples of this many bytes: the page of the cache, the sector of modern disks. */
export const DATA_ALIGN_BYTES: number = 4 * KIB;
/** Default size of a block in bytes; the one every other tool expects. */
export const DEFAULT_BLOCK_BYTES: number = 2048 * KIB;
/** File offset of the dynamic disk header in bytes. */
export const HEADER_OFFSET: number = FOOTER_BYTES;
/** File offset of the first parent locator slot, and the size of one, in bytes. */
export const LOCATORS_OFFSET: number = 4 * KIB;
export const LOCATOR_SLOT_BYTES: number = 16 * KIB;
/** File offset of the block allocation table in bytes. */
export const BAT_OFFSET: number = 64 * KIB;

/** The plan of a new dynamic or differencing image. All offsets in bytes. */
export interface Layout {
  readonly headerOffset: number;
  readonly batOffset: number;
  readonly batEntries: number;
  /** Bytes kept for the table, so that it can grow. */
  readonly batReservedBytes: number;
  /** Where the footer of the empty image goes, and the first block later. */
  readonly blocksOffset: number;
}

/** Plans an image. `hasSlack: false` keeps no room for growth, for streams that are read once. */
export function planLayout(sizeBytes: number, blockBytes: number, hasSlack = true): Layout {
  const batEntries = batEntriesFor(sizeBytes, blockBytes);
  const grown = batEntriesFor(LIMITS.dynamicDiskBytes, blockBytes);
  const batReservedBytes = alignUp(batBytes(hasSlack ? Math.max(batEntries, grown) : batEntries), DATA_ALIGN_BYTES);
  return {
    headerOffset: HEADER_OFFSET,
    batOffset: BAT_OFFSET,
    batEntries,
    batReservedBytes,
    blocksOffset: BAT_OFFSET + batReservedBytes,
  };
}

/** Where the next block (its bitmap) starts when everything before `endBytes` is taken: its data is aligned (quirk 11). */
export function nextBlockOffset(endBytes: number, blockBytes: number): number {
  const bitmap = bitmapBytes(blockBytes);
  return alignUp(endBytes + bitmap, DATA_ALIGN_BYTES) - bitmap;
}

/** Bytes one block takes: bitmap and data. */
export function blockSpanBytes(blockBytes: number): number {
  return bitmapBytes(blockBytes) + blockBytes;
}
