/** What of a disk goes into a restore point: all that it stores, or what has changed since an earlier one. */
import { dataRanges, type Range } from '../copy/pieces.ts';
import type { Disk } from '../disk.ts';
import type { NbdClient } from '../nbd/client.ts';
import { CHANGED, CHANGED_PREFIX } from '../nbd/wire.ts';
import type { SectorSource } from './write-disk.ts';

/** Bytes that one question about changes covers: an answer has a bounded number of runs. */
const WINDOW_BYTES: number = 1 << 30;

/** All that a disk stores. */
export const wholeOf = (disk: Disk): SectorSource => ({
  sizeBytes: disk.sizeBytes,
  runs: () => dataRanges(disk),
  read: (into, offset) => disk.read(into, offset),
});

/** The context that tells what has changed since a snapshot: asked for when connecting. */
export const changesContext = (snapshotId: string): string => `${CHANGED_PREFIX}${snapshotId}`;

/** True where the server can tell what has changed since the snapshot. */
export const tellsChanges = (disk: NbdClient, snapshotId: string): boolean =>
  disk.contexts.includes(changesContext(snapshotId));

/** What has changed since a snapshot that is in the chain of what is read. Errors: UNSUPPORTED, IO. */
export const changesOf = (disk: NbdClient, snapshotId: string): SectorSource => ({
  sizeBytes: disk.sizeBytes,
  runs: () => changedRuns(disk, changesContext(snapshotId)),
  read: (into, offset) => disk.read(into, offset),
});

async function* changedRuns(disk: NbdClient, context: string): AsyncGenerator<Range> {
  let open: { offset: number; length: number } | undefined;
  for (let at = 0; at < disk.sizeBytes; ) {
    for (const { length, flags } of await disk.status(context, at, Math.min(WINDOW_BYTES, disk.sizeBytes - at))) {
      if ((flags & CHANGED) !== 0) {
        if (open === undefined) open = { offset: at, length };
        else open.length += length;
      } else if (open !== undefined) {
        yield open;
        open = undefined;
      }
      at += length;
    }
  }
  if (open !== undefined) yield open;
}
