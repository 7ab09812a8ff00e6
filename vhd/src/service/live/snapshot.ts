/**
 * A snapshot of one disk or of several at one instant. All or nothing: the leaves are swapped when every record names its
 * new one, so what a kill cuts off before that is undone, and what it cuts off after it is finished.
 */
import { VhdError } from '../../errors.ts';
import type { Owner } from '../control/ids.ts';
import type { Shared } from '../disks/shared.ts';
import { idFrom, type SnapshotRecord } from '../state/records.ts';
import type { TaskContext, TaskRecord } from '../state/task-book.ts';
import type { NewLeaf, NewLeaves } from './new-leaf.ts';
import type { LiveParts } from './parts.ts';

export interface SnapshotInput {
  readonly ids: readonly string[];
  readonly name: string;
  readonly owner?: Owner;
  readonly operationId?: string;
}

/** The ids of the snapshots, by disk. */
export type SnapshotResult = { readonly snapshots: Readonly<Record<string, string>> };

/** What the task of a snapshot saves: its leaves, and once it has failed, those that are written to all the same. */
interface Saved {
  readonly made: readonly NewLeaf[];
  readonly operationId: string;
  readonly kept?: readonly string[];
}

/** Errors: those of the storage; then no disk has a snapshot of this, and a leaf that is written to stays as a link without a name. */
export async function takeSnapshot(
  input: SnapshotInput,
  operationId: string,
  { shared, leaves }: LiveParts,
  context: TaskContext,
): Promise<SnapshotResult> {
  const { records } = shared;
  const made = input.ids.map((disk) => ({ disk, file: records.newLink(records.disk(disk)) }));
  await context.save({ made, operationId } satisfies Saved);
  try {
    context.progress(null, 'making new leaves');
    for (const leaf of made) await leaves.makeChild(leaf);
    for (const leaf of made) await name(leaf, input, operationId, shared);
    context.progress(null, 'swapping the leaves');
    await leaves.swap(made);
    return { snapshots: namesOf(input.ids, operationId, shared) ?? {} };
  } catch (error) {
    const swapped = await Promise.all(made.map((leaf) => leaves.isWrittenTo(leaf)));
    const kept = made.filter((_leaf, i) => swapped[i]).map(({ disk }) => disk);
    await undo({ made, operationId, kept }, shared, leaves, (saved) => context.save(saved)).catch((cause: unknown) =>
      shared.log('disk.undo-failed', { disks: input.ids, error: String(cause) }),
    );
    throw error;
  }
}

/** What a restart does about a snapshot that was cut off. Gives the result of one that only its end was missing of. */
export async function recoverSnapshot(
  { saved }: TaskRecord,
  { shared, leaves }: LiveParts,
): Promise<SnapshotResult | undefined> {
  const { made, operationId, kept } = savedOf(saved);
  const left = made.filter(({ disk }) => shared.records.disks().some(({ id }) => id === disk));
  const disks = left.map(({ disk }) => disk);
  const snapshots = kept === undefined && left.length === made.length && namesOf(disks, operationId, shared);
  if (typeof snapshots === 'object' && 0 < left.length) return { snapshots };
  await undo({ made: left, operationId, kept: kept ?? [] }, shared, leaves, () => Promise.resolve());
  return undefined;
}

/** The snapshots that an operation has made of disks, where it has made all of them. */
export function namesOf(
  disks: readonly string[],
  operationId: string,
  { records }: Pick<Shared, 'records'>,
): Readonly<Record<string, string>> | undefined {
  const names: Record<string, string> = {};
  for (const disk of disks) {
    const found = records.disk(disk).snapshots.find((snapshot) => snapshot.operationId === operationId);
    if (found === undefined) return undefined;
    names[disk] = found.id;
  }
  return names;
}

/** A snapshot that was asked for again has to be the same one. Errors: USAGE. */
export function requireSame(before: TaskRecord, input: SnapshotInput): void {
  const { ids, name: given } = before.input as SnapshotInput;
  const isSame = given === input.name && [...ids].sort().join() === [...input.ids].sort().join();
  if (before.info.kind === 'disk.snapshot' && isSame) return;
  throw new VhdError('USAGE', `operation ${input.operationId} was ${before.info.kind} of ${before.info.target}`);
}

async function name(
  { disk, file }: NewLeaf,
  input: SnapshotInput,
  operationId: string,
  { records }: Shared,
): Promise<void> {
  await records.changeDisk(disk, ({ links, snapshots }) => {
    const snapshot: SnapshotRecord = {
      description: '',
      id: idFrom(input.name),
      name: input.name,
      file: links.at(-1) ?? '',
      owner: input.owner ?? null,
      operationId,
      createdAt: new Date().toISOString(),
    };
    return { links: [...links, file], snapshots: [...snapshots, snapshot] };
  });
}

/** `kept` is stored first: a restart must not take a leaf for empty that is written to. */
async function undo(
  saved: Required<Saved>,
  { records }: Shared,
  leaves: NewLeaves,
  save: (saved: Saved) => Promise<void>,
): Promise<void> {
  const { made, operationId, kept } = saved;
  if (0 < kept.length) await save(saved);
  for (const disk of kept) {
    await records.changeDisk(disk, ({ snapshots }) => ({
      snapshots: snapshots.filter((snapshot) => snapshot.operationId !== operationId),
    }));
  }
  for (const leaf of made) {
    const record = records.disk(leaf.disk);
    const below = record.links[record.links.indexOf(leaf.file) - 1];
    const isOurs = record.snapshots.some((one) => one.file === below && one.operationId === operationId);
    // A leaf of the same name that another change has made since is not ours to take back.
    if (!kept.includes(leaf.disk) && (isOurs || !record.links.includes(leaf.file))) await leaves.undo(leaf);
  }
}

/** Older versions saved the leaves alone. */
function savedOf(saved: unknown): Saved {
  if (saved === null) return { made: [], operationId: '' };
  return Array.isArray(saved) ? { made: saved as NewLeaf[], operationId: '' } : (saved as Saved);
}
