/**
 * Runs long work: a few tasks at a time, with progress, cancel and live events. What was running when the gateway went
 * away is taken up again at the next start, or ended with an error that says so, as its kind declares.
 */
import { randomUUID } from 'node:crypto';
import { LIVE_TOPICS } from '../../../api/desktop.ts';
import type { Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../events/hub.ts';
import type { TaskRow } from '../store/tables/tasks.ts';
import { type TaskStore, taskOf } from './task-store.ts';

export const TASK_LIMITS = {
  running: 4,
  queued: 200,
  keptEnded: 1_000,
  progressEveryMs: 250,
  messageChars: 2_000,
} as const;

export interface TaskContext<Payload> {
  readonly taskId: string;
  /** Aborts when somebody cancels, or when the gateway stops. */
  readonly signal: AbortSignal;
  /** 0 to 1, or undefined where nobody can say. Cheap: called as often as the work likes. */
  readonly progress: (fraction: number | undefined, step: string) => void;
  /** Keeps a new payload, for a run after a restart. Wait for it before the step that relies on it. */
  readonly save: (payload: Payload) => Promise<void>;
}

export interface TaskKind<Payload> {
  readonly kind: string;
  readonly canCancel: boolean;
  /** `resume`: run is called again with the saved payload. `fail`: what is half done is cleaned up by `abandon`. */
  readonly onRestart: 'resume' | 'fail';
  run(payload: Payload, context: TaskContext<Payload>): Promise<void>;
  /** Takes away what a task left half done: after a failure, a cancel, or a restart where it does not resume. */
  abandon?(payload: Payload): Promise<void>;
}

export interface NewTask<Payload> {
  readonly kind: TaskKind<Payload>;
  readonly title: string;
  readonly target?: Task['target'];
  readonly startedBy: string | null;
  readonly payload: Payload;
}

export interface TasksOptions {
  readonly store: TaskStore;
  readonly hub: EventHub;
  readonly log: Logger;
  readonly now: () => number;
}

interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class Tasks {
  readonly #options: TasksOptions;
  readonly #kinds = new Map<string, TaskKind<never>>();
  readonly #queue: string[] = [];
  readonly #running = new Map<string, Running>();
  #isClosing = false;

  constructor(options: TasksOptions) {
    this.#options = options;
  }

  /** Every kind is registered before `resume`. */
  register<Payload>(kind: TaskKind<Payload>): void {
    if (this.#kinds.has(kind.kind)) throw new TypeError(`task kind ${kind.kind} is registered twice`);
    this.#kinds.set(kind.kind, kind as unknown as TaskKind<never>);
  }

  async start<Payload>(asked: NewTask<Payload>): Promise<Task> {
    if (this.#isClosing) throw new GatewayError('STOPPING', 'the gateway is stopping');
    if (TASK_LIMITS.queued <= this.#queue.length) {
      throw new GatewayError('TOO_MANY', `${this.#queue.length} tasks are waiting already`, { retryAfterSeconds: 30 });
    }
    const row: TaskRow = {
      id: randomUUID(),
      kind: asked.kind.kind,
      title: asked.title,
      target_type: asked.target?.type ?? null,
      target_id: asked.target?.id ?? null,
      state: 'queued',
      progress: null,
      step: 'waiting',
      can_cancel: asked.kind.canCancel ? 1 : 0,
      cancelling: 0,
      started_by: asked.startedBy,
      payload: JSON.stringify(asked.payload),
      error_code: null,
      error_message: null,
      created_at: this.#options.now(),
      ended_at: null,
    };
    await this.#options.store.add(row);
    this.#publish(row);
    this.#enqueue(row.id);
    return taskOf(row);
  }

  /** Takes up what an earlier gateway left. */
  async resume(): Promise<void> {
    for (const row of await this.#options.store.open()) {
      const kind = this.#kinds.get(row.kind);
      if (kind?.onRestart === 'resume' && row.cancelling === 0) {
        await this.#options.store.set(row.id, { state: 'queued', step: 'waiting' });
        this.#enqueue(row.id);
        continue;
      }
      await this.#abandon(row);
      if (row.cancelling === 1) await this.#end(row.id, { state: 'cancelled' });
      else await this.#end(row.id, failure('INTERNAL', 'the gateway was restarted while it ran'));
    }
  }

  async cancel(id: string): Promise<Task> {
    const { store } = this.#options;
    const row = await store.require(id);
    if (!taskOf(row).canCancel)
      throw new GatewayError('CONFLICT', `task ${id} cannot be cancelled: it is ${row.state}`);
    await store.set(id, { cancelling: 1 });
    const waiting = this.#queue.indexOf(id);
    if (0 <= waiting) {
      this.#queue.splice(waiting, 1);
      await this.#abandon(row);
      await this.#end(id, { state: 'cancelled' });
    } else {
      this.#running.get(id)?.abort.abort(new GatewayError('CONFLICT', 'the task was cancelled'));
    }
    const after = await store.require(id);
    this.#publish(after);
    return taskOf(after);
  }

  /** Resolves once a task has ended in whatever way; for tests and for the command that waits. */
  async settled(id: string): Promise<Task> {
    for (;;) {
      const running = this.#running.get(id);
      if (running !== undefined) await running.ended;
      else if (!this.#queue.includes(id)) return taskOf(await this.#options.store.require(id));
      else await Promise.race([...this.#running.values()].map((one) => one.ended));
    }
  }

  /** Interrupts what runs; those tasks stay open in the store and are taken up again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#queue.length = 0;
    for (const { abort } of this.#running.values())
      abort.abort(new GatewayError('STOPPING', 'the gateway is stopping'));
    await Promise.all([...this.#running.values()].map((one) => one.ended));
  }

  #enqueue(id: string): void {
    this.#queue.push(id);
    this.#pump();
  }

  #pump(): void {
    while (!this.#isClosing && this.#running.size < TASK_LIMITS.running) {
      const id = this.#queue.shift();
      if (id === undefined) return;
      const abort = new AbortController();
      const ended = this.#run(id, abort.signal)
        .catch((error: unknown) => this.#options.log.error({ err: error, task: id }, 'task-lost'))
        .finally(() => {
          this.#running.delete(id);
          this.#pump();
        });
      this.#running.set(id, { abort, ended });
    }
  }

  async #run(id: string, signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    const row = await store.require(id);
    const kind = this.#kinds.get(row.kind);
    if (kind === undefined) {
      await this.#end(id, failure('NOT_SUPPORTED', `this gateway knows no task of kind ${row.kind}`));
      return;
    }
    await store.set(id, { state: 'running', step: 'starting' });
    this.#publish({ ...row, state: 'running', step: 'starting' });
    const progress = this.#progressOf(row);
    try {
      signal.throwIfAborted();
      await kind.run(JSON.parse(row.payload) as never, {
        taskId: id,
        signal,
        progress: progress.report,
        save: (payload) => store.set(id, { payload: JSON.stringify(payload) }),
      });
      progress.stop();
      await this.#end(id, { state: 'done', progress: 1, step: 'done' });
    } catch (error) {
      progress.stop();
      if (this.#isClosing && signal.aborted) return; // Stays open: the next gateway takes it up.
      await this.#abandon(await store.require(id));
      const wasCancelled = (await store.require(id)).cancelling === 1;
      if (!wasCancelled) log.warn({ err: error, task: id, kind: row.kind }, 'task-failed');
      await this.#end(id, wasCancelled ? { state: 'cancelled' } : failureOf(error));
    }
  }

  async #abandon(row: TaskRow): Promise<void> {
    try {
      await this.#kinds.get(row.kind)?.abandon?.(JSON.parse(row.payload) as never);
    } catch (error) {
      this.#options.log.error({ err: error, task: row.id, kind: row.kind }, 'task-cleanup-failed');
    }
  }

  async #end(id: string, change: Partial<TaskRow>): Promise<void> {
    const { store, now } = this.#options;
    await store.set(id, { ...change, ended_at: now() });
    this.#publish(await store.require(id));
    await store.prune(TASK_LIMITS.keptEnded);
  }

  /** Reports at most every `progressEveryMs`, and only one write is on its way at a time. */
  #progressOf(row: TaskRow): { report: TaskContext<never>['progress']; stop: () => void } {
    let last = 0;
    let isStopped = false;
    const report = (fraction: number | undefined, step: string): void => {
      const now = this.#options.now();
      if (isStopped || now - last < TASK_LIMITS.progressEveryMs) return;
      last = now;
      const change = { progress: fraction === undefined ? null : Math.min(1, Math.max(0, fraction)), step };
      this.#publish({ ...row, state: 'running', ...change });
      void this.#options.store.set(row.id, change).catch(() => undefined);
    };
    return { report, stop: () => void (isStopped = true) };
  }

  #publish(row: TaskRow): void {
    const audience =
      row.started_by === null
        ? { right: 'settings' as const }
        : { ownerId: row.started_by, right: 'settings' as const };
    this.#options.hub.publish(LIVE_TOPICS.task, { kind: 'changed', id: row.id, data: taskOf(row) }, audience);
  }
}

function failure(code: string, message: string): Partial<TaskRow> {
  return { state: 'failed', error_code: code, error_message: message.slice(0, TASK_LIMITS.messageChars) };
}

function failureOf(error: unknown): Partial<TaskRow> {
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  return failure(typeof code === 'string' ? code : 'INTERNAL', message);
}
