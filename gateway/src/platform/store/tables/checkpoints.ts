/** Checkpoints of VMs. Times are ms since 1970; booleans are 0 or 1. */
export interface CheckpointTables {
  checkpoints: CheckpointRow;
  checkpoint_disks: CheckpointDiskRow;
  vm_checkpoint: VmCheckpointRow;
}

export interface CheckpointRow {
  id: string;
  vm_id: string;
  name: string;
  parent_id: string | null;
  consistency: string;
  reason: string;
  has_memory: number;
  made_by: string | null;
  created_at: number;
}

/** A disk as it was then: a snapshot of a disk that the VM has, or had before it was set back. */
export interface CheckpointDiskRow {
  checkpoint_id: string;
  disk_id: string;
  snapshot_id: string;
  device_id: string;
  bus: string;
}

/** The checkpoint that a VM stands on. */
export interface VmCheckpointRow {
  vm_id: string;
  checkpoint_id: string;
}
