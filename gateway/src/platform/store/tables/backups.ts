/** Backups. Times are ms since 1970; booleans are 0 or 1; what is structured is JSON. */
export interface BackupTables {
  repositories: RepositoryRow;
  restore_points: RestorePointRow;
  backup_anchors: BackupAnchorRow;
  backup_jobs: BackupJobRow;
  backup_runs: BackupRunRow;
}

export interface RepositoryRow {
  id: string;
  name: string;
  /** Where it is: JSON. */
  place: string;
  /** Encrypted with the gateway's key; null: it has none. */
  secret: string | null;
  /** The id that lies in it. */
  own_id: string;
  form: string;
  compression: string;
  is_encrypted: number;
  revision: number;
  created_at: number;
}

/** What lies in a repository, as it was last looked at. */
export interface RestorePointRow {
  repository_id: string;
  vm_id: string;
  point_id: string;
  vm_name: string;
  created_at: number;
  consistency: string;
  reason: string;
  /** Of its disks: JSON. */
  disks: string;
  /** The VM as it was: JSON. */
  definition: string;
  stored_bytes: number;
  job_id: string | null;
  kept_until: number | null;
  /** Why it cannot be read. */
  problem: string | null;
  pinned: number;
  verified_at: number | null;
  /** What verification found: JSON; null: nothing. */
  damage: string | null;
}

/** The snapshot of a disk that the newest restore point in a repository was made from. */
export interface BackupAnchorRow {
  repository_id: string;
  vm_id: string;
  disk_id: string;
  snapshot_id: string;
}

export interface BackupJobRow {
  id: string;
  name: string;
  repository_id: string;
  is_enabled: number;
  /** Cron, in `time_zone`; null: only by hand. */
  schedule: string | null;
  time_zone: string;
  /** Which VMs: JSON. */
  selection: string;
  /** What is kept: JSON; null: everything. */
  retention: string | null;
  /** The time that has been seen to: a later one that has gone by was missed. */
  due_seen: number;
  revision: number;
  created_at: number;
}

export interface BackupRunRow {
  id: string;
  job_id: string | null;
  repository_id: string;
  vm_id: string;
  vm_name: string;
  state: string;
  point_id: string | null;
  kind: string | null;
  data_bytes: number;
  error: string | null;
  started_at: number;
  ended_at: number | null;
}
