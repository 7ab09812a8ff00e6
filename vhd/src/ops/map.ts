/** The allocated extents of a disk with the link each comes from, in the shape of `qemu-img map --output=json`. */
import { ChainDisk } from '../disk/chain-disk.ts';
import type { Disk, Extent } from '../disk/disk.ts';
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

/** Runs that are asked for at once; few enough that they are gone before the garbage collector counts them as old. */
const WINDOW_EXTENTS = 2048;

/** The runs of a disk in order, without gaps. Errors: CANCELLED, IO. */
export async function* mapDisk(disk: Disk, options: OperationOptions = {}): AsyncGenerator<MapEntry> {
  for await (const entries of mapWindows(disk, options)) yield* entries;
}

/** The same, many runs at a time: an iteration costs more than a run. Errors: CANCELLED, IO. */
export async function* mapWindows(disk: Disk, options: OperationOptions = {}): AsyncGenerator<readonly MapEntry[]> {
  const files = disk instanceof ChainDisk ? disk.links.map((image) => image.path) : [disk.name];
  let held: Extent | undefined;
  for (let at = 0; at < disk.sizeBytes; ) {
    throwIfCancelled(options.signal);
    const entries: MapEntry[] = [];
    for (const extent of await disk.extents(at, disk.sizeBytes - at, WINDOW_EXTENTS)) {
      at = extent.offset + extent.length;
      if (held === undefined) held = extent;
      // The last run of a window may go on in the next.
      else if (isAlike(held, extent)) held = { ...held, length: held.length + extent.length };
      else {
        entries.push(entryOf(held, files));
        held = extent;
      }
    }
    yield entries;
  }
  if (held !== undefined) yield [entryOf(held, files)];
}

function entryOf({ offset: start, length, isAllocated, isZero, link }: Extent, files: readonly string[]): MapEntry {
  const file = link === undefined ? undefined : files[link];
  if (link === undefined || file === undefined)
    return { start, length, depth: 0, present: isAllocated, zero: isZero, data: isAllocated && !isZero };
  return { start, length, depth: link, present: isAllocated, zero: isZero, data: isAllocated && !isZero, file };
}

function isAlike(a: Extent, b: Extent): boolean {
  return a.link === b.link && a.isAllocated === b.isAllocated && a.isZero === b.isZero;
}
