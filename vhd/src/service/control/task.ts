/** Long work in words and numbers: the language of all task books, see docs/design/tasks.md. */

/** `interrupted`: the service ended and the work could not go on; it is the caller's to begin it again. */
export type TaskState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

/** Long work. It survives a restart: what can be resumed goes on, the rest ends as `interrupted`. */
export interface TaskInfo {
  readonly id: string;
  readonly kind: string;
  /** The disk or image it works on. */
  readonly target: string;
  readonly state: TaskState;
  /** 0 to 1; null while nobody can say. */
  readonly progress: number | null;
  /** What it is at, in words for people; of one that failed, what it was at. */
  readonly step: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** What came of it, by kind: an image's id for an import. */
  readonly result: Readonly<Record<string, unknown>> | null;
  /** The name that whoever began it gave to it, to find it again. */
  readonly operationId: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** True when nothing of the task will change any more. */
export function hasEnded({ state }: Pick<TaskInfo, 'state'>): boolean {
  return state !== 'queued' && state !== 'running';
}
