/** The allocated extents of a disk with the link each comes from, in the shape of `qemu-img map --output=json`. */
import { ChainDisk } from '../disk/chain-disk.ts';
import type { Disk } from '../disk/disk.ts';
import { type OperationOptions, throwIfCancelled } from './options.ts';

/** One run of a map. `start` and `length` in bytes. */
export interface MapEntry {
  readonly start: number;
  readonly length: number;
  /** The link that stores the run: 0 is the leaf. */
  readonly depth: number;
  /** False where no link stores the run. */
  readonly present: boolean;
  readonly zero: boolean;
  readonly data: boolean;
  /** The file that stores the run. */
  readonly file?: string;
}

const WINDOW_EXTENTS = 65_536;

/** The runs of a disk in order, without gaps. Errors: CANCELLED, IO. */
export async function* mapDisk(disk: Disk, options: OperationOptions = {}): AsyncGenerator<MapEntry> {
  for await (const entries of mapWindows(disk, options)) yield* entries;
}

/** The same, many runs at a time: an iteration costs more than a run. Errors: CANCELLED, IO. */
export async function* mapWindows(disk: Disk, options: OperationOptions = {}): AsyncGenerator<readonly MapEntry[]> {
  const files = disk instanceof ChainDisk ? disk.links.map((image) => image.path) : [disk.name];
  let held: MapEntry | undefined;
  for (let at = 0; at < disk.sizeBytes; ) {
    throwIfCancelled(options.signal);
    const entries: MapEntry[] = [];
    for (const extent of await disk.extents(at, disk.sizeBytes - at, WINDOW_EXTENTS)) {
      at = extent.offset + extent.length;
      const file = extent.link === undefined ? undefined : files[extent.link];
      const entry: MapEntry = {
        start: extent.offset,
        length: extent.length,
        depth: extent.link ?? 0,
        present: extent.isAllocated,
        zero: extent.isZero,
        data: extent.isAllocated && !extent.isZero,
        ...(file === undefined ? {} : { file }),
      };
      // The last run of a window may go on in the next.
      if (held !== undefined && isAlike(held, entry)) held = { ...held, length: held.length + entry.length };
      else {
        if (held !== undefined) entries.push(held);
        held = entry;
      }
    }
    yield entries;
  }
  if (held !== undefined) yield [held];
}

function isAlike(a: MapEntry, b: MapEntry): boolean {
  return a.depth === b.depth && a.present === b.present && a.zero === b.zero && a.file === b.file;
}
