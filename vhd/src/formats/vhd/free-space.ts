/**
 * Space inside an image that no block uses: left by a power cut between writing a block and showing it, or by blocks
 * that were trimmed. Looked for once, before the first block is placed.
 */

import { SECTOR_BYTES } from '../../units.ts';
import type { BlockTable } from './block-table.ts';
import { batBytes } from './codec/bat.ts';
import { bitmapBytes } from './codec/bitmap.ts';
import { HEADER_BYTES, type Header } from './codec/header.ts';
import { blockSpanBytes, nextBlockOffset } from './codec/layout.ts';

/** Places that are remembered; more are found at the next open. */
const MAX_PLACES = 65_536;

/**
 * The sectors where a block could go between the first block and the end. What lies in front of the first block is
 * left alone: room for the table, and what other writers keep there (quirk 16). `endBytes` is where the footer starts.
 */
export function findFreeSpace(table: BlockTable, header: Header, endBytes: number, headerOffset = 0): number[] {
  const taken = { blocks: table.sortedEntries(), records: recordsOf(header, headerOffset) };
  const places: number[] = [];
  const span = blockSpanBytes(header.blockBytes);
  const first = taken.blocks[0];
  if (first === undefined) return places;
  let free = first * SECTOR_BYTES + span;
  let record = 0;
  for (let i = 1; i <= taken.blocks.length; i++) {
    const next = taken.blocks[i];
    const until = next === undefined ? endBytes : next * SECTOR_BYTES;
    for (let at = alignedFrom(free, header.blockBytes); at + span <= until; ) {
      while (record < taken.records.length && (taken.records[record]?.end ?? 0) <= at) record++;
      const hit = taken.records[record];
      if (hit !== undefined && hit.start < at + span) {
        at = alignedFrom(hit.end, header.blockBytes);
        continue;
      }
      if (places.length === MAX_PLACES) return places;
      places.push(at / SECTOR_BYTES);
      at = alignedFrom(at + span, header.blockBytes);
    }
    free = until + span;
  }
  return places.reverse(); // The last is used first: the lowest.
}

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** What is not a block. Table and header of an image that was grown, or of another writer, may lie behind blocks. */
function recordsOf(header: Header, headerOffset: number): readonly Stretch[] {
  const record = { start: headerOffset, end: headerOffset + HEADER_BYTES };
  const table = { start: header.batOffset, end: header.batOffset + batBytes(header.maxTableEntries) };
  const paths = header.locators.map(({ offsetBytes, spaceBytes, lengthBytes }) => ({
    start: offsetBytes,
    end: offsetBytes + Math.max(spaceBytes, lengthBytes),
  }));
  return [record, table, ...paths].sort((a, b) => a.start - b.start);
}

function alignedFrom(bytes: number, blockBytes: number): number {
  const at = nextBlockOffset(bytes, blockBytes);
  return at < bytes ? nextBlockOffset(bytes + bitmapBytes(blockBytes), blockBytes) : at;
}
