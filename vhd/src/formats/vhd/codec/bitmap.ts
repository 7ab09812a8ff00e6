/**
 * Sector bitmap: in front of each block, one bit for each of its sectors, the first sector in the highest bit of the
 * first byte. Spec: "Data Blocks". In a dynamic image a clear bit means "never written, reads as zero"; in a
 * differencing image it means "ask the parent" (quirk 12). Two well-known readers ignore it and return wrong data.
 */
import { alignUp, SECTOR_BYTES } from '../../../units.ts';

/** Bytes the bitmap of one block takes in the file: whole sectors. 512 for blocks up to 2 MiB. */
export function bitmapBytes(blockBytes: number): number {
  return alignUp(blockBytes / SECTOR_BYTES / 8, SECTOR_BYTES);
}

/** True where the bit of `sector` is set. */
export function hasSector(bitmap: Uint8Array, sector: number): boolean {
  return ((bitmap[sector >>> 3] ?? 0) & (0x80 >>> (sector & 7))) !== 0;
}

/** Sets or clears the bits of `count` sectors from `first` on. */
export function markSectors(bitmap: Uint8Array, first: number, count: number, isPresent = true): void {
  let sector = first;
  const end = first + count;
  while (sector < end && (sector & 7) !== 0) putBit(bitmap, sector++, isPresent);
  const bytes = (end - sector) >>> 3;
  if (0 < bytes) {
    bitmap.fill(isPresent ? 0xff : 0, sector >>> 3, (sector >>> 3) + bytes);
    sector += bytes * 8;
  }
  while (sector < end) putBit(bitmap, sector++, isPresent);
}

/** How many sectors from `first` on, below `end`, have the same bit as `first`. */
export function runLength(bitmap: Uint8Array, first: number, end: number): number {
  const isPresent = hasSector(bitmap, first);
  const whole = isPresent ? 0xff : 0;
  let sector = first + 1;
  while (sector < end) {
    if ((sector & 7) === 0 && bitmap[sector >>> 3] === whole) {
      sector += 8;
      continue;
    }
    if (hasSector(bitmap, sector) !== isPresent) return sector - first;
    sector++;
  }
  return end - first;
}

/** True where all `count` bits from `first` on are set. */
export function hasAllSectors(bitmap: Uint8Array, first: number, count: number): boolean {
  return count === 0 || (hasSector(bitmap, first) && runLength(bitmap, first, first + count) === count);
}

/** True where none of the `count` bits from `first` on is set. */
export function hasNoSectors(bitmap: Uint8Array, first: number, count: number): boolean {
  return count === 0 || (!hasSector(bitmap, first) && runLength(bitmap, first, first + count) === count);
}

/** A run of sectors with the same bit. */
export interface SectorRun {
  readonly first: number;
  readonly count: number;
  readonly isPresent: boolean;
}

/** The runs of `count` sectors from `first` on, in order. */
export function* sectorRuns(bitmap: Uint8Array, first: number, count: number): Generator<SectorRun> {
  const end = first + count;
  for (let at = first; at < end; ) {
    const length = runLength(bitmap, at, end);
    yield { first: at, count: length, isPresent: hasSector(bitmap, at) };
    at += length;
  }
}

function putBit(bitmap: Uint8Array, sector: number, isPresent: boolean): void {
  const bit = 0x80 >>> (sector & 7);
  const byte = bitmap[sector >>> 3] ?? 0;
  bitmap[sector >>> 3] = isPresent ? byte | bit : byte & ~bit;
}
