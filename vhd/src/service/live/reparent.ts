/**
 * Puts another base under a disk, one with the same content: what a restored disk does when its restore point has been
 * copied into the library, and the other way round. Both are sealed, so they can be compared while the VM writes on.
 */
import { dirname } from 'node:path';
import { openChain } from '../../chain/open.ts';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { identityOf, openImage } from '../../formats/open.ts';
import { seal } from '../../image/seal.ts';
import { diffDisks } from '../../ops/diff.ts';
import { runSteps } from '../../ops/journal.ts';
import { relinkSteps } from '../../ops/relink.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Shared } from '../disks/shared.ts';
import { type DiskRecord, snapshotOf } from '../state/records.ts';
import type { TaskContext, TaskRecord } from '../state/task-book.ts';
import { whileDetached } from './detached.ts';
import type { LiveParts } from './parts.ts';

export interface ReparentInput {
  readonly id: string;
  readonly to: { readonly imageId: string } | { readonly path: string };
  readonly snapshotId?: string;
}

/** Which link gets the new base, and whose links go. */
interface Saved {
  readonly child: string;
  readonly kept: readonly string[];
}

/** Errors: PARENT_MISMATCH where the contents differ, NOT_FOUND, NO_PARENT, IO, CANCELLED. */
export async function reparent(input: ReparentInput, parts: LiveParts, context: TaskContext): Promise<void> {
  const { id, to } = input;
  const work = (): Promise<void> => moveTo(input, parts, context);
  await ('imageId' in to ? parts.images.whileComing(to.imageId, id, work) : work());
}

async function moveTo(input: ReparentInput, { shared, disks }: LiveParts, context: TaskContext): Promise<void> {
  const { records, storage } = shared;
  const record = records.disk(input.id);
  const kept = linksAbove(record, input.snapshotId);
  const child = kept[0] ?? '';
  const below = record.links[record.links.indexOf(child) - 1];
  const from = below === undefined ? records.basePath(record) : records.diskPath(record, below);
  if (from === undefined) throw new VhdError('NO_PARENT', `disk ${input.id} has no base that another could replace`);
  const to = targetOf(input, shared);
  seal(to, storage);
  context.progress(0, 'comparing');
  await compare(from, to, records.folders(record), storage, context);
  context.progress(1, 'putting the disk on its new base');
  await context.save({ child, kept } satisfies Saved);
  const path = records.diskPath(record, child);
  await disks.lock.run(input.id, () =>
    whileDetached(input.id, shared, disks, async () => {
      await runSteps(path, relinkSteps(path, to, uuidOf(to, storage), storage), storage);
      await takeBase(input, kept, shared);
    }),
  );
  await removeBelow(input.id, record.links, shared);
}

/** What a restart does about a change of base that was cut off: the child says which base it has. True when it came to be. */
export async function recoverReparent(task: TaskRecord, { shared }: LiveParts): Promise<boolean> {
  const { records, storage } = shared;
  const input = task.input as ReparentInput;
  const saved = task.saved as Saved | null;
  const record = records.disks().find(({ id }) => id === input.id);
  if (saved === null || record === undefined) return false;
  const child = openImage(records.diskPath(record, saved.child), { storage });
  void child.close();
  if (child.parent?.identity !== uuidOf(targetOf(input, shared), storage)) return false;
  await takeBase(input, saved.kept, shared);
  await removeBelow(input.id, record.links, shared);
  return true;
}

/** Errors: NOT_FOUND. */
function targetOf({ to }: ReparentInput, { records }: Shared): string {
  return 'imageId' in to ? records.imagePath(records.image(to.imageId).id) : to.path;
}

/** The record names the new base, and no longer what was below it. */
async function takeBase({ id, to }: ReparentInput, kept: readonly string[], { records }: Shared): Promise<void> {
  await records.changeDisk(id, ({ snapshots }) => ({
    imageId: 'imageId' in to ? to.imageId : null,
    baseFile: 'imageId' in to ? null : to.path,
    branchOf: null,
    links: kept,
    snapshots: snapshots.filter((snapshot) => kept.includes(snapshot.file)),
  }));
}

async function removeBelow(id: string, before: readonly string[], { records, storage }: Shared): Promise<void> {
  const record = records.disk(id);
  for (const file of before) if (!record.links.includes(file)) storage.remove(records.diskPath(record, file));
  await storage.syncFolder(records.diskFolder(id));
}

async function compare(
  from: string,
  to: string,
  folders: readonly string[],
  storage: Storage,
  context: TaskContext,
): Promise<void> {
  const fromDisk = await openChain(from, { storage, policy: { folders } });
  try {
    const toDisk = await openChain(to, { storage, policy: { folders: [dirname(to)] } });
    try {
      await assertSame(fromDisk, toDisk, context);
    } finally {
      await toDisk.close();
    }
  } finally {
    await fromDisk.close();
  }
}

/** The links above a snapshot; all of them without one. Errors: NOT_FOUND. */
function linksAbove(record: DiskRecord, snapshotId: string | undefined): readonly string[] {
  if (snapshotId === undefined) return record.links;
  return record.links.slice(record.links.indexOf(snapshotOf(record, snapshotId).file) + 1);
}

async function assertSame(a: Disk, b: Disk, context: TaskContext): Promise<void> {
  if (a.sizeBytes !== b.sizeBytes) {
    throw new VhdError('PARENT_MISMATCH', `${b.name} has ${b.sizeBytes} bytes, the base of the disk ${a.sizeBytes}`);
  }
  const onProgress = ({ doneBytes }: { doneBytes: number }): void => context.progress(doneBytes / a.sizeBytes);
  for await (const { offset } of diffDisks(a, b, { signal: context.signal, onProgress })) {
    throw new VhdError('PARENT_MISMATCH', `${b.name} differs from the base of the disk at byte ${offset}`);
  }
}

function uuidOf(path: string, storage: Storage): string {
  const uuid = identityOf(path, storage);
  if (uuid === undefined) throw new VhdError('NOT_FOUND', `no image at ${path}`);
  return uuid;
}
