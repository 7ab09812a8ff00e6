/**
 * A VHD that holds just the sectors that it is given, laid out before its first byte is written: a dynamic image, or a
 * child of another with the sectors that are not its parent's. Blocks lie in the order of the disk, so that it can be
 * sent as a stream. Spec: "Block Allocation Table", "Data Blocks".
 */
import type { Range } from '../../copy/pieces.ts';
import type { ParentLink } from '../../image/parent-link.ts';
import type { Part } from '../../image/patch.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { NewImageFields } from '../format.ts';
import { BlockTable } from './block-table.ts';
import { batBytes } from './codec/bat.ts';
import { bitmapBytes, markSectors } from './codec/bitmap.ts';
import { encodeFooter } from './codec/footer.ts';
import { newChildImage, newDynamicImage } from './codec/image.ts';
import { blockSpanBytes, DEFAULT_BLOCK_BYTES, nextBlockOffset } from './codec/layout.ts';

/** Where everything of such an image goes. */
export interface SectorImage {
  readonly lengthBytes: number;
  readonly blockBytes: number;
  /** Footer copy, header, locators and table, in the order of the file. */
  readonly head: readonly Part[];
  /** The bitmap of a block, of which `ranges` are the sectors that the image holds. */
  bitmapOf(block: number, ranges: readonly Range[]): Part;
  /** Where a byte of the disk goes that is in one of the blocks. */
  positionOf(diskOffset: number): number;
  /** The footer. */
  readonly tail: Part;
}

/**
 * Plans an image with these blocks, in ascending order. Without a parent it is a dynamic image, and what is not written
 * reads as zero; with one it is its child. Errors: USAGE, TOO_LARGE.
 */
export function planSectorImage(
  sizeBytes: number,
  blocks: Iterable<number>,
  { identity, now, blockBytes = DEFAULT_BLOCK_BYTES }: NewImageFields,
  parent?: ParentLink,
): SectorImage {
  const options = { sizeBytes, uuid: identity, now, blockBytes, hasSlack: false };
  const image = parent === undefined ? newDynamicImage(options) : newChildImage(options, parent);
  const { batOffset, maxTableEntries } = image.header;
  const table = new BlockTable(maxTableEntries);
  const bitmapSize = bitmapBytes(blockBytes);
  let endBytes = batOffset + batBytes(maxTableEntries);
  for (const block of blocks) {
    const start = nextBlockOffset(endBytes, blockBytes);
    table.set(block, start / SECTOR_BYTES);
    endBytes = start + blockSpanBytes(blockBytes);
  }
  const startOf = (block: number): number => table.get(block) * SECTOR_BYTES;
  return {
    lengthBytes: endBytes + SECTOR_BYTES,
    blockBytes,
    head: [...image.parts.filter((part) => part.offset < batOffset), ...tableParts(table, batOffset)],
    bitmapOf: (block, ranges) => {
      const bytes = new Uint8Array(bitmapSize);
      // Without a parent every sector is marked: whole blocks are what other tools write too (quirk 12).
      if (parent === undefined) bytes.fill(0xff);
      else
        for (const { offset, length } of ranges)
          markSectors(bytes, (offset - block * blockBytes) / SECTOR_BYTES, length / SECTOR_BYTES);
      return { offset: startOf(block), bytes };
    },
    positionOf: (at) => startOf(Math.floor(at / blockBytes)) + bitmapSize + (at % blockBytes),
    tail: { offset: endBytes, bytes: encodeFooter(image.footer) },
  };
}

function tableParts(table: BlockTable, batOffset: number): Part[] {
  let at = batOffset;
  return Array.from(table.encode(), (bytes) => {
    const part = { offset: at, bytes };
    at += bytes.byteLength;
    return part;
  });
}
