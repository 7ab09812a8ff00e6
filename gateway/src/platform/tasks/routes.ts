/** The API of tasks. */

import { cancelTask, getTask, listTasks } from '../../../api/task.ts';
import { type BoundRoute, bind, type ObjectLookup } from '../api/bind.ts';
import { can, isOwn } from '../rights/rights.ts';
import { parseTimeCursor, timeCursor } from '../store/time.ts';
import { type TaskStore, taskOf } from './task-store.ts';
import type { Tasks } from './tasks.ts';

export function taskRoutes(tasks: Tasks, store: TaskStore): BoundRoute[] {
  return [
    bind(listTasks, async ({ query, principal }) => {
      const startedBy = can(principal, 'settings') ? undefined : principal.userId;
      const { state, target, limit } = query;
      const rows = await store.list({ state, target, startedBy }, limit + 1, parseTimeCursor(query.cursor));
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      const next =
        limit < rows.length && last !== undefined ? timeCursor({ at: last.created_at, id: last.id }) : undefined;
      const mine = items.filter((row) => startedBy === undefined || isOwn(principal, tasks.factsOf(row)));
      return { items: mine.map(taskOf), next };
    }),
    bind(getTask, async ({ params }) => taskOf(await store.require(params.taskId))),
    bind(cancelTask, async ({ params }) => await tasks.cancel(params.taskId)),
  ];
}

/** Whose a task is, for access decisions. */
export function taskLookup(tasks: Tasks, store: TaskStore): ObjectLookup {
  return async (id) => {
    const row = await store.get(id);
    return row === undefined ? undefined : tasks.factsOf(row);
  };
}
