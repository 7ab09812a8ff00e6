/** Makes a disk larger, also while a VM has it open. */
import { openImage } from '../../formats/open.ts';
import { resizeImage } from '../../ops/resize.ts';
import type { TaskRecord } from '../state/task-book.ts';
import { whileDetached } from './detached.ts';
import type { LiveParts } from './parts.ts';

export interface GrowInput {
  readonly id: string;
  readonly sizeBytes: number;
}

/**
 * NBD tells a size in the handshake only, so the disk's connections end once the new size is there. QEMU comes back by
 * itself, and takes the size by `block_resize`. Errors: those of `resizeImage`.
 */
export function grow({ id, sizeBytes }: GrowInput, { shared, disks }: LiveParts): Promise<GrowResult> {
  const { records, pool, storage } = shared;
  return disks.lock.run(id, async () => {
    await whileDetached(id, shared, disks, async () => {
      const record = records.disk(id);
      await resizeImage(records.diskPath(record), { storage, sizeBytes, policy: { folders: records.folders(record) } });
      await records.changeDisk(id, { sizeBytes });
    });
    if (pool.isOpen(id)) await pool.of(id).disconnect(id, 'the disk has grown');
    return { sizeBytes };
  });
}

export type GrowResult = { readonly sizeBytes: number };

/** What a restart does about a grow that was cut off: the leaf's file says whether it came to be. */
export async function recoverGrow({ input }: TaskRecord, { shared }: LiveParts): Promise<GrowResult | undefined> {
  const { records, storage } = shared;
  const { id, sizeBytes } = input as GrowInput;
  const record = records.disks().find((one) => one.id === id);
  if (record === undefined) return undefined;
  const leaf = openImage(records.diskPath(record), { storage });
  void leaf.close();
  if (leaf.sizeBytes !== record.sizeBytes) await records.changeDisk(id, { sizeBytes: leaf.sizeBytes });
  return leaf.sizeBytes === sizeBytes ? { sizeBytes } : undefined;
}
