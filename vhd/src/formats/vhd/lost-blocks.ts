/** Blocks of an image that was cut short: what the table names behind the end of the file. Spec: "Block Allocation Table". */
import type { OpenFinding } from '../../image/finding.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { BlockTable } from './block-table.ts';
import { bitmapBytes, sectorRuns } from './codec/bitmap.ts';
import type { Footer } from './codec/footer.ts';
import type { Header } from './codec/header.ts';
import { blockSpanBytes } from './codec/layout.ts';
import type { LostRange } from './codec/lost.ts';
import { misplaced } from './image-metadata.ts';

/** What is gone with the end of a file. */
export interface LostBlocks {
  /** Blocks of which not even the bitmap is whole: they have to leave the table. */
  readonly dropped: readonly number[];
  /** The virtual bytes that are gone, in the order of the disk. */
  readonly ranges: readonly LostRange[];
}

/** The blocks that reach behind the end of the file, and would be right if that were longer. Errors: IO. */
export function findLostBlocks(file: RandomAccessFile, footer: Footer, header: Header, table: BlockTable): LostBlocks {
  const dropped: number[] = [];
  const ranges: LostRange[] = [];
  const bitmapSize = bitmapBytes(header.blockBytes);
  const last = table.length - 1;
  for (let block = table.nextUsed(0, last); block <= last; block = table.nextUsed(block + 1, last)) {
    const at = table.get(block) * SECTOR_BYTES;
    if (at + blockSpanBytes(header.blockBytes) <= file.sizeBytes) continue;
    if (misplaced(at, footer, header, table.length, Number.MAX_SAFE_INTEGER) !== undefined) continue;
    const offset = block * header.blockBytes;
    const length = Math.min(header.blockBytes, footer.currentSizeBytes - offset);
    if (file.sizeBytes < at + bitmapSize) {
      dropped.push(block);
      ranges.push({ offset, length });
    } else ranges.push(...lostSectors(file, at, offset, length, bitmapSize));
  }
  return { dropped, ranges };
}

/** The sectors that the bitmap says are there, and that lie behind the end of the file. */
function lostSectors(
  file: RandomAccessFile,
  at: number,
  offset: number,
  length: number,
  bitmapSize: number,
): readonly LostRange[] {
  const bitmap = readBytesSync(file, at, bitmapSize);
  const stored = Math.max(0, Math.floor((file.sizeBytes - at - bitmapSize) / SECTOR_BYTES));
  const sectors = length / SECTOR_BYTES;
  if (sectors <= stored) return [];
  return [...sectorRuns(bitmap, stored, sectors - stored)]
    .filter((run) => run.isPresent)
    .map((run) => ({ offset: offset + run.first * SECTOR_BYTES, length: run.count * SECTOR_BYTES }));
}

/** What is said of an image with lost ranges whenever it is opened. */
export function lostFindings(path: string, header: Header): readonly OpenFinding[] {
  return (header.lost ?? []).map(({ offset, length }) => ({
    code: 'DATA_LOST',
    path,
    message: `the content of the bytes ${offset} to ${offset + length} of the disk is lost: they read as zeros, or as the parent's`,
  }));
}
