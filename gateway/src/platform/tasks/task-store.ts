/** The rows of tasks: what is kept of long work, so that it survives the gateway. */
import type { ExpressionBuilder, Kysely, Selectable } from 'kysely';
import type { TaskState } from '../../../api/task.ts';
import { Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { Database } from '../store/database.ts';
import type { TaskRow } from '../store/tables/tasks.ts';
import { iso, isoOrNull, type TimePlace } from '../store/time.ts';

type Row = Selectable<TaskRow>;

export interface TaskFilter {
  readonly state?: TaskState | undefined;
  readonly target?: string | undefined;
  /** Only what this user started. */
  readonly startedBy?: string | undefined;
}

const OPEN_STATES = ['queued', 'running'];

export class TaskStore {
  readonly #db: Kysely<Database>;
  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async add(row: TaskRow): Promise<void> {
    await this.#db.insertInto('tasks').values(row).execute();
  }

  async get(id: string): Promise<TaskRow | undefined> {
    return await this.#db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst();
  }

  async require(id: string): Promise<TaskRow> {
    const row = await this.get(id);
    if (row === undefined) throw new GatewayError('NOT_FOUND', `no task ${id}`);
    return row;
  }

  async set(id: string, change: Partial<TaskRow>): Promise<void> {
    await this.#db.updateTable('tasks').set(change).where('id', '=', id).execute();
  }

  /** Oldest first: the order in which they were asked for. */
  async open(): Promise<TaskRow[]> {
    return await this.#db
      .selectFrom('tasks')
      .selectAll()
      .where('state', 'in', OPEN_STATES)
      .orderBy('created_at')
      .execute();
  }

  /** What work under way is about: `vm:…`, `disk:…`. */
  async openTargets(): Promise<Set<string>> {
    const rows = await this.#db
      .selectFrom('tasks')
      .select(['target_type', 'target_id'])
      .where('state', 'in', OPEN_STATES)
      .where('target_id', 'is not', null)
      .execute();
    return new Set(rows.map(({ target_type, target_id }) => `${target_type}:${target_id}`));
  }

  /** Newest first. `before` is the cursor of a page: the last row of the page before. */
  async list(filter: TaskFilter, limit: number, before: TimePlace | undefined): Promise<TaskRow[]> {
    let query = this.#db.selectFrom('tasks').selectAll();
    if (filter.state !== undefined) query = query.where('state', '=', filter.state);
    if (filter.target !== undefined) query = query.where('target_id', '=', filter.target);
    if (filter.startedBy !== undefined) query = query.where('started_by', '=', filter.startedBy);
    if (before !== undefined) {
      query = query.where((e) =>
        e.or([e('created_at', '<', before.at), e.and([e('created_at', '=', before.at), e('id', '<', before.id)])]),
      );
    }
    return await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
  }

  /** BOUNDED: drops the oldest ended tasks; of those that this user (null: the gateway) started, or of all. */
  async prune(keep: number, startedBy?: string | null): Promise<void> {
    const ended = (e: ExpressionBuilder<Database, 'tasks'>) => {
      const isEnded = e('state', 'not in', OPEN_STATES);
      if (startedBy === undefined) return isEnded;
      return e.and([isEnded, startedBy === null ? e('started_by', 'is', null) : e('started_by', '=', startedBy)]);
    };
    const oldestKept = await this.#db
      .selectFrom('tasks')
      .select('created_at')
      .where(ended)
      .orderBy('created_at', 'desc')
      .offset(keep)
      .limit(1)
      .executeTakeFirst();
    if (oldestKept === undefined) return;
    await this.#db.deleteFrom('tasks').where(ended).where('created_at', '<=', oldestKept.created_at).execute();
  }
}

/** A row as the API shows it. */
export function taskOf(row: Row): Task {
  return Task.parse({
    id: row.id,
    kind: row.kind,
    title: row.title,
    target: row.target_type === null ? null : { type: row.target_type, id: row.target_id },
    state: row.state,
    progress: row.progress,
    step: row.step,
    canCancel: row.can_cancel === 1 && row.cancelling === 0 && OPEN_STATES.includes(row.state),
    startedBy: row.started_by,
    createdAt: iso(row.created_at),
    endedAt: isoOrNull(row.ended_at),
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    result: row.result === null ? null : (JSON.parse(row.result) as unknown),
  });
}
