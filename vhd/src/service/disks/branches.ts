/** Disks that go on from a snapshot of another disk: what they stand on stays as it is (SEALED-STAYS). Pure. */
import { VhdError } from '../../errors.ts';
import type { DiskRecord } from '../state/records.ts';

/** The disks that stand on a disk, on any of its links. */
export function branchesOf(disks: readonly DiskRecord[], id: string): readonly DiskRecord[] {
  return disks.filter(({ branchOf }) => branchOf?.disk === id);
}

/** For a change that rewrites or removes links: nobody may stand on them. `files`: all of them when left out. Errors: HAS_CHILDREN. */
export function requireNoBranches(disks: readonly DiskRecord[], id: string, files?: readonly string[]): void {
  const standing = branchesOf(disks, id).filter(({ branchOf }) => files?.includes(branchOf?.file ?? '') ?? true);
  if (standing.length === 0) return;
  const names = standing.map((disk) => disk.id).join(', ');
  throw new VhdError('HAS_CHILDREN', `disk ${id} is what ${names} ${standing.length === 1 ? 'goes' : 'go'} on from`);
}
