/**
 * A new leaf for a disk that is being written to: its file, the swap of the open chain, and the way back. The record of
 * the disk names the new leaf before the chain writes to it, so a flush is never answered for a file that nothing names.
 */
import { createChild } from '../../ops/create.ts';
import type { Disks } from '../disks/disks.ts';
import type { Shared } from '../disks/shared.ts';
import type { DiskRecord } from '../state/records.ts';

/** What a task saves before it makes a leaf: enough to undo it. */
export interface NewLeaf {
  readonly disk: string;
  /** File name in the disk's folder. */
  readonly file: string;
}

export class NewLeaves {
  readonly #shared: Shared;
  readonly #disks: Disks;

  constructor(shared: Shared, disks: Disks) {
    this.#shared = shared;
    this.#disks = disks;
  }

  /** An empty child of the leaf. It seals the leaf, which the open chain goes on writing to until the swap. */
  async makeChild({ disk, file }: NewLeaf): Promise<void> {
    const { records, storage } = this.#shared;
    const record = records.disk(disk);
    await createChild(records.diskPath(record, file), { parent: records.diskPath(record), storage });
  }

  /**
   * Swaps the leaves of the open chains, those of several disks at one instant: the requests of all of them are held, and
   * none runs, before the first leaf is swapped, in whatever threads they are. Settles when what was written before is on
   * stable storage.
   */
  async swap(made: readonly NewLeaf[]): Promise<void> {
    const { pool, records } = this.#shared;
    const open = made.filter(({ disk }) => pool.isOpen(disk));
    const each = async (work: (leaf: NewLeaf) => Promise<unknown>): Promise<void> => {
      const results = await Promise.allSettled(open.map(work));
      const failed = results.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    };
    // One disk needs no holding back: its chain swaps between two requests.
    const isHeld = 1 < open.length;
    try {
      if (isHeld) await each(({ disk }) => pool.of(disk).hold(disk));
      await each(({ disk, file }) => pool.of(disk).push(disk, records.diskPath(records.disk(disk), file)));
    } finally {
      if (isHeld) await each(({ disk }) => pool.of(disk).release(disk));
    }
    await each(({ disk }) => pool.of(disk).pushed(disk));
    await each(({ disk }) => pool.of(disk).setSnapshots(disk, this.#disks.namedLinks(records.disk(disk))));
  }

  /** True when the open chain of the disk writes to the leaf. */
  async isWrittenTo({ disk, file }: NewLeaf): Promise<boolean> {
    const { pool, records } = this.#shared;
    if (!pool.isOpen(disk)) return false;
    return (await pool.of(disk).links(disk)).includes(records.diskPath(records.disk(disk), file));
  }

  /** Takes a leaf back that nothing was written to: out of the record with the snapshot below it, then its file. */
  async undo({ disk, file }: NewLeaf): Promise<void> {
    const { records } = this.#shared;
    if (records.disk(disk).links.includes(file)) {
      await records.changeDisk(disk, ({ links, snapshots }) => {
        const sealed = links[links.indexOf(file) - 1];
        return {
          links: links.filter((link) => link !== file),
          snapshots: snapshots.filter((snapshot) => snapshot.file !== sealed),
        };
      });
    }
    await this.drop(records.disk(disk), file);
  }

  /** Removes the file of a leaf that no record names; the leaf below may be written to again. */
  async drop(record: DiskRecord, file: string): Promise<void> {
    const { records, storage } = this.#shared;
    const leaf = records.diskPath(record);
    storage.remove(records.diskPath(record, file));
    if (storage.stat(leaf)?.isWritable === false) storage.setWritable(leaf, true);
    await storage.syncFolder(records.diskFolder(record.id));
  }
}
