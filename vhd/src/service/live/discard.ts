/** Throws away what a leaf holds: an empty link beside it takes its place. */
import { createChild, createImage } from '../../ops/create.ts';
import type { Shared } from '../disks/shared.ts';
import type { TaskContext, TaskRecord } from '../state/task-book.ts';
import { whileDetached } from './detached.ts';
import type { NewLeaf } from './new-leaf.ts';
import type { LiveParts } from './parts.ts';

/** The new leaf, and the one that goes. */
interface Saved extends NewLeaf {
  readonly old: string;
}

export async function discard(id: string, { shared, disks, leaves }: LiveParts, context: TaskContext): Promise<void> {
  const { records } = shared;
  const leaf = await disks.lock.run(id, async () => {
    const record = records.disk(id);
    const saved: Saved = { disk: id, file: records.newLink(record), old: record.links.at(-1) ?? '' };
    await context.save([saved]);
    try {
      await whileDetached(id, shared, disks, async () => {
        await makeSibling(saved, shared);
        await records.changeDisk(id, ({ links }) => ({ links: [...links.slice(0, -1), saved.file] }));
      });
    } catch (error) {
      if (!records.disk(id).links.includes(saved.file)) await leaves.undo(saved);
      throw error;
    }
    return saved;
  });
  await removeOld(leaf, shared);
}

/** What a restart does about a discard that was cut off. True when it came to be. */
export async function recoverDiscard({ saved }: TaskRecord, { shared, leaves }: LiveParts): Promise<boolean> {
  const { records } = shared;
  const [leaf] = (saved ?? []) as readonly (NewLeaf & Partial<Saved>)[];
  const record = records.disks().find(({ id }) => id === leaf?.disk);
  if (leaf === undefined || record === undefined) return false;
  if (!record.links.includes(leaf.file)) {
    await leaves.drop(record, leaf.file);
    return false;
  }
  if (leaf.old !== undefined && !record.links.includes(leaf.old)) await removeOld({ ...leaf, old: leaf.old }, shared);
  return true;
}

async function removeOld({ disk, old }: Saved, { records, storage }: Shared): Promise<void> {
  storage.remove(records.diskPath(records.disk(disk), old));
  await storage.syncFolder(records.diskFolder(disk));
}

/** An empty link beside the leaf: what the disk would be without it. */
async function makeSibling({ disk, file }: NewLeaf, { records, storage }: Shared): Promise<void> {
  const record = records.disk(disk);
  const { sizeBytes } = record;
  const below = record.links.at(-2);
  const parent = below === undefined ? records.basePath(record) : records.diskPath(record, below);
  const path = records.diskPath(record, file);
  if (parent === undefined) await createImage(path, { sizeBytes, storage });
  else await createChild(path, { parent, sizeBytes, storage });
}
