/**
 * Folding links of a disk's chain into each other while it is open.
 * Down: a sealed link into the sealed link below it, by the journaled commit of `ops/merge`; what it copies is hidden
 * by the link it copies from, so nobody sees it. Up: a sealed link into the live leaf, by writing what the leaf does
 * not hide. Either way the folded link then leaves the files, the record and the open chain, in this order.
 */

import { openChain } from '../../chain/open.ts';
import { isVhdError, VhdError } from '../../errors.ts';
import { openImage } from '../../formats/open.ts';
import { doSteps, hasJournal, type JournalStep, readJournal, removeJournal, runSteps } from '../../ops/journal.ts';
import { finishMerge, mergeImage } from '../../ops/merge.ts';
import { relinkSteps } from '../../ops/relink.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Disks } from '../disks/disks.ts';
import type { Shared } from '../disks/shared.ts';
import { Hold } from '../policies/hold.ts';
import { type DiskRecord, snapshotOf } from '../state/records.ts';
import type { TaskContext } from '../state/task-book.ts';
import { copyUp } from '../threads/copy-up.ts';
import type { CopyUpStep } from '../threads/disk-host.ts';
import { pause, throttledStorage } from './throttled-storage.ts';

/** What to fold: file names in the disk's folder. */
export interface FoldInput {
  readonly id: string;
  readonly direction: 'down' | 'up';
  readonly link: string;
  readonly into: string;
  readonly bytesPerSecond?: number;
}

/** Copied into the leaf between two looks at whether to go on. */
const COPY_BYTES: number = 4 << 20;

export class Folding {
  readonly #shared: Shared;
  readonly #disks: Disks;

  constructor(shared: Shared, disks: Disks) {
    this.#shared = shared;
    this.#disks = disks;
  }

  /**
   * How a snapshot is folded away without touching what lies below it: under the leaf, up into the leaf; else the link
   * above it, down into its file. Errors: NOT_FOUND.
   */
  planRemoval(record: DiskRecord, snapshotId: string): FoldInput {
    const at = record.links.indexOf(snapshotOf(record, snapshotId).file);
    const file = record.links[at] ?? '';
    const above = record.links[at + 1] ?? '';
    if (at + 2 === record.links.length) return { id: record.id, direction: 'up', link: file, into: above };
    return { id: record.id, direction: 'down', link: above, into: file };
  }

  /** Errors: NOT_FOUND, SEALED where the image is below. */
  planDown(record: DiskRecord, snapshotId: string): FoldInput {
    const at = record.links.indexOf(snapshotOf(record, snapshotId).file);
    const below = record.links[at - 1];
    if (below === undefined)
      throw new VhdError('SEALED', `below snapshot ${snapshotId} is the base of the disk, which others may use`);
    return { id: record.id, direction: 'down', link: record.links[at] ?? '', into: below };
  }

  async run(input: FoldInput, context: TaskContext): Promise<void> {
    const { records } = this.#shared;
    const record = records.disk(input.id);
    if (!record.links.includes(input.link)) return; // Resumed after all was done.
    if (input.direction === 'down') await this.#down(record, input, context);
    else await this.#up(record, input, context);
  }

  /** Finishes steps that were cut off, which are quick; a cut copy goes on as a task. Errors: JOURNAL, NO_SPACE, IO. */
  async finishSteps(record: DiskRecord): Promise<void> {
    const { records, log, storage } = this.#shared;
    const policy = { folders: records.folders(record) };
    for (const file of record.links) {
      const path = records.diskPath(record, file);
      try {
        if (!hasJournal(path, storage)) continue;
        const journal = readJournal(path, storage, policy);
        if (journal?.kind !== 'steps') continue;
        await doSteps(journal.steps, storage);
        await removeJournal(path, storage);
      } catch (error) {
        log('disk.journal-failed', { disk: record.id, file, error: String(error) });
      }
    }
    // A link that the steps removed has to leave the record too, or the chain seems to miss a file.
    const gone = record.links.filter((file) => storage.stat(records.diskPath(record, file)) === undefined);
    const fold = this.#interruptedFold(record.id);
    if (fold !== undefined && gone.length === 1 && gone[0] === fold.link) await this.#record(fold);
  }

  /** The fold that a killed service was at: a task of its own, or the second half of a commit. */
  #interruptedFold(id: string): FoldInput | undefined {
    for (const { info, input, saved } of this.#shared.tasks.interrupted()) {
      if ((input as { readonly id?: string } | null)?.id !== id) continue;
      if (info.kind.startsWith('disk.fold')) return input as FoldInput;
      if (info.kind !== 'disk.commit') continue;
      const [commit] = (saved ?? []) as readonly { readonly link: string; readonly into: string }[];
      if (commit !== undefined) return { id, direction: 'down', link: commit.link, into: commit.into };
    }
    return undefined;
  }

  async #down(record: DiskRecord, input: FoldInput, context: TaskContext): Promise<void> {
    const { records } = this.#shared;
    const path = records.diskPath(record, input.link);
    const into = records.diskPath(record, input.into);
    // From the first copied byte on, `into` is no longer what its snapshots were of.
    await records.changeDisk(input.id, ({ snapshots }) => ({
      snapshots: snapshots.filter((snapshot) => snapshot.file !== input.into),
    }));
    context.progress(0, 'merging');
    const storage =
      input.bytesPerSecond === undefined
        ? this.#shared.storage
        : throttledStorage(this.#shared.storage, input.bytesPerSecond, context.signal);
    const options = {
      storage,
      policy: { folders: records.folders(record) },
      signal: context.signal,
      onProgress: (done: { doneBytes: number; totalBytes: number | undefined }): void =>
        context.progress(done.doneBytes / (done.totalBytes ?? record.sizeBytes)),
    };
    if (storage.stat(path) !== undefined) {
      const journal = hasJournal(into, storage) ? readJournal(into, storage, options.policy) : undefined;
      // A fold that was cancelled left its journal. Another link has come above since: its copy hides what was begun.
      const isThis = journal?.kind === 'merge' && journal.plan.links.some(({ file }) => file === path);
      if (journal !== undefined && !isThis) await removeJournal(into, storage);
      if (isThis) await finishMerge(journal.plan, options);
      else await mergeImage(path, { ...options, into });
    }
    await this.#leave(input, true);
  }

  async #up(record: DiskRecord, input: FoldInput, context: TaskContext): Promise<void> {
    const { records, storage } = this.#shared;
    const path = records.diskPath(record, input.link);
    let offset = 0;
    context.progress(0, 'copying into the leaf');
    while (storage.stat(path) !== undefined && offset < record.sizeBytes) {
      if (context.signal.aborted) throw new VhdError('CANCELLED', 'the fold was cancelled');
      const startedAt = performance.now();
      const step = await this.#disks.lock.run(input.id, () => this.#copyUp(records.disk(input.id), path, offset));
      offset = step.offset;
      context.progress(offset / record.sizeBytes);
      const dueMs = input.bytesPerSecond === undefined ? 0 : (step.copiedBytes * 1000) / input.bytesPerSecond;
      await pause(Math.max(0, dueMs - (performance.now() - startedAt)), context.signal);
    }
    await this.#disks.lock.run(input.id, async () => {
      const now = records.disk(input.id);
      await this.#flush(now);
      if (storage.stat(path) !== undefined) await this.#unlink(now, input);
    });
    await this.#leave(input, false);
  }

  /** The leaf becomes a child of what the folded link was a child of, and the folded link's file goes. */
  async #unlink(record: DiskRecord, input: FoldInput): Promise<void> {
    const { records, storage } = this.#shared;
    const path = records.diskPath(record, input.link);
    const leaf = records.diskPath(record, input.into);
    const below = record.links[record.links.indexOf(input.link) - 1];
    const parent = below === undefined ? records.basePath(record) : records.diskPath(record, below);
    const folded = openImage(path, { storage });
    await folded.close();
    if (parent === undefined)
      throw new VhdError('UNSUPPORTED', `${leaf} would be a differencing image without a parent`);
    const steps: JournalStep[] = [
      ...relinkSteps(leaf, parent, uuidOf(parent, storage), storage),
      { do: 'remove', file: path, uuid: folded.identity },
    ];
    await runSteps(leaf, steps, storage);
  }

  #copyUp(record: DiskRecord, path: string, offset: number): Promise<CopyUpStep> {
    const { pool } = this.#shared;
    if (pool.isOpen(record.id)) return pool.of(record.id).copyUp(record.id, path, offset, COPY_BYTES);
    return this.#withClosed(record, async (chain) => {
      const link = chain.links.findIndex((image) => image.path === path);
      return copyUp(chain, new Hold(chain), link, offset, COPY_BYTES);
    });
  }

  async #flush(record: DiskRecord): Promise<void> {
    const { pool } = this.#shared;
    if (pool.isOpen(record.id)) await pool.of(record.id).flush(record.id);
    else await this.#withClosed(record, (chain) => chain.flush());
  }

  async #withClosed<T>(
    record: DiskRecord,
    work: (chain: Awaited<ReturnType<typeof openChain>>) => Promise<T>,
  ): Promise<T> {
    const { records, storage } = this.#shared;
    const chain = await openChain(records.diskPath(record), {
      storage,
      isReadOnly: false,
      policy: { folders: records.folders(record) },
    });
    try {
      return await work(chain);
    } finally {
      await chain.close();
    }
  }

  /** The files are as they should be: now the record, then the open chain. */
  async #leave(input: FoldInput, isReopened: boolean): Promise<void> {
    const { pool, records } = this.#shared;
    await this.#disks.lock.run(input.id, async () => {
      const before = records.disk(input.id);
      const record = await this.#record(input);
      if (!pool.isOpen(input.id)) return;
      const host = pool.of(input.id);
      const path = records.diskPath(before, input.link);
      try {
        await host.splice(input.id, path, records.diskPath(before, input.into), isReopened);
      } catch (error) {
        if (!isVhdError(error, 'NOT_FOUND')) throw error; // The chain was opened after the fold: the link is not in it.
      }
      await host.setSnapshots(input.id, this.#disks.namedLinks(record));
    });
  }

  /** Folded down, the file below has the content of the folded link, and so its snapshots; folded up, they are gone. */
  #record(input: FoldInput): Promise<DiskRecord> {
    const { records } = this.#shared;
    return records.changeDisk(input.id, ({ links, snapshots }) => ({
      links: links.filter((link) => link !== input.link),
      snapshots:
        input.direction === 'up'
          ? snapshots.filter((snapshot) => snapshot.file !== input.link)
          : snapshots
              .filter((snapshot) => snapshot.file !== input.into)
              .map((snapshot) => (snapshot.file === input.link ? { ...snapshot, file: input.into } : snapshot)),
    }));
  }
}

function uuidOf(path: string, storage: Storage): string {
  const image = openImage(path, { storage });
  void image.close();
  return image.identity;
}
