/** What stored disks hold, as something that can be written into a repository again. */
import type { Range } from '../copy/pieces.ts';
import type { PointDiskReader } from './point-disk.ts';
import type { SectorSource } from './write-disk.ts';

/** What a reader has: with a parent below, zeros too, which hide what that has. */
export function sectorsOf(reader: PointDiskReader, hasParent: boolean): SectorSource {
  return {
    sizeBytes: reader.sizeBytes,
    runs: () => runsOf(reader, hasParent),
    read: (into, offset) => reader.read(into, offset),
  };
}

const WINDOW_BYTES: number = 1 << 30;

async function* runsOf(reader: PointDiskReader, hasParent: boolean): AsyncGenerator<Range> {
  let open: { offset: number; length: number } | undefined;
  for (let at = 0; at < reader.sizeBytes; at += WINDOW_BYTES) {
    for (const extent of await reader.extents(at, Math.min(WINDOW_BYTES, reader.sizeBytes - at))) {
      if (extent.isAllocated && (hasParent || !extent.isZero)) {
        if (open !== undefined && open.offset + open.length === extent.offset) open.length += extent.length;
        else {
          if (open !== undefined) yield open;
          open = { offset: extent.offset, length: extent.length };
        }
      }
    }
  }
  if (open !== undefined) yield open;
}
