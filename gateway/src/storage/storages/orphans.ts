/** What a storage holds that belongs to nobody who is there: found here, removed only when somebody says so. Pure. */
import type { DiskInfo } from '@oriel/vhd';

/** Who there is. Taken after the list of disks: what was made since then is in neither. */
export interface Claims {
  readonly vmIds: ReadonlySet<string>;
  /** By disk: the VM that has it. */
  readonly holders: ReadonlyMap<string, string>;
  /** VMs, jobs and pools that work under way is about, such as a VM that is just being made. */
  readonly underWay: ReadonlySet<string>;
}

export interface Orphan {
  readonly diskId: string;
  /** Null: the whole disk. */
  readonly snapshotId: string | null;
  readonly name: string;
  readonly owner: string;
  readonly storedBytes: number;
  readonly createdAt: string;
  readonly why: string;
  /**
   * `remove`: nobody ever had it, or who had it is gone. `release`: its owner is there and does not have it; it is set free,
   * and what it holds is kept.
   */
  readonly remedy: 'remove' | 'release';
}

export function orphansOf(disks: readonly DiskInfo[], claims: Claims): Orphan[] {
  return disks.flatMap((disk) => {
    const orphan = diskOrphan(disk, claims);
    return orphan === undefined ? snapshotOrphans(disk, claims) : [orphan];
  });
}

function diskOrphan(disk: DiskInfo, claims: Claims): Orphan | undefined {
  if (disk.owner === null || claims.holders.has(disk.id) || claims.underWay.has(disk.owner)) return undefined;
  const [kind = '', id = ''] = splitOwner(disk.owner);
  const facts = { ...factsOf(disk), diskId: disk.id, snapshotId: null, owner: disk.owner };
  if (kind === 'vm' && claims.vmIds.has(id))
    return { ...facts, why: 'its VM is there and does not have it', remedy: 'release' };
  // A disk that is open is somebody's, whoever that is.
  if (kind !== 'vm' || disk.state.state === 'open' || disk.state.state === 'faulted') return undefined;
  return { ...facts, why: 'the VM that it was made for is not there', remedy: 'remove' };
}

/** Of a disk that is somebody's: snapshots whose own owner is gone. */
function snapshotOrphans(disk: DiskInfo, claims: Claims): Orphan[] {
  return disk.snapshots.flatMap((snapshot): Orphan[] => {
    if (snapshot.owner === null || claims.underWay.has(snapshot.owner)) return [];
    const [kind, id = ''] = splitOwner(snapshot.owner);
    if (kind !== 'vm' || claims.vmIds.has(id)) return [];
    const { owner } = snapshot;
    const why = 'the VM that it was taken of is not there';
    return [{ ...factsOf(snapshot), diskId: disk.id, snapshotId: snapshot.id, owner, why, remedy: 'release' }];
  });
}

const splitOwner = (owner: string): string[] => owner.split(':', 2);

function factsOf(
  one: Pick<DiskInfo, 'name' | 'storedBytes' | 'createdAt'>,
): Pick<Orphan, 'name' | 'storedBytes' | 'createdAt'> {
  return { name: one.name, storedBytes: one.storedBytes, createdAt: one.createdAt };
}
