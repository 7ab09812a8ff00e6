/** The chain of a disk: its links from the root to the leaf. Pure. */
import type { Disk } from '../../../../api/disk.ts';

const LIMIT = 256;

/** What is not in `disks` (no right to see it, or gone) ends the chain there. A loop, which cannot be, ends it too. */
export function chainOf(leaf: Disk, disks: readonly Disk[]): readonly Disk[] {
  const byId = new Map(disks.map((disk) => [disk.id, disk]));
  const links: Disk[] = [];
  const seen = new Set<string>();
  for (let at: Disk | undefined = leaf; at !== undefined && !seen.has(at.id) && links.length < LIMIT; ) {
    links.push(at);
    seen.add(at.id);
    at = at.parentId === null ? undefined : byId.get(at.parentId);
  }
  return links.reverse();
}
