/** Long work. Times are ms since 1970; JSON is text; booleans are 0 or 1. */
export interface TaskTables {
  tasks: TaskRow;
}

export interface TaskRow {
  id: string;
  kind: string;
  title: string;
  target_type: string | null;
  target_id: string | null;
  state: string;
  progress: number | null;
  step: string;
  can_cancel: number;
  /** Asked to cancel; it has not ended yet. */
  cancelling: number;
  started_by: string | null;
  /** JSON: what the kind needs to run, and to go on after a restart. */
  payload: string;
  error_code: string | null;
  error_message: string | null;
  /** JSON: what came of it. */
  result: string | null;
  created_at: number;
  ended_at: number | null;
}
