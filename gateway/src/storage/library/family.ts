/** What hangs together in the library: an image, and all disks and snapshots that stand on it. Pure. */
import type { Disk } from '../../../api/disk.ts';

const MOST = 2000;

export interface Family {
  /** Parents before their children. */
  readonly items: Disk[];
  /** There are more than are listed. */
  readonly isCut: boolean;
}

/** All that shares a root with `id`. A parent that is not among `all` ends the way up. */
export function familyOf(all: readonly Disk[], id: string): Family {
  const byId = new Map(all.map((disk) => [disk.id, disk]));
  const children = new Map<string, Disk[]>();
  for (const disk of all)
    if (disk.parentId !== null) children.set(disk.parentId, [...(children.get(disk.parentId) ?? []), disk]);
  let root = byId.get(id);
  const seen = new Set<string>();
  for (let up = root; up !== undefined && !seen.has(up.id); up = byId.get(up.parentId ?? '')) {
    seen.add(up.id);
    root = up;
  }
  const items: Disk[] = root === undefined ? [] : [root];
  const listed = new Set(items.map((disk) => disk.id));
  for (let at = 0; at < items.length; at++) {
    for (const child of children.get(items[at]?.id ?? '') ?? []) {
      if (listed.has(child.id)) continue;
      if (MOST <= items.length) return { items, isCut: true };
      listed.add(child.id);
      items.push(child);
    }
  }
  return { items, isCut: false };
}
