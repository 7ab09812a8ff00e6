/** Long work: what it is about, how far it is, how it ended. It survives a restart of the gateway. */
import { z } from 'zod';
import { pageOf, pageQuery } from './page.ts';
import { route } from './route.ts';

export const TaskState = z.enum(['queued', 'running', 'done', 'failed', 'cancelled']);
export type TaskState = z.infer<typeof TaskState>;

export const Task = z.object({
  id: z.string(),
  /** `image.import`, `disk.copy`, …: which code does the work. */
  kind: z.string(),
  /** For people: "import debian.qcow2". */
  title: z.string(),
  /** What the work is about, where it is one thing. */
  target: z.object({ type: z.enum(['vm', 'host', 'disk', 'image']), id: z.string() }).nullable(),
  state: TaskState,
  /** 0 to 1; null while nobody can say. */
  progress: z.number().min(0).max(1).nullable(),
  /** The step that it is at. */
  step: z.string(),
  canCancel: z.boolean(),
  /** User id, or null where the gateway started it by itself. */
  startedBy: z.string().nullable(),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** What came of it, by kind: the findings of a check, the file of an export. */
  result: z.record(z.string(), z.unknown()).nullable(),
});
export type Task = z.infer<typeof Task>;

export const TaskParams = z.object({ taskId: z.string().max(64) });

export const listTasks = route({
  id: 'task.list',
  method: 'get',
  path: '/tasks',
  summary: 'Lists tasks, newest first; users see their own',
  access: 'signed-in',
  query: pageQuery.extend({ state: TaskState.optional(), target: z.string().max(64).optional() }),
  reply: pageOf(Task),
});
export const getTask = route({
  id: 'task.get',
  method: 'get',
  path: '/tasks/{taskId}',
  summary: 'Shows one task',
  access: { right: 'settings', on: 'task', by: 'taskId', owner: true },
  params: TaskParams,
  reply: Task,
});
export const cancelTask = route({
  id: 'task.cancel',
  method: 'post',
  path: '/tasks/{taskId}/cancel',
  summary: 'Asks a task to stop; it ends as cancelled once what it began is cleaned up',
  access: { right: 'settings', on: 'task', by: 'taskId', owner: true },
  params: TaskParams,
  reply: Task,
  status: 202,
  errors: ['CONFLICT'],
});

/** Live events (events.ts): kind `changed`, data the whole new Task. */
export const TASK_TOPIC = 'task';
