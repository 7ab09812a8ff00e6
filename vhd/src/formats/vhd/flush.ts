/**
 * A flush of a dynamic or differencing image: two syncs at most.
 *
 * FLUSHED-IS-SAFE, the order of writes. Data goes to its place at once: into sectors that the metadata on disk already
 * shows (old or new after a power cut, the device decides for each sector), or into space that it does not show. New
 * metadata stays in memory until a flush, which writes it in two steps with a sync after each:
 *
 *   1. what reveals nothing: the bitmaps of blocks that the table on disk does not have;
 *   2. what reveals data of before step 1: the table entries of those blocks, and new bits of blocks it had already.
 *
 * Both steps use what was in memory when the flush began; what is written while it runs waits for the next. So a
 * sector is never shown before its data is on stable storage, and a power cut can leak blocks but never lose one. The
 * trailing footer is written behind each new block before anything else touches the block: the file is always as long
 * as its blocks, and the copy at offset 0 heals a footer that a power cut did not let through.
 */
import type { RandomAccessFile } from '../../storage/file.ts';
import type { SyncGuard } from '../../storage/sync-guard.ts';
import { SECTOR_BYTES } from '../../units.ts';
import { BAT_UNUSED } from './codec/bat.ts';

/** Metadata on its way to the file: taken from memory when a flush begins. */
export interface Batch {
  /** Table entries by block. */
  readonly entries: Map<number, number>;
  /** Bitmaps by block: `fresh` of blocks that the table on disk does not show there, `shown` of the others. */
  readonly fresh: Map<number, BitmapWrite>;
  readonly shown: Map<number, BitmapWrite>;
  /** Sectors where blocks were that the table no longer has once the batch is through. */
  readonly freed: number[];
  /** True once step 2 has begun: from then on the file may show the blocks, even where the flush fails. */
  isRevealing: boolean;
}

export interface BitmapWrite {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Where a batch goes. */
export interface FlushTarget {
  readonly file: RandomAccessFile;
  readonly guard: SyncGuard;
  /** The block allocation table: its byte offset in the file, its length in entries. */
  readonly table: { readonly position: number; readonly length: number };
}

/** Syncs nothing where nothing was written. Errors: IO, NO_SPACE. */
export async function writeBatch(batch: Batch, { file, guard, table }: FlushTarget): Promise<void> {
  const reveals = 0 < batch.entries.size + batch.shown.size;
  if (0 < batch.fresh.size) writeBitmaps(file, batch.fresh); // Step 1.
  if (guard.isDirty || reveals) await guard.sync();
  if (!reveals) return;
  batch.isRevealing = true;
  writeEntries(file, batch.entries, table); // Step 2.
  writeBitmaps(file, batch.shown);
  await guard.sync();
}

function writeBitmaps(file: RandomAccessFile, writes: ReadonlyMap<number, BitmapWrite>): void {
  for (const { position, bytes } of writes.values()) file.writeSync(bytes, 0, bytes.byteLength, position);
}

/**
 * Writes table entries, a sector of the table at a time. The other entries of the sector are taken from the file,
 * not from memory, which may have some already that are not to be shown yet.
 */
function writeEntries(file: RandomAccessFile, entries: ReadonlyMap<number, number>, table: FlushTarget['table']): void {
  const perSector = SECTOR_BYTES / 4;
  const blocks = [...entries.keys()].sort((a, b) => a - b);
  const sector = Buffer.alloc(SECTOR_BYTES);
  for (let i = 0; i < blocks.length; ) {
    const first = Math.floor((blocks[i] ?? 0) / perSector) * perSector;
    const position = table.position + first * 4;
    // The table of another writer need not end on a sector.
    const length = Math.min(SECTOR_BYTES, (table.length - first) * 4);
    file.readSync(sector, 0, length, position);
    for (; i < blocks.length && (blocks[i] ?? 0) < first + perSector; i++) {
      const block = blocks[i] ?? 0;
      sector.writeUInt32BE(entries.get(block) ?? BAT_UNUSED, (block - first) * 4);
    }
    file.writeSync(sector, 0, length, position);
  }
}
