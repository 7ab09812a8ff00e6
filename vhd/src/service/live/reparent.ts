/**
 * Puts another base under a disk, one with the same content: what a restored disk does when its restore point has been
 * copied into the library, and the other way round. Both are sealed, so they can be compared while the VM writes on.
 */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { openChain } from '../../chain/open.ts';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { seal } from '../../image/seal.ts';
import { diffDisks } from '../../ops/diff.ts';
import { runSteps } from '../../ops/journal.ts';
import { relinkSteps } from '../../ops/relink.ts';
import { fileSystem } from '../../storage/storage.ts';
import type { Shared } from '../disks/shared.ts';
import { type DiskRecord, snapshotOf } from '../state/records.ts';
import type { TaskContext } from '../state/task-book.ts';

export interface ReparentInput {
  readonly id: string;
  readonly to: { readonly imageId: string } | { readonly path: string };
  readonly snapshotId?: string;
}

/** Errors: PARENT_MISMATCH where the contents differ, NOT_FOUND, NO_PARENT, IO, CANCELLED. */
export async function reparent(
  input: ReparentInput,
  shared: Shared,
  context: TaskContext,
  whileDetached: (change: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { records } = shared;
  const record = records.disk(input.id);
  const kept = linksAbove(record, input.snapshotId);
  const child = kept[0] ?? '';
  const below = record.links[record.links.indexOf(child) - 1];
  const from = below === undefined ? records.basePath(record) : records.diskPath(record, below);
  if (from === undefined) throw new VhdError('NO_PARENT', `disk ${input.id} has no base that another could replace`);
  const to = 'imageId' in input.to ? records.imagePath(records.image(input.to.imageId).id) : input.to.path;
  seal(to, fileSystem);
  const folders = records.folders(record);
  context.progress(0, 'comparing');
  const fromDisk = await openChain(from, { policy: { folders } });
  try {
    const toDisk = await openChain(to, { policy: { folders: [dirname(to)] } });
    try {
      await assertSame(fromDisk, toDisk, context);
    } finally {
      await toDisk.close();
    }
  } finally {
    await fromDisk.close();
  }
  context.progress(1, 'putting the disk on its new base');
  const path = records.diskPath(record, child);
  await whileDetached(async () => {
    await runSteps(path, relinkSteps(path, to, await uuidOf(to), fileSystem), fileSystem);
    records.changeDisk(input.id, ({ snapshots }) => ({
      imageId: 'imageId' in input.to ? input.to.imageId : null,
      baseFile: 'imageId' in input.to ? null : input.to.path,
      links: kept,
      snapshots: snapshots.filter((snapshot) => kept.includes(snapshot.file)),
    }));
  });
  for (const file of record.links) if (!kept.includes(file)) rmSync(records.diskPath(record, file), { force: true });
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

async function uuidOf(path: string): Promise<string> {
  const chain = await openChain(path, { policy: { folders: [dirname(path)] } });
  await chain.close();
  return chain.links[0]?.footer.uuid ?? '';
}
