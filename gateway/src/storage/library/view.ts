/** Images, disks and snapshots as the API shows them. Pure. NO-SECRET-OUT: what the disk service says may hold paths. */
import type { DiskInfo, ImageInfo, SnapshotInfo } from '@oriel/vhd';
import type { Disk } from '../../../api/disk.ts';
import { referenceOf } from '../storages/reference.ts';

/** The VM that has a disk. */
export type Holder = { readonly id: string; readonly name: string } | undefined;

const UNUSABLE = 'its file cannot be used';
const FAILING = 'its storage fails: a VM that writes to it waits until it works again';

export function imageView(storageId: string, image: ImageInfo): Disk {
  return {
    id: referenceOf({ storageId, id: image.id }),
    storageId,
    name: image.name,
    description: image.description ?? '',
    kind: image.kind,
    sizeBytes: image.sizeBytes,
    storedBytes: image.storedBytes,
    parentId: null,
    ofDiskId: null,
    chainLength: 1,
    childCount: image.childCount,
    isSealed: image.isSealed,
    vm: null,
    owner: image.owner,
    health:
      image.health.state === 'ok' ? { state: 'ok' } : { state: 'broken', code: image.health.code, message: UNUSABLE },
    createdAt: image.createdAt,
  };
}

export function diskView(storageId: string, disk: DiskInfo, holder: Holder): Disk {
  const parent = disk.snapshots.at(-1)?.id ?? baseOf(disk);
  return {
    id: referenceOf({ storageId, id: disk.id }),
    storageId,
    name: disk.name,
    description: disk.description ?? '',
    kind: 'disk',
    sizeBytes: disk.sizeBytes,
    storedBytes: disk.storedBytes,
    parentId: parent === null ? null : referenceOf({ storageId, id: parent }),
    ofDiskId: null,
    chainLength: disk.chainLength,
    childCount: 0,
    isSealed: false,
    vm: holder === undefined ? null : { id: holder.id, name: holder.name },
    owner: disk.owner,
    health: healthOf(disk),
    createdAt: disk.createdAt,
  };
}

function healthOf({ state }: Pick<DiskInfo, 'state'>): Disk['health'] {
  switch (state.state) {
    case 'broken':
      return { state: 'broken', code: state.code, message: UNUSABLE };
    case 'faulted':
      return { state: 'faulted', code: state.fault.code, message: FAILING, since: state.fault.since };
    case 'closed':
    case 'open':
      return { state: 'ok' };
  }
}

/** What the oldest link of a disk stands on: a snapshot of another disk, or an image. */
function baseOf({ branchOf, imageId }: DiskInfo): string | null {
  return branchOf?.snapshotId ?? imageId;
}

/** `at`: its place in the disk's list, the oldest first. */
export function snapshotView(storageId: string, disk: DiskInfo, snapshot: SnapshotInfo, at: number): Disk {
  const parent = disk.snapshots[at - 1]?.id ?? baseOf(disk);
  return {
    id: referenceOf({ storageId, id: snapshot.id }),
    storageId,
    name: snapshot.name,
    description: snapshot.description ?? '',
    kind: 'snapshot',
    sizeBytes: disk.sizeBytes,
    storedBytes: snapshot.storedBytes,
    parentId: parent === null ? null : referenceOf({ storageId, id: parent }),
    ofDiskId: referenceOf({ storageId, id: disk.id }),
    chainLength: disk.chainLength - disk.snapshots.length + at,
    childCount: 1,
    isSealed: true,
    vm: null,
    owner: snapshot.owner,
    health: { state: 'ok' },
    createdAt: snapshot.createdAt,
  };
}
