/**
 * Long work of the service. A task's record is a file, written when it starts, at each step that a restart has to know
 * of, and when it ends; progress in between stays in memory.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { VhdError } from '../../errors.ts';
import type { TaskInfo, TaskState } from '../control/api.ts';
import { readJson, writeJson } from './json-file.ts';

/** A task as it is stored. `input` and `step` are what a resumed task starts from. */
export interface TaskRecord {
  readonly info: TaskInfo;
  readonly input: unknown;
  readonly step: unknown;
}

/** What the work of a task is given. */
export interface TaskContext {
  readonly signal: AbortSignal;
  /** 0 to 1. */
  progress(value: number): void;
  /** Stores where the work is; it is durable when this returns. A resumed task is given the last one. */
  reached(step: unknown): void;
  /** The last step of a task that was cut off. */
  readonly step: unknown;
}

export type TaskWork = (context: TaskContext) => Promise<Readonly<Record<string, unknown>> | void>;

/** Finished tasks that are remembered. */
const KEPT_TASKS = 200;

interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export class TaskBook {
  readonly #folder: string;
  readonly #records = new Map<string, TaskRecord>();
  readonly #running = new Map<string, Running>();

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of readdirSync(folder)) {
      const record = readJson(join(folder, name)) as TaskRecord | undefined;
      if (record !== undefined && name === `${record.info.id}.json`) this.#records.set(record.info.id, record);
    }
  }

  /** Newest first. */
  list(): readonly TaskInfo[] {
    return [...this.#records.values()].map(({ info }) => info).sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  }

  /** Errors: NOT_FOUND. */
  get(id: string): TaskInfo {
    return this.#record(id).info;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Tasks that a killed service left running. Each has to be resumed or ended by whoever knows its kind. */
  interrupted(): readonly TaskRecord[] {
    return [...this.#records.values()].filter(({ info }) => info.state === 'running' && !this.#running.has(info.id));
  }

  /**
   * `isBrief`: whoever asked hears of the task when it has ended, and what a restart has to know is stored with its first
   * step: its record need not outlive a power cut before that.
   */
  start(
    kind: string,
    target: string,
    input: unknown,
    work: TaskWork,
    options: { readonly isBrief?: boolean } = {},
  ): TaskInfo {
    const info: TaskInfo = {
      id: randomUUID(),
      kind,
      target,
      state: 'running',
      progress: null,
      error: null,
      result: null,
      startedAt: new Date().toISOString(),
      endedAt: null,
    };
    this.#store({ info, input, step: null }, { isSynced: options.isBrief !== true });
    this.#run(info.id, work);
    this.#forget();
    return info;
  }

  resume(id: string, work: TaskWork): void {
    this.#run(id, work);
  }

  /** Ends a task that was cut off and cannot go on. */
  interrupt(id: string, message: string): void {
    this.#end(id, 'interrupted', { code: 'SERVICE', message });
  }

  /** Asks a task to stop; it ends as cancelled once what it began is cleaned up. Errors: NOT_FOUND. */
  cancel(id: string): TaskInfo {
    const { info } = this.#record(id);
    this.#running.get(id)?.controller.abort(new VhdError('CANCELLED', 'the task was cancelled'));
    return info;
  }

  /** Settles when a task has ended. */
  async ended(id: string): Promise<TaskInfo> {
    await this.#running.get(id)?.ended;
    return this.get(id);
  }

  /** For a shutdown: stops every task where it stands, without ending it; it is resumed or interrupted at the next start. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    this.#isStopping = true;
    for (const { controller } of running) controller.abort(new VhdError('CANCELLED', 'the service stops'));
    await Promise.all(running.map(({ ended }) => ended));
  }
  #isStopping = false;

  #run(id: string, work: TaskWork): void {
    const controller = new AbortController();
    const context: TaskContext = {
      signal: controller.signal,
      progress: (value) => this.#patch(id, { progress: Math.max(0, Math.min(1, value)) }),
      reached: (step) => this.#store({ ...this.#record(id), step }),
      step: this.#record(id).step,
    };
    const ended = Promise.resolve()
      .then(() => work(context))
      .then(
        (result) => this.#end(id, 'done', null, result ?? null),
        (error: unknown) => {
          if (controller.signal.aborted && this.#isStopping) return;
          const code = error instanceof VhdError ? error.code : 'SERVICE';
          const message = error instanceof Error ? error.message : String(error);
          this.#end(id, code === 'CANCELLED' ? 'cancelled' : 'failed', { code, message });
        },
      )
      .finally(() => this.#running.delete(id));
    this.#running.set(id, { controller, ended });
  }

  #end(id: string, state: TaskState, error: TaskInfo['error'], result: TaskInfo['result'] = null): void {
    const record = this.#record(id);
    const progress = state === 'done' ? 1 : record.info.progress;
    const info = { ...record.info, state, progress, error, result, endedAt: new Date().toISOString() };
    this.#records.set(id, { ...record, info });
    try {
      // A power cut may take this back, as a kill just before it would: the next start finds out how far the work is.
      this.#store({ ...record, info }, { isSynced: false });
    } catch {
      // A storage that is full or read-only: the next start finds the task running, and resumes or interrupts it.
    }
  }

  #patch(id: string, change: Partial<TaskInfo>): void {
    const record = this.#record(id);
    this.#records.set(id, { ...record, info: { ...record.info, ...change } });
  }

  /** Errors: NO_SPACE, READ_ONLY, IO; then nothing has changed. */
  #store(record: TaskRecord, options?: { isSynced?: boolean }): void {
    writeJson(join(this.#folder, `${record.info.id}.json`), record, options);
    this.#records.set(record.info.id, record);
  }

  #record(id: string): TaskRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw new VhdError('NOT_FOUND', `no task ${JSON.stringify(id)}`);
    return record;
  }

  #forget(): void {
    const ended = this.list().filter(({ state }) => state !== 'running');
    for (const { id } of ended.slice(KEPT_TASKS)) {
      this.#records.delete(id);
      rmSync(join(this.#folder, `${id}.json`), { force: true });
    }
  }
}
