/** VMs, their disks and their logs. Times are ms since 1970; JSON is text; booleans are 0 or 1. */
export interface VmTables {
  vms: VmRow;
  vm_disks: VmDiskRow;
  vm_log: VmLogRow;
}

export interface VmRow {
  id: string;
  name: string;
  description: string;
  host_id: string;
  wanted: string;
  wanted_at: number;
  /** Stop at once; throw a saved state away. */
  force: number;
  /** `keep` or `delete`: what becomes of the disks of a VM that is being deleted; null: it is not. */
  deleting: string | null;
  /** JSON: VmHardware. */
  hardware: string;
  cd_image_id: string | null;
  /** Goes up with each change that the host must hear of. */
  generation: number;
  /** Goes up with each change. */
  revision: number;
  created_at: number;
  updated_at: number;
}

/** ONE-WRITER begins here: `disk_id` is the key, so a disk has one VM or none. */
export interface VmDiskRow {
  disk_id: string;
  vm_id: string;
  /** `disk0`, `disk1`, …: what the host and the guest agree on; it stays when other disks come and go. */
  device_id: string;
  bus: string;
}

export interface VmLogRow {
  vm_id: string;
  seq: number;
  at: number;
  level: string;
  event: string;
  message: string;
}
