/**
 * What of the disk is lost for good: kept in the reserved bytes of the dynamic disk header, where it stays with the image
 * wherever that is copied or renamed to. Other programs pass over it. Ours, not in the specification.
 */
import { viewOf } from './checksum.ts';

/** A stretch of virtual bytes whose content is gone. */
export interface LostRange {
  readonly offset: number;
  readonly length: number;
}

/** The layout of the 256 reserved bytes. */
const LOST = {
  magic: 0, //  8 bytes
  count: 8, //  u32
  ranges: 16, // count times: u64 offset, u64 length, in bytes
  SIZE: 256,
} as const;

const MAGIC = 'orl-lost';
const RANGE_BYTES = 16;
/** Ranges that there is room for. */
export const MAX_LOST_RANGES: number = (LOST.SIZE - LOST.ranges) / RANGE_BYTES;

/** Reads the list; empty where there is none. */
export function decodeLost(reserved: Uint8Array): readonly LostRange[] {
  if (Buffer.from(reserved.subarray(LOST.magic, LOST.magic + 8)).toString('latin1') !== MAGIC) return [];
  const view = viewOf(reserved);
  const count = Math.min(MAX_LOST_RANGES, view.getUint32(LOST.count));
  return Array.from({ length: count }, (_, i) => {
    const at = LOST.ranges + i * RANGE_BYTES;
    return { offset: Number(view.getBigUint64(at)), length: Number(view.getBigUint64(at + 8)) };
  });
}

/** Writes the list into the reserved bytes of a header; nothing for an empty one. */
export function encodeLost(ranges: readonly LostRange[], reserved: Uint8Array): void {
  if (ranges.length === 0) return;
  const view = viewOf(reserved);
  const kept = covering(ranges, MAX_LOST_RANGES);
  reserved.set(Buffer.from(MAGIC, 'latin1'), LOST.magic);
  view.setUint32(LOST.count, kept.length);
  for (const [i, { offset, length }] of kept.entries()) {
    view.setBigUint64(LOST.ranges + i * RANGE_BYTES, BigInt(offset));
    view.setBigUint64(LOST.ranges + i * RANGE_BYTES + 8, BigInt(length));
  }
}

/** At most `count` ranges that cover all of them: those with the least between them become one. Sorted, and joined where they touch. */
export function covering(ranges: readonly LostRange[], count: number = Number.MAX_SAFE_INTEGER): readonly LostRange[] {
  const joined: { offset: number; length: number }[] = [];
  for (const { offset, length } of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    if (last !== undefined && offset <= last.offset + last.length)
      last.length = Math.max(last.length, offset + length - last.offset);
    else joined.push({ offset, length });
  }
  while (count < joined.length) {
    let closest = 1;
    for (let i = 2; i < joined.length; i++) if (gap(joined, i) < gap(joined, closest)) closest = i;
    const [next] = joined.splice(closest, 1);
    const before = joined[closest - 1];
    if (next !== undefined && before !== undefined) before.length = next.offset + next.length - before.offset;
  }
  return joined;
}

function gap(ranges: readonly LostRange[], i: number): number {
  const [before, next] = [ranges[i - 1], ranges[i]];
  return before === undefined || next === undefined
    ? Number.POSITIVE_INFINITY
    : next.offset - before.offset - before.length;
}
