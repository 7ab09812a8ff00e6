/** What checkpoints need of disks. */
import type { Owner } from '../vms/ports.ts';

/** A disk as a checkpoint has it. */
export interface DiskPoint {
  readonly diskId: string;
  readonly snapshotId: string;
}

export interface CheckpointDisks {
  /** All at one instant, and once for an operation. Errors: CONFLICT where they lie in several storages. */
  snapshot(diskIds: readonly string[], name: string, owner: Owner, operationId: string): Promise<DiskPoint[]>;
  /** What an operation has taken of these disks; empty: nothing. */
  taken(diskIds: readonly string[], operationId: string): Promise<DiskPoint[]>;
  /** An id for a disk that `branch` will make. */
  branchId(point: DiskPoint, name: string): string;
  /** A disk that goes on from that point. Again, with the same id and owner, is no change. */
  branch(diskId: string, name: string, from: DiskPoint, owner: Owner): Promise<void>;
  /** Whether a disk stands on that point. */
  hasBranches(point: DiskPoint): Promise<boolean>;
  /** Folds a snapshot away; the disk holds the same after it. One that is gone is as good. Errors: CONFLICT: a disk stands on it. */
  dropSnapshot(point: DiskPoint, signal?: AbortSignal): Promise<void>;
  /** Throws away what was written since the disk's last snapshot. */
  discard(diskId: string): Promise<void>;
  remove(diskId: string, owner: Owner): Promise<void>;
  disown(diskId: string, owner: Owner): Promise<void>;
}
