/** The allocated extents of a disk with the link each comes from, in the shape of `qemu-img map --output=json`. */
import { ChainDisk } from '../chain/chain-disk.ts';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import type { Disk, Extent } from '../disk.ts';
import { checkUsage } from '../usage.ts';

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
  checkUsage('mapDisk', { disks: { disk }, options });
  const files = filesOf(disk);
  for await (const extents of mapWindows(disk, options)) yield* extents.map((extent) => entryOf(extent, files));
}

/**
 * The same as extents, many at a time: an iteration costs more than a run, and so does an entry that nobody prints.
 * Errors: CANCELLED, IO.
 */
export async function* mapWindows(disk: Disk, options: OperationOptions = {}): AsyncGenerator<readonly Extent[]> {
  checkUsage('mapWindows', { disks: { disk }, options });
  let held: Extent | undefined;
  for (let at = 0; at < disk.sizeBytes; ) {
    throwIfCancelled(options.signal);
    const extents = Array.from(await disk.extents(at, disk.sizeBytes - at, WINDOW_EXTENTS));
    const [first] = extents;
    // The last run of a window may go on in the next.
    if (held !== undefined && first !== undefined) {
      if (isAlike(held, first)) extents[0] = { ...first, offset: held.offset, length: held.length + first.length };
      else extents.unshift(held);
    }
    held = extents.pop();
    at = held === undefined ? disk.sizeBytes : held.offset + held.length;
    yield extents;
  }
  if (held !== undefined) yield [held];
}

/** The file of each link, in the order of `Extent.link`. */
export function filesOf(disk: Disk): readonly string[] {
  return disk instanceof ChainDisk ? disk.links.map((image) => image.path) : [disk.name];
}

/** An extent as a map shows it; `files` as from `filesOf`. */
export function entryOf({ offset, length, isAllocated, isZero, link }: Extent, files: readonly string[]): MapEntry {
  const file = link === undefined ? undefined : files[link];
  return {
    start: offset,
    length,
    depth: link ?? 0,
    present: isAllocated,
    zero: isZero,
    data: isAllocated && !isZero,
    ...(file === undefined ? {} : { file }),
  };
}

function isAlike(a: Extent, b: Extent): boolean {
  return a.link === b.link && a.isAllocated === b.isAllocated && a.isZero === b.isZero;
}
