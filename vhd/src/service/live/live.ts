/**
 * Changes of a disk's chain while a VM writes to it. Each is a task with a record on disk. The order that keeps
 * FLUSHED-IS-SAFE is the same everywhere: new files first, then the record of the disk that names them, then the change
 * of the open chain, then the removal of what nothing names any more. A kill at any point leaves a record that opens.
 */
import { rmSync } from 'node:fs';
import { VhdError } from '../../errors.ts';
import { createChild, createImage } from '../../ops/create.ts';
import { resizeImage } from '../../ops/resize.ts';
import { fileSystem } from '../../storage/storage.ts';
import type { TaskInfo } from '../control/api.ts';
import type { Disks } from '../disks/disks.ts';
import type { Shared } from '../disks/shared.ts';
import { type DiskRecord, idFrom } from '../state/records.ts';
import type { TaskContext } from '../state/task-book.ts';
import { type FoldInput, Folding } from './fold.ts';
import { type ReparentInput, reparent } from './reparent.ts';

export interface SnapshotRef {
  readonly id: string;
  readonly snapshotId: string;
  readonly bytesPerSecond?: number;
}

/** What a task of a snapshot or of a discarded leaf stores before it makes a file: enough to undo it. */
interface NewLeafStep {
  readonly disk: string;
  readonly file: string;
}

interface CommitInput {
  readonly id: string;
  readonly bytesPerSecond?: number;
}

/** The new leaf, and what is folded into what once it is there. */
interface CommitStep extends NewLeafStep {
  readonly link: string;
  readonly into: string;
}

export class LiveChanges {
  readonly #shared: Shared;
  readonly #disks: Disks;
  readonly #folding: Folding;

  constructor(shared: Shared, disks: Disks) {
    this.#shared = shared;
    this.#disks = disks;
    this.#folding = new Folding(shared, disks);
  }

  /** Before anything is opened after a restart: undoes new leaves that no record names. */
  async recover(): Promise<void> {
    const { tasks, records } = this.#shared;
    for (const { info, step } of tasks.interrupted()) {
      if (!['disk.snapshot', 'disk.discard', 'disk.commit'].includes(info.kind)) continue;
      for (const { disk, file } of (step ?? []) as readonly NewLeafStep[]) {
        const record = records.disks().find(({ id }) => id === disk);
        if (record === undefined || record.links.includes(file)) continue;
        await this.#dropNewLeaf(record, file);
      }
    }
    for (const record of records.disks()) await this.#folding.finishSteps(record);
  }

  /** After the disks are served again: folds go on where they were. */
  resume(): void {
    const { tasks, records } = this.#shared;
    for (const { info, input, step } of tasks.interrupted()) {
      const { id } = input as { readonly id: string };
      const resume = (work: (context: TaskContext) => Promise<void>): void => {
        this.#disks.busy.set(id, info.kind);
        tasks.resume(info.id, (context) => work(context).finally(() => this.#disks.busy.delete(id)));
      };
      if (info.kind.startsWith('disk.fold')) resume((context) => this.#folding.run(input as FoldInput, context));
      const [sealed] = (step ?? []) as readonly NewLeafStep[];
      const isSealed =
        sealed !== undefined && records.disks().some((one) => one.id === id && one.links.includes(sealed.file));
      if (info.kind === 'disk.commit' && isSealed) resume((context) => this.#commit(input as CommitInput, context));
    }
  }

  /** All disks at one instant: their requests are held, the leaves swapped, the requests let go. */
  snapshot(ids: readonly string[], name: string): Promise<TaskInfo> {
    return this.#task('disk.snapshot', ids, { ids, name }, async (context) => {
      const made = ids.map((id) => ({ disk: id, file: this.#shared.records.newLink(this.#shared.records.disk(id)) }));
      context.reached(made);
      try {
        for (const { disk, file } of made) await this.#makeChild(disk, file);
        const snapshots: Record<string, string> = {};
        for (const { disk, file } of made) snapshots[disk] = this.#recordSnapshot(disk, file, name);
        await this.#swapAll(made);
        return { snapshots };
      } catch (error) {
        for (const { disk, file } of made) await this.#undoSnapshot(disk, file);
        throw error;
      }
    });
  }

  removeSnapshot({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const plan = this.#folding.planRemoval(this.#shared.records.disk(id), snapshotId);
    return this.#fold({ ...plan, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
  }

  mergeDown({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const plan = this.#folding.planDown(this.#shared.records.disk(id), snapshotId);
    return this.#fold({ ...plan, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
  }

  /** The leaf is sealed under a new one first, so that the VM has something to write to while it is folded. */
  commitLeaf(input: CommitInput): Promise<TaskInfo> {
    const { links } = this.#shared.records.disk(input.id);
    if (links.length < 2) {
      throw new VhdError('NO_PARENT', `disk ${input.id} has no link of its own below its leaf`);
    }
    return this.#task('disk.commit', [input.id], input, (context) => this.#commit(input, context), false);
  }

  async #commit({ id, bytesPerSecond }: CommitInput, context: TaskContext): Promise<void> {
    const { records } = this.#shared;
    let [step] = (context.step ?? []) as readonly CommitStep[];
    if (step === undefined) {
      const { links } = records.disk(id);
      step = { disk: id, file: records.newLink(records.disk(id)), link: links.at(-1) ?? '', into: links.at(-2) ?? '' };
      context.reached([step]);
      try {
        await this.#makeChild(id, step.file);
        records.putDisk({ ...records.disk(id), links: [...links, step.file] });
        await this.#swapAll([step]);
      } catch (error) {
        await this.#undoSnapshot(id, step.file);
        throw error;
      }
    }
    const { link, into } = step;
    await this.#folding.run(
      { id, direction: 'down', link, into, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) },
      context,
    );
  }

  discardLeaf(id: string): Promise<TaskInfo> {
    return this.#task('disk.discard', [id], { id }, async (context) => {
      const { records } = this.#shared;
      const record = records.disk(id);
      const file = records.newLink(record);
      const old = record.links.at(-1) ?? '';
      context.reached([{ disk: id, file }]);
      await this.#disks.lock.run(id, () =>
        this.#whileDetached(record.id, async () => {
          await this.#makeSibling(record, file);
          records.putDisk({ ...records.disk(id), links: [...record.links.slice(0, -1), file] });
        }),
      );
      rmSync(records.diskPath(record, old), { force: true });
    });
  }

  grow(id: string, sizeBytes: number): Promise<TaskInfo> {
    const { records } = this.#shared;
    const { sizeBytes: before } = records.disk(id);
    if (sizeBytes < before) throw new VhdError('USAGE', `disk ${id} has ${before} bytes; it cannot be made smaller`);
    return this.#task('disk.grow', [id], { id, sizeBytes }, () =>
      this.#disks.lock.run(id, async () => {
        const { pool } = this.#shared;
        await this.#whileDetached(id, async () => {
          await resizeImage(records.diskPath(records.disk(id)), {
            sizeBytes,
            policy: { folders: records.folders(records.disk(id)) },
          });
          records.putDisk({ ...records.disk(id), sizeBytes });
        });
        // NBD tells a size in the handshake only. QEMU comes back by itself, and then takes the size by `block_resize`.
        if (pool.isOpen(id)) await pool.of(id).disconnect(id, 'the disk has grown');
        return { sizeBytes };
      }),
    );
  }

  reparent(input: ReparentInput): Promise<TaskInfo> {
    return this.#task('disk.reparent', [input.id], input, (context) =>
      reparent(input, this.#shared, context, (change) =>
        this.#disks.lock.run(input.id, () => this.#whileDetached(input.id, change)),
      ),
    );
  }

  #fold(input: FoldInput): Promise<TaskInfo> {
    return this.#task(
      `disk.fold-${input.direction}`,
      [input.id],
      input,
      (context) => this.#folding.run(input, context),
      false,
    );
  }

  /** Starts a task that has its disks for itself; waits for its end where it is short. */
  async #task(
    kind: string,
    ids: readonly string[],
    input: unknown,
    work: Parameters<Shared['tasks']['start']>[3],
    isShort: boolean = kind !== 'disk.reparent',
  ): Promise<TaskInfo> {
    for (const id of ids) {
      this.#shared.records.disk(id);
      const other = this.#disks.busy.get(id);
      if (other !== undefined) throw new VhdError('IN_PROGRESS', `disk ${id} is busy with ${other}`);
    }
    for (const id of ids) this.#disks.busy.set(id, kind);
    const free = (): void => ids.forEach((id) => this.#disks.busy.delete(id));
    let task: TaskInfo;
    try {
      task = this.#shared.tasks.start(kind, ids.join(','), input, (context) => work(context).finally(free), {
        isBrief: isShort,
      });
    } catch (error) {
      free();
      throw error;
    }
    return isShort ? this.#shared.tasks.ended(task.id) : task;
  }

  /** An empty child of the leaf. It seals the leaf, which the open chain goes on writing to until the swap. */
  async #makeChild(disk: string, file: string): Promise<void> {
    const { records } = this.#shared;
    const record = records.disk(disk);
    await createChild(records.diskPath(record, file), { parent: records.diskPath(record) });
  }

  /** An empty link beside the leaf: what the disk would be without it. */
  async #makeSibling(record: DiskRecord, file: string): Promise<void> {
    const { records } = this.#shared;
    const below = record.links.at(-2);
    const parent = below === undefined ? records.basePath(record) : records.diskPath(record, below);
    const path = records.diskPath(record, file);
    if (parent === undefined) await createImage(path, { sizeBytes: record.sizeBytes });
    else await createChild(path, { parent, sizeBytes: record.sizeBytes });
  }

  #recordSnapshot(disk: string, file: string, name: string): string {
    const { records } = this.#shared;
    const record = records.disk(disk);
    const snapshot = { id: idFrom(name), name, file: record.links.at(-1) ?? '', createdAt: new Date().toISOString() };
    records.putDisk({ ...record, links: [...record.links, file], snapshots: [...record.snapshots, snapshot] });
    return snapshot.id;
  }

  async #swapAll(made: readonly NewLeafStep[]): Promise<void> {
    const { pool, records } = this.#shared;
    const open = made.filter(({ disk }) => pool.isOpen(disk));
    const each = (work: (step: NewLeafStep) => Promise<unknown>): Promise<unknown> => Promise.all(open.map(work));
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

  /** Takes back what a snapshot that failed has made, unless the chain writes to the new leaf already. */
  async #undoSnapshot(disk: string, file: string): Promise<void> {
    const { pool, records, log } = this.#shared;
    const record = records.disk(disk);
    const path = records.diskPath(record, file);
    if (pool.isOpen(disk) && (await pool.of(disk).links(disk)).includes(path)) return;
    if (record.links.includes(file)) {
      const sealed = record.links.at(-2);
      records.putDisk({
        ...record,
        links: record.links.filter((link) => link !== file),
        snapshots: record.snapshots.filter((snapshot) => snapshot.file !== sealed),
      });
    }
    await this.#dropNewLeaf(records.disk(disk), file).catch((error: unknown) =>
      log('disk.undo-failed', { disk, error: String(error) }),
    );
  }

  async #dropNewLeaf(record: DiskRecord, file: string): Promise<void> {
    const { records } = this.#shared;
    const leaf = records.diskPath(record);
    rmSync(records.diskPath(record, file), { force: true });
    if (fileSystem.stat(leaf)?.isWritable === false) fileSystem.setWritable(leaf, true);
    await fileSystem.syncFolder(records.diskFolder(record.id));
  }

  /** Runs a change of a disk's files while its chain is closed and its requests are held; a closed disk just changes. */
  async #whileDetached(id: string, change: () => Promise<void>): Promise<void> {
    const { pool, records } = this.#shared;
    if (!pool.isOpen(id)) return change();
    const host = pool.of(id);
    await host.hold(id);
    try {
      await host.detach(id);
      try {
        await change();
      } finally {
        const record = records.disk(id);
        await host.reopen(id, records.diskPath(record), records.folders(record));
        await host.setSnapshots(id, this.#disks.namedLinks(record));
      }
    } finally {
      await host.release(id);
    }
  }
}
