/**
 * Runs long work: a few tasks at a time, with progress, cancel and live events. What was running when the gateway went
 * away is taken up again at the next start, or ended with an error that says so, as its kind declares.
 */
import { randomUUID } from 'node:crypto';
import type { Right } from '../../../api/rights.ts';
import { TASK_TOPIC, type Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../events/hub.ts';
import type { ObjectFacts } from '../rights/rights.ts';
import type { TaskRow } from '../store/tables/tasks.ts';
import { type Lane, Lanes } from './lanes.ts';
import { type TaskStore, taskOf } from './task-store.ts';

export const TASK_LIMITS = {
  queued: 400,
  /** Of one person; those of the gateway itself are one more. */
  queuedEach: 100,
  keptEnded: 2_000,
  /** Of one person: their newest; nobody pushes out what others did. */
  keptEndedEach: 250,
  progressEveryMs: 250,
  messageChars: 2_000,
  resultChars: 262_144,
} as const;

export interface TaskContext<Payload> {
  readonly taskId: string;
  /** Aborts when somebody cancels, or when the gateway stops. */
  readonly signal: AbortSignal;
  /** 0 to 1, or undefined where nobody can say. Cheap: called as often as the work likes. */
  readonly progress: (fraction: number | undefined, step: string) => void;
  /** Says what came of it, for whoever asked: JSON, at most `resultChars` of it. */
  readonly result: (value: Readonly<Record<string, unknown>>) => void;
  /** Keeps a new payload, for a run after a restart. Wait for it before the step that relies on it. */
  readonly save: (payload: Payload) => Promise<void>;
}

export interface TaskKind<Payload> {
  readonly kind: string;
  /** The right that somebody must hold who began such work, to see it and to end it; on its VM, where it is about one. */
  readonly needs: Right;
  /** Work of one lane never waits for work of another. */
  readonly lane: Lane;
  readonly canCancel: boolean;
  /** `resume`: run is called again with the saved payload. `fail`: what is half done is cleaned up by `abandon`. */
  readonly onRestart: 'resume' | 'fail';
  run(payload: Payload, context: TaskContext<Payload>): Promise<void>;
  /**
   * Takes away what a task left half done: after a failure, a cancel, or a restart where it does not resume. Called again
   * where a restart cut it off. What it throws is added to the task's error: somebody has to know what was left.
   */
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

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class Tasks {
  readonly #options: TasksOptions;
  readonly #kinds = new Map<string, TaskKind<never>>();
  readonly #lanes = new Lanes();
  readonly #running = new Map<string, Running>();
  /** Who waits for the outcome of a task that was asked for with `run`. */
  readonly #waiting = new Map<string, Waiting>();
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
    const row = await this.#add(asked);
    this.#enqueue(row, asked.kind.lane);
    return taskOf(row);
  }

  /** The same for who waits for it: settles when it has ended. Errors: what the work failed with; CONFLICT where cancelled. */
  async run<Payload>(asked: NewTask<Payload>): Promise<void> {
    const row = await this.#add(asked);
    const { id } = row;
    const outcome = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#enqueue(row, asked.kind.lane);
    await outcome;
  }

  async #add<Payload>(asked: NewTask<Payload>): Promise<TaskRow> {
    if (this.#isClosing) throw new GatewayError('STOPPING', 'the gateway is stopping');
    const [all, own] = [this.#lanes.waiting(), this.#lanes.waiting(whoOf(asked.startedBy))];
    if (TASK_LIMITS.queued <= all || TASK_LIMITS.queuedEach <= own) {
      throw new GatewayError('TOO_MANY', `${all} tasks are waiting already, ${own} of them yours`, {
        retryAfterSeconds: 30,
      });
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
      result: null,
      created_at: this.#options.now(),
      ended_at: null,
    };
    await this.#options.store.add(row);
    this.#publish(row);
    return row;
  }

  /** Takes up what an earlier gateway left. */
  async resume(): Promise<void> {
    for (const row of await this.#options.store.open()) {
      const kind = this.#kinds.get(row.kind);
      const wasFailing = row.error_code !== null;
      if (kind?.onRestart === 'resume' && row.cancelling === 0 && !wasFailing) {
        await this.#options.store.set(row.id, { state: 'queued', step: 'waiting' });
        this.#enqueue(row, kind.lane);
        continue;
      }
      const why = wasFailing
        ? { code: row.error_code ?? 'INTERNAL', message: row.error_message ?? '' }
        : { code: 'INTERNAL', message: 'the gateway was restarted while it ran' };
      await this.#endAbandoned(row, why);
    }
  }

  async cancel(id: string): Promise<Task> {
    const { store } = this.#options;
    const row = await store.require(id);
    if (!taskOf(row).canCancel)
      throw new GatewayError('CONFLICT', `task ${id} cannot be cancelled: it is ${row.state}`);
    await store.set(id, { cancelling: 1 });
    const why = new GatewayError('CONFLICT', 'the task was cancelled');
    if (this.#lanes.drop(id)) {
      await this.#endAbandoned(await store.require(id), { code: why.code, message: why.message });
      this.#settle(id, why);
    } else {
      this.#running.get(id)?.abort.abort(why);
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
      else if (!this.#lanes.holds(id)) return taskOf(await this.#options.store.require(id));
      else await Promise.race([...this.#running.values()].map((one) => one.ended));
    }
  }

  /** Interrupts what runs; those tasks stay open in the store and are taken up again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#lanes.clear();
    const why = new GatewayError('STOPPING', 'the gateway is stopping');
    for (const { abort } of this.#running.values()) abort.abort(why);
    await Promise.all([...this.#running.values()].map((one) => one.ended));
    for (const id of this.#waiting.keys()) this.#settle(id, why);
  }

  #enqueue({ id, started_by }: Pick<TaskRow, 'id' | 'started_by'>, lane: Lane): void {
    this.#lanes.add(id, lane, whoOf(started_by));
    this.#pump();
  }

  #pump(): void {
    while (!this.#isClosing) {
      const next = this.#lanes.take();
      if (next === undefined) return;
      const { id, free } = next;
      const abort = new AbortController();
      const ended = this.#run(id, abort.signal)
        .then(
          (error) => this.#settle(id, error),
          (error: unknown) => {
            this.#options.log.error({ err: error, task: id }, 'task-lost');
            this.#settle(id, error);
          },
        )
        .finally(() => {
          this.#running.delete(id);
          free();
          this.#pump();
        });
      this.#running.set(id, { abort, ended });
    }
  }

  #settle(id: string, error: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || !this.#waiting.delete(id)) return;
    if (error === undefined) waiting.resolve();
    else waiting.reject(error);
  }

  /** Gives what it failed with, or undefined where it did not. */
  async #run(id: string, signal: AbortSignal): Promise<unknown> {
    const { store, log } = this.#options;
    const row = await store.require(id);
    const kind = this.#kinds.get(row.kind);
    if (kind === undefined) {
      const unknown = new GatewayError('NOT_SUPPORTED', `this gateway knows no task of kind ${row.kind}`);
      await this.#end(id, failureOf(unknown));
      return unknown;
    }
    await store.set(id, { state: 'running', step: 'starting' });
    this.#publish({ ...row, state: 'running', step: 'starting' });
    const progress = this.#progressOf(row);
    let result: string | null = null;
    try {
      signal.throwIfAborted();
      await kind.run(JSON.parse(row.payload) as never, {
        taskId: id,
        signal,
        progress: progress.report,
        result: (value) => void (result = resultText(value)),
        save: (payload) => store.set(id, { payload: JSON.stringify(payload) }),
      });
      progress.stop();
      await this.#end(id, { state: 'done', progress: 1, step: 'done', result });
      return undefined;
    } catch (error) {
      progress.stop();
      if (this.#isClosing && signal.aborted) return signal.reason; // Stays open: the next gateway takes it up.
      // Kept before the clean-up: one that a kill cuts off goes on cleaning up, it does not begin again.
      const why = failureFacts(error);
      await store.set(id, { error_code: why.code, error_message: why.message, step: 'cleaning up' });
      const failed = await store.require(id);
      if (failed.cancelling === 0) log.warn({ err: error, task: id, kind: row.kind }, 'task-failed');
      await this.#endAbandoned(failed, why);
      return error;
    }
  }

  /** Takes away what it left, and ends it as cancelled or failed. What cannot be taken away is said in its error. */
  async #endAbandoned(row: TaskRow, why: { readonly code: string; readonly message: string }): Promise<void> {
    const isCancelled = row.cancelling === 1;
    try {
      await this.#kinds.get(row.kind)?.abandon?.(JSON.parse(row.payload) as never);
      await this.#end(row.id, isCancelled ? CANCELLED : failure(why.code, why.message));
    } catch (error) {
      this.#options.log.error({ err: error, task: row.id, kind: row.kind }, 'task-cleanup-failed');
      const left = `what it had begun could not be taken away: ${failureFacts(error).message}`;
      await this.#end(
        row.id,
        failure(why.code, isCancelled ? `it was cancelled, but ${left}` : `${why.message}; ${left}`),
      );
    }
  }

  async #end(id: string, change: Partial<TaskRow>): Promise<void> {
    const { store, now } = this.#options;
    await store.set(id, { ...change, ended_at: now() });
    const row = await store.require(id);
    this.#publish(row);
    await store.prune(TASK_LIMITS.keptEndedEach, row.started_by);
    await store.prune(TASK_LIMITS.keptEnded);
  }

  /** A new step at once, progress within one at most every `progressEveryMs`. */
  #progressOf(row: TaskRow): { report: TaskContext<never>['progress']; stop: () => void } {
    let last = 0;
    let lastStep = '';
    let isStopped = false;
    const report = (fraction: number | undefined, step: string): void => {
      const now = this.#options.now();
      if (isStopped || (step === lastStep && now - last < TASK_LIMITS.progressEveryMs)) return;
      last = now;
      lastStep = step;
      const change = { progress: fraction === undefined ? null : Math.min(1, Math.max(0, fraction)), step };
      this.#publish({ ...row, state: 'running', ...change });
      void this.#options.store.set(row.id, change).catch(() => undefined);
    };
    return { report, stop: () => void (isStopped = true) };
  }

  /** Whose a task is, and what its owner must hold, for access decisions. */
  factsOf(row: Pick<TaskRow, 'kind' | 'started_by' | 'target_type' | 'target_id'>): ObjectFacts {
    const desktopId = row.target_type === 'vm' ? (row.target_id ?? undefined) : undefined;
    const ownerNeeds = this.#kinds.get(row.kind)?.needs ?? 'settings';
    return { ownerId: row.started_by ?? undefined, ownerNeeds, desktopId };
  }

  #publish(row: TaskRow): void {
    const audience = { ...this.factsOf(row), right: 'settings' as const };
    this.#options.hub.publish(TASK_TOPIC, { kind: 'changed', id: row.id, data: taskOf(row) }, audience);
  }
}

function resultText(value: Readonly<Record<string, unknown>>): string {
  const text = JSON.stringify(value);
  if (TASK_LIMITS.resultChars < text.length) throw new TypeError(`a task's result has ${text.length} characters`);
  return text;
}

/** Who is served in turn. */
const whoOf = (startedBy: string | null): string => startedBy ?? '-';

/** One that was cancelled did not fail. */
const CANCELLED: Partial<TaskRow> = { state: 'cancelled', error_code: null, error_message: null };

function failure(code: string, message: string): Partial<TaskRow> {
  return { state: 'failed', error_code: code, error_message: message.slice(0, TASK_LIMITS.messageChars) };
}

function failureOf(error: unknown): Partial<TaskRow> {
  const { code, message } = failureFacts(error);
  return failure(code, message);
}

function failureFacts(error: unknown): { readonly code: string; readonly message: string } {
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  return { code: typeof code === 'string' ? code : 'INTERNAL', message: message.slice(0, TASK_LIMITS.messageChars) };
}
