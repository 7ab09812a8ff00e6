/** Disks that go on from a snapshot of another disk: what they stand on stays as it is (SEALED-STAYS). Pure. */
import { VhdError } from '../../errors.ts';
import type { DiskInfo } from '../control/api.ts';
import type { DiskRecord, Records } from '../state/records.ts';

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

type Known = Pick<Records, 'disks' | 'basePath'>;

/** Of a disk that is closed: its own links, and what lies below them. */
export function chainLengthOf(record: DiskRecord, records: Known): number {
  const { branchOf } = record;
  const trunk = branchOf === null ? undefined : records.disks().find(({ id }) => id === branchOf.disk);
  if (trunk === undefined || branchOf === null)
    return record.links.length + (records.basePath(record) === undefined ? 0 : 1);
  const above = trunk.links.length - 1 - trunk.links.indexOf(branchOf.file);
  return record.links.length + chainLengthOf(trunk, records) - above;
}

/** The snapshot of another disk that a disk goes on from. */
export function trunkOf({ branchOf }: DiskRecord, records: Known): DiskInfo['branchOf'] {
  if (branchOf === null) return null;
  const trunk = records.disks().find(({ id }) => id === branchOf.disk);
  const snapshot = trunk?.snapshots.find(({ file }) => file === branchOf.file);
  return { diskId: branchOf.disk, snapshotId: snapshot?.id ?? '' };
}
