/** The audit log's rows; audit/ says how they are chained. */
export interface AuditTables {
  audit: AuditRow;
  audit_start: AuditStartRow;
}

export interface AuditRow {
  /** Counts up from 1 without a gap. */
  seq: number;
  at: number;
  /** The line as it was hashed: canonical JSON. */
  line: string;
  /** SHA-256 (hex) over the previous hash and the line. */
  hash: string;
  /** Copies of fields in `line`, to search by. */
  actor_id: string | null;
  action: string;
  target: string | null;
  outcome: string;
}

/** One row once old lines were let go; none before. */
export interface AuditStartRow {
  /** Always 1. */
  id: number;
  /** The newest line that is gone, and its hash, which the first that is left follows. */
  seq: number;
  hash: string;
}
