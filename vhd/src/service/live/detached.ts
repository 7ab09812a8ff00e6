/** Changes of a disk's files while its chain is closed and its requests are held; a closed disk just changes. */
import type { Disks } from '../disks/disks.ts';
import type { Shared } from '../disks/shared.ts';

/** Settles when the chain is open again, over what the record names by then. Errors: those of `change`, and of opening. */
export async function whileDetached(
  id: string,
  { pool, records }: Pick<Shared, 'pool' | 'records'>,
  disks: Disks,
  change: () => Promise<void>,
): Promise<void> {
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
      await host.setSnapshots(id, disks.namedLinks(record));
    }
  } finally {
    await host.release(id);
  }
}
