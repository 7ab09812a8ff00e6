/** The audit log's rows; audit/ says how they are chained. */
export interface AuditTables {
  audit: AuditRow;
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
