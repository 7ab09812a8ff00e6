/**
 * Changes of a disk's chain while a VM writes to it, a file a verb. Each is a task with a record on disk. The order that
 * keeps FLUSHED-IS-SAFE is the same everywhere: new files first, then the record of the disk that names them, then the
 * change of the open chain, then the removal of what nothing names any more. A power cut at any point leaves a record
 * that opens, and a task that the next start finishes or undoes (`power-loss.test.ts`).
 */
import { randomUUID } from 'node:crypto';
import { VhdError } from '../../errors.ts';
import { hasEnded, type TaskInfo } from '../control/task.ts';
import { requireNoBranches } from '../disks/branches.ts';
import type { Disks } from '../disks/disks.ts';
import type { Images } from '../disks/images.ts';
import { snapshotKey } from '../disks/read-only-exports.ts';
import type { Shared } from '../disks/shared.ts';
import { KeyedLock } from '../state/keyed-lock.ts';
import { snapshotOf } from '../state/records.ts';
import type { TaskContext, TaskRecord, TaskWork } from '../state/task-book.ts';
import { type CommitInput, commit, recoverCommit } from './commit.ts';
import { discard, recoverDiscard } from './discard.ts';
import { type FoldInput, Folding } from './fold.ts';
import { grow, recoverGrow } from './grow.ts';
import { NewLeaves } from './new-leaf.ts';
import type { LiveParts } from './parts.ts';
import { type ReparentInput, recoverReparent, reparent } from './reparent.ts';
import { namesOf, recoverSnapshot, requireSame, type SnapshotInput, takeSnapshot } from './snapshot.ts';

export interface SnapshotRef {
  readonly id: string;
  readonly snapshotId: string;
  readonly bytesPerSecond?: number;
}

interface TaskOptions {
  /** Answered when it has ended; else when it has begun. */
  readonly isShort?: boolean;
  readonly operationId?: string;
}

export class LiveChanges {
  readonly #parts: LiveParts;
  /** Who asks again while it runs waits, and hears the same. */
  readonly #operations = new KeyedLock();

  constructor(shared: Shared, disks: Disks, images: Images) {
    this.#parts = { shared, disks, images, leaves: new NewLeaves(shared, disks), folding: new Folding(shared, disks) };
  }

  /** Before anything is opened after a restart: what was cut off is undone, or finished where only its end was missing. */
  async recover(): Promise<void> {
    const { shared, folding } = this.#parts;
    const tasks = shared.tasks.interrupted();
    // New leaves first: what a journal is to find is the chain that the record names.
    for (const task of tasks) await this.#recoverLeaves(task);
    for (const record of shared.records.disks()) await folding.finishSteps(record);
    for (const task of tasks) await this.#recoverFiles(task);
  }

  async #recoverLeaves(task: TaskRecord): Promise<void> {
    const { tasks } = this.#parts.shared;
    const { kind, id } = task.info;
    if (kind === 'disk.snapshot') {
      const result = await recoverSnapshot(task, this.#parts);
      if (result !== undefined) await tasks.finish(id, result);
    }
    if (kind === 'disk.discard' && (await recoverDiscard(task, this.#parts))) await tasks.finish(id);
    if (kind === 'disk.commit') await recoverCommit(task, this.#parts);
  }

  async #recoverFiles(task: TaskRecord): Promise<void> {
    const { tasks, log } = this.#parts.shared;
    const { kind, id, target } = task.info;
    try {
      if (kind === 'disk.grow') {
        const result = await recoverGrow(task, this.#parts);
        if (result !== undefined) await tasks.finish(id, result);
      }
      if (kind === 'disk.reparent' && (await recoverReparent(task, this.#parts))) await tasks.finish(id);
    } catch (error) {
      log('disk.recover-failed', { disk: target, task: id, error: String(error) }); // The disk itself says why when it is opened.
    }
  }

  /** After the disks are served again: folds go on where they were, and so do commits whose new leaf is there. */
  resume(): void {
    const { shared, disks, folding } = this.#parts;
    for (const { info, input, saved } of shared.tasks.interrupted()) {
      const { id } = input as { readonly id: string };
      const resume = (work: (context: TaskContext) => Promise<void>): void => {
        disks.busy.set(id, info.kind);
        shared.tasks.resume(info.id, (context) => work(context).finally(() => disks.busy.delete(id)));
      };
      if (info.kind.startsWith('disk.fold')) resume((context) => folding.run(input as FoldInput, context));
      const [leaf] = info.kind === 'disk.commit' ? ((saved ?? []) as readonly { readonly file: string }[]) : [];
      const record = shared.records.disks().find((one) => one.id === id);
      if (leaf !== undefined && record?.links.includes(leaf.file) === true)
        resume((context) => commit(input as CommitInput, this.#parts, context));
    }
  }

  /** All disks at one instant: their requests are held, the leaves swapped, the requests let go. Errors: USAGE, IN_PROGRESS, NOT_FOUND. */
  snapshot(input: SnapshotInput): Promise<TaskInfo> {
    const { operationId = randomUUID() } = input;
    return this.#operations.run(operationId, () => this.#snapshot(input, operationId));
  }

  async #snapshot(input: SnapshotInput, operationId: string): Promise<TaskInfo> {
    const { shared } = this.#parts;
    const { ids } = input;
    const before = shared.tasks.ofOperation(operationId);
    if (before !== undefined) {
      requireSame(before, input);
      if (before.info.state === 'done' || !hasEnded(before.info)) return shared.tasks.ended(before.info.id);
    }
    const work: TaskWork = async (context) => {
      // One whose task is forgotten is known by its snapshots.
      const snapshots = namesOf(ids, operationId, shared);
      return snapshots === undefined ? takeSnapshot(input, operationId, this.#parts, context) : { snapshots };
    };
    return this.#task('disk.snapshot', ids, input, work, { operationId });
  }

  async removeSnapshot({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const { shared, folding } = this.#parts;
    const record = shared.records.disk(id);
    const { links } = record;
    const isAtBottom =
      snapshotOf(record, snapshotId).file === links[0] && shared.records.basePath(record) === undefined;
    // The lowest link of a disk that stands alone cannot go: under the leaf, it takes what the leaf holds instead.
    if (isAtBottom && links.length === 2)
      return this.commitLeaf({ id, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
    return this.#fold(folding.planRemoval(record, snapshotId), bytesPerSecond);
  }

  async mergeDown({ id, snapshotId, bytesPerSecond }: SnapshotRef): Promise<TaskInfo> {
    const { shared, folding } = this.#parts;
    return this.#fold(folding.planDown(shared.records.disk(id), snapshotId), bytesPerSecond);
  }

  async commitLeaf(input: CommitInput): Promise<TaskInfo> {
    const { links } = this.#parts.shared.records.disk(input.id);
    this.#requireUnread(input.id, links.at(-2));
    if (links.length < 2) throw new VhdError('NO_PARENT', `disk ${input.id} has no link of its own below its leaf`);
    this.#requireFree(input.id, links.slice(-2));
    return this.#task('disk.commit', [input.id], input, (context) => commit(input, this.#parts, context), {
      isShort: false,
    });
  }

  discardLeaf(id: string): Promise<TaskInfo> {
    return this.#task('disk.discard', [id], { id }, (context) => discard(id, this.#parts, context));
  }

  async grow(id: string, sizeBytes: number): Promise<TaskInfo> {
    const { sizeBytes: before } = this.#parts.shared.records.disk(id);
    if (sizeBytes < before) throw new VhdError('USAGE', `disk ${id} has ${before} bytes; it cannot be made smaller`);
    return this.#task('disk.grow', [id], { id, sizeBytes }, () => grow({ id, sizeBytes }, this.#parts));
  }

  async reparent(input: ReparentInput): Promise<TaskInfo> {
    this.#requireFree(input.id);
    return this.#task('disk.reparent', [input.id], input, (context) => reparent(input, this.#parts, context), {
      isShort: false,
    });
  }

  async #fold(plan: FoldInput, bytesPerSecond: number | undefined): Promise<TaskInfo> {
    this.#requireFree(plan.id, [plan.link, plan.into]);
    const input = bytesPerSecond === undefined ? plan : { ...plan, bytesPerSecond };
    if (plan.direction === 'down') this.#requireUnread(plan.id, plan.into);
    return this.#task(
      `disk.fold-${plan.direction}`,
      [plan.id],
      input,
      (context) => this.#parts.folding.run(input, context),
      { isShort: false },
    );
  }

  /** Errors: HAS_CHILDREN: another disk goes on from one of the links; NOT_FOUND. */
  #requireFree(id: string, files?: readonly string[]): void {
    const { records } = this.#parts.shared;
    records.disk(id);
    requireNoBranches(records.disks(), id, files);
  }

  /** SEALED-STAYS: who reads a snapshot must not see another content come up in its file. Errors: LOCKED. */
  #requireUnread(id: string, file: string | undefined): void {
    const { records, pool } = this.#parts.shared;
    const read = records.disk(id).snapshots.find((one) => one.file === file && pool.isOpen(snapshotKey(id, one.id)));
    if (read !== undefined)
      throw new VhdError(
        'LOCKED',
        `snapshot ${read.name} (${read.id}) is being read; close it, or wait, and try again`,
      );
  }

  /** Starts a task that has its disks for itself; waits for its end where it is short. Errors: NOT_FOUND, IN_PROGRESS. */
  async #task(
    kind: string,
    ids: readonly string[],
    input: unknown,
    work: TaskWork,
    { isShort = true, operationId }: TaskOptions = {},
  ): Promise<TaskInfo> {
    const { shared, disks } = this.#parts;
    for (const id of ids) {
      shared.records.disk(id);
      const other = disks.busy.get(id);
      if (other !== undefined) throw new VhdError('IN_PROGRESS', `disk ${id} is busy with ${other}`);
    }
    for (const id of ids) disks.busy.set(id, kind);
    const free = (): void => ids.forEach((id) => disks.busy.delete(id));
    let task: TaskInfo;
    try {
      task = await shared.tasks.start(kind, ids.join(','), input, (context) => work(context).finally(free), {
        isBrief: isShort,
        ...(operationId === undefined ? {} : { operationId }),
      });
    } catch (error) {
      free();
      throw error;
    }
    return isShort ? shared.tasks.ended(task.id) : task;
  }
}
