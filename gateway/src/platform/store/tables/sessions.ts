/** Rows of sessions: who was on which desktop, from when to when. Times are ms since 1970. */
export interface SessionTables {
  sessions: SessionRow;
}

export interface SessionRow {
  id: string;
  desktop_id: string;
  desktop_name: string;
  kind: string;
  user_id: string;
  user_name: string;
  mode: string;
  joined_id: string | null;
  address: string | null;
  /** JSON: Via, the sign-in that it was opened with; null in rows of an earlier gateway. */
  via: string | null;
  is_by_consent: number | null;
  /** JSON: SessionPolicy. */
  policy: string;
  state: string;
  /** SessionEnd; null while it has not ended. */
  ended_by: string | null;
  created_at: number;
  live_at: number | null;
  ended_at: number | null;
  bytes_in: number;
  bytes_out: number;
}
