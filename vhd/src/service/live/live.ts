/**
 * Changes of a disk's chain while a VM writes to it. Each is a task with a record on disk. The order that keeps
 * FLUSHED-IS-SAFE is the same everywhere: new files first, then the record of the disk that names them, then the change
 * of the open chain, then the removal of what nothing names any more. A kill at any point leaves a record that opens.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { VhdError } from '../../errors.ts';
import { resizeImage } from '../../ops/resize.ts';
import { hasEnded, type TaskInfo } from '../control/task.ts';
import type { Disks } from '../disks/disks.ts';
import type { Shared } from '../disks/shared.ts';
import type { TaskContext, TaskWork } from '../state/task-book.ts';
import { type FoldInput, Folding } from './fold.ts';
import { type NewLeaf, NewLeaves } from './new-leaf.ts';
import { type ReparentInput, reparent } from './reparent.ts';
import { namesOf, recoverSnapshot, requireSame, type SnapshotInput, takeSnapshot } from './snapshot.ts';

export interface SnapshotRef {
  readonly id: string;
  readonly snapshotId: string;
  readonly bytesPerSecond?: number;
}

interface CommitInput {
  readonly id: string;
  readonly bytesPerSecond?: number;
}

/** The new leaf, and what is folded into what once it is there. */
interface CommitStep extends NewLeaf {
  readonly link: string;
  readonly into: string;
}

export class LiveChanges {
  readonly #shared: Shared;
  readonly #disks: Disks;
  readonly #folding: Folding;
  readonly #leaves: NewLeaves;

  constructor(shared: Shared, disks: Disks) {
    this.#shared = shared;
    this.#disks = disks;
    this.#folding = new Folding(shared, disks);
    this.#leaves = new NewLeaves(shared, disks);
  }

  /** Before anything is opened after a restart: undoes new leaves that no record names, and finishes snapshots. */
  async recover(): Promise<void> {
    const { tasks, records } = this.#shared;
    for (const task of tasks.interrupted()) {
      const { info, saved } = task;
      if (info.kind === 'disk.snapshot') {
        const result = await recoverSnapshot(task, this.#shared, this.#leaves);
        if (result !== undefined) tasks.finish(info.id, result);
      }
      if (info.kind !== 'disk.discard' && info.kind !== 'disk.commit') continue;
      for (const { disk, file } of (saved ?? []) as readonly NewLeaf[]) {
        const record = records.disks().find(({ id }) => id === disk);
        if (record !== undefined && !record.links.includes(file)) await this.#leaves.drop(record, file);
      }
    }
    for (const record of records.disks()) await this.#folding.finishSteps(record);
  }

  /** After the disks are served again: folds go on where they were. */
  resume(): void {
    const { tasks, records } = this.#shared;
    for (const { info, input, saved } of tasks.interrupted()) {
      const { id } = input as { readonly id: string };
      const resume = (work: (context: TaskContext) => Promise<void>): void => {
        this.#disks.busy.set(id, info.kind);
        tasks.resume(info.id, (context) => work(context).finally(() => this.#disks.busy.delete(id)));
      };
      if (info.kind.startsWith('disk.fold')) resume((context) => this.#folding.run(input as FoldInput, context));
      if (info.kind !== 'disk.commit') continue;
      const [sealed] = (saved ?? []) as readonly NewLeaf[];
      const isSealed =
        sealed !== undefined && records.disks().some((one) => one.id === id && one.links.includes(sealed.file));
      if (isSealed) resume((context) => this.#commit(input as CommitInput, context));
    }
  }

  /** All disks at one instant: their requests are held, the leaves swapped, the requests let go. */
  async snapshot(input: SnapshotInput): Promise<TaskInfo> {
    const { tasks } = this.#shared;
    const { ids, operationId = randomUUID() } = input;
    const before = tasks.ofOperation(operationId);
    if (before !== undefined) {
      requireSame(before, input);
      if (before.info.state === 'done' || !hasEnded(before.info)) return tasks.ended(before.info.id);
    }
    return this.#task(
      'disk.snapshot',
      ids,
      input,
      async (context) => {
        // One whose task is forgotten is known by its snapshots.
        const snapshots = namesOf(ids, operationId, this.#shared);
        if (snapshots !== undefined) return { snapshots };
        return takeSnapshot(input, operationId, this.#shared, this.#leaves, context);
      },
      { operationId },
    );
  }

  async removeSnapshot({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const plan = this.#folding.planRemoval(this.#shared.records.disk(id), snapshotId);
    return this.#fold({ ...plan, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
  }

  async mergeDown({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const plan = this.#folding.planDown(this.#shared.records.disk(id), snapshotId);
    return this.#fold({ ...plan, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
  }

  /** The leaf is sealed under a new one first, so that the VM has something to write to while it is folded. */
  async commitLeaf(input: CommitInput): Promise<TaskInfo> {
    const { links } = this.#shared.records.disk(input.id);
    if (links.length < 2) {
      throw new VhdError('NO_PARENT', `disk ${input.id} has no link of its own below its leaf`);
    }
    return this.#task('disk.commit', [input.id], input, (context) => this.#commit(input, context), { isShort: false });
  }

  async #commit({ id, bytesPerSecond }: CommitInput, context: TaskContext): Promise<void> {
    const { records } = this.#shared;
    let [step] = (context.saved ?? []) as readonly CommitStep[];
    if (step === undefined) {
      const { links } = records.disk(id);
      context.progress(null, 'making a new leaf');
      step = { disk: id, file: records.newLink(records.disk(id)), link: links.at(-1) ?? '', into: links.at(-2) ?? '' };
      context.save([step]);
      const { file } = step;
      try {
        await this.#leaves.makeChild(step);
        records.changeDisk(id, { links: [...links, file] });
        await this.#leaves.swap([step]);
      } catch (error) {
        if (!(await this.#leaves.isWrittenTo(step))) await this.#leaves.undo(step);
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
      const leaf = { disk: id, file };
      context.save([leaf]);
      await this.#disks.lock.run(id, () =>
        this.#whileDetached(record.id, async () => {
          await this.#leaves.makeSibling(leaf);
          records.changeDisk(id, { links: [...record.links.slice(0, -1), file] });
        }),
      );
      rmSync(records.diskPath(record, old), { force: true });
    });
  }

  async grow(id: string, sizeBytes: number): Promise<TaskInfo> {
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
          records.changeDisk(id, { sizeBytes });
        });
        // NBD tells a size in the handshake only. QEMU comes back by itself, and then takes the size by `block_resize`.
        if (pool.isOpen(id)) await pool.of(id).disconnect(id, 'the disk has grown');
        return { sizeBytes };
      }),
    );
  }

  reparent(input: ReparentInput): Promise<TaskInfo> {
    const work: TaskWork = (context) =>
      reparent(input, this.#shared, context, (change) =>
        this.#disks.lock.run(input.id, () => this.#whileDetached(input.id, change)),
      );
    return this.#task('disk.reparent', [input.id], input, work, { isShort: false });
  }

  #fold(input: FoldInput): Promise<TaskInfo> {
    return this.#task(
      `disk.fold-${input.direction}`,
      [input.id],
      input,
      (context) => this.#folding.run(input, context),
      { isShort: false },
    );
  }

  /** Starts a task that has its disks for itself; waits for its end where it is short. */
  async #task(
    kind: string,
    ids: readonly string[],
    input: unknown,
    work: TaskWork,
    { isShort = true, operationId }: { readonly isShort?: boolean; readonly operationId?: string } = {},
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
        ...(operationId === undefined ? {} : { operationId }),
      });
    } catch (error) {
      free();
      throw error;
    }
    return isShort ? this.#shared.tasks.ended(task.id) : task;
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
