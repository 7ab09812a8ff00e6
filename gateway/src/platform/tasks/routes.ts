/** The API of tasks. */

import { cancelTask, getTask, listTasks } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind, type ObjectLookup } from '../api/bind.ts';
import { can } from '../rights/rights.ts';
import { type TaskStore, taskOf } from './task-store.ts';
import type { Tasks } from './tasks.ts';

export function taskRoutes(tasks: Tasks, store: TaskStore): BoundRoute[] {
  return [
    bind(listTasks, async ({ query, principal }) => {
      const startedBy = can(principal, 'settings') ? undefined : principal.userId;
      const { state, target, limit } = query;
      const rows = await store.list({ state, target, startedBy }, limit + 1, parseCursor(query.cursor));
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      const next = limit < rows.length && last !== undefined ? `${last.created_at}.${last.id}` : undefined;
      return { items: items.map(taskOf), next };
    }),
    bind(getTask, async ({ params }) => taskOf(await store.require(params.taskId))),
    bind(cancelTask, async ({ params }) => await tasks.cancel(params.taskId)),
  ];
}

/** Whose a task is, for access decisions. */
export function taskLookup(store: TaskStore): ObjectLookup {
  return async (id) => {
    const row = await store.get(id);
    return row === undefined ? undefined : { ownerId: row.started_by ?? undefined };
  };
}

function parseCursor(cursor: string | undefined): { at: number; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const match = /^(\d{1,15})\.([0-9a-f-]{1,36})$/.exec(cursor);
  if (match === null) throw new GatewayError('BAD_REQUEST', 'the cursor is not one of ours');
  return { at: Number(match[1]), id: match[2] ?? '' };
}
