/**
 * Long work of the service. A task's record is a file, written when it starts, at each step that a restart has to know
 * of, and when it ends; progress in between stays in memory.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { VhdError } from '../../errors.ts';
import type { Storage } from '../../storage/storage.ts';
import { hasEnded, type TaskInfo, type TaskState } from '../control/task.ts';
import type { WatchEvent } from '../control/watch-event.ts';
import { Feed } from './feed.ts';
import { readJson, writeJson } from './json-file.ts';
import { Lane } from './lane.ts';

/** A task as it is stored. `input` and `saved` are what a resumed task starts from. */
export interface TaskRecord {
  readonly info: TaskInfo;
  readonly input: unknown;
  readonly saved: unknown;
}

/** What the work of a task is given. */
export interface TaskContext {
  readonly signal: AbortSignal;
  /** 0 to 1, or null where nobody can say; and what it is at, in words, where that is something else now. */
  progress(value: number | null, step?: string): void;
  /** Stores where the work is; it is durable when this settles. A resumed task is given the last one. */
  save(value: unknown): Promise<void>;
  /** What a task that was cut off saved last. */
  readonly saved: unknown;
}

/** How a task is started. */
export interface TaskOptions {
  /**
   * Whoever asked hears of the task when it has ended, and what a restart has to know is stored with what it saves first:
   * its record need not outlive a power cut before that.
   */
  readonly isBrief?: boolean;
  /** What it waits for, where others of its lane run. */
  readonly lane?: keyof typeof LANES;
  readonly operationId?: string;
}

/** Tasks of a lane that run at once. What changes a running VM's disk is in none: it never waits for an import. */
const LANES = { import: 2, check: 2 } as const;

export type TaskWork = (context: TaskContext) => Promise<Readonly<Record<string, unknown>> | void>;

/** What records of older versions lack. */
const BLANK = { step: '', operationId: null } as const;

/** Finished tasks that are remembered. */
const KEPT_TASKS = 200;

interface Running {
  readonly controller: AbortController;
  readonly ended: Promise<void>;
}

export class TaskBook {
  readonly #folder: string;
  readonly #storage: Storage;
  readonly #records = new Map<string, TaskRecord>();
  readonly #running = new Map<string, Running>();
  readonly #lanes: Readonly<Record<keyof typeof LANES, Lane>> = {
    import: new Lane(LANES.import),
    check: new Lane(LANES.check),
  };
  readonly feed: Feed<TaskInfo> = new Feed({ all: () => this.list(), get: (id) => this.#records.get(id)?.info });

  constructor(folder: string, storage: Storage) {
    this.#folder = folder;
    this.#storage = storage;
    for (const name of storage.list(folder)) {
      const record = readJson(join(folder, name), storage) as (TaskRecord & { readonly step?: unknown }) | undefined;
      if (record === undefined || name !== `${record.info.id}.json`) continue;
      const { info, input, saved = record.step ?? null } = record;
      this.#records.set(info.id, { info: { ...BLANK, ...info }, input, saved });
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
    return [...this.#records.values()].filter(({ info }) => !hasEnded(info) && !this.#running.has(info.id));
  }

  /** The newest task that was begun under a name. */
  ofOperation(operationId: string): TaskRecord | undefined {
    const [newest] = this.list().filter((info) => info.operationId === operationId);
    return newest === undefined ? undefined : this.#record(newest.id);
  }

  /** Follows one task. Errors: NOT_FOUND. */
  async *watch(id: string, signal?: AbortSignal): AsyncGenerator<WatchEvent<TaskInfo>> {
    this.get(id);
    for await (const event of this.feed.follow(signal, (changed) => changed === id)) {
      yield event.kind === 'all' ? { kind: 'all', all: event.all.filter((task) => task.id === id) } : event;
    }
  }

  /** Errors: NO_SPACE, READ_ONLY, IO; then the task is not there. */
  async start(
    kind: string,
    target: string,
    input: unknown,
    work: TaskWork,
    options: TaskOptions = {},
  ): Promise<TaskInfo> {
    const lane = options.lane === undefined ? undefined : this.#lanes[options.lane];
    const controller = new AbortController();
    const isQueued = lane?.isFull === true;
    const turn = lane?.enter(controller.signal);
    turn?.catch(() => undefined); // Told to the task that waits for it.
    const info: TaskInfo = {
      id: randomUUID(),
      kind,
      target,
      state: isQueued ? 'queued' : 'running',
      progress: null,
      step: '',
      error: null,
      result: null,
      operationId: options.operationId ?? null,
      startedAt: new Date().toISOString(),
      endedAt: null,
    };
    const record = { info, input, saved: null };
    try {
      await this.#store(record, { isSynced: options.isBrief !== true });
    } catch (error) {
      controller.abort(error);
      turn?.then(
        () => lane?.leave(),
        () => undefined,
      );
      throw error;
    }
    this.#keep(record);
    const inLane: TaskWork = async (context) => {
      await turn;
      this.#patch(info.id, { state: 'running' });
      return work(context).finally(() => lane?.leave());
    };
    this.#run(info.id, lane === undefined ? work : inLane, controller);
    this.#forget();
    return info;
  }

  resume(id: string, work: TaskWork): void {
    this.#run(id, work);
  }

  /** Ends a task that was cut off when all of its work was done. */
  finish(id: string, result: TaskInfo['result'] = null): Promise<void> {
    return this.#end(id, 'done', null, result);
  }

  /** Ends a task that was cut off and cannot go on. */
  interrupt(id: string, message: string): Promise<void> {
    return this.#end(id, 'interrupted', { code: 'INTERRUPTED', message });
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
    this.feed.close();
  }
  #isStopping = false;

  #run(id: string, work: TaskWork, controller: AbortController = new AbortController()): void {
    const context: TaskContext = {
      signal: controller.signal,
      progress: (value, step) =>
        this.#patch(id, {
          progress: value === null ? null : Math.max(0, Math.min(1, value)),
          ...(step === undefined ? {} : { step }),
        }),
      save: (saved) => {
        const record = { ...this.#record(id), saved };
        this.#keep(record);
        return this.#store(record);
      },
      saved: this.#record(id).saved,
    };
    const ended = Promise.resolve()
      .then(() => work(context))
      .then(
        (result) => this.#end(id, 'done', null, result ?? null),
        (error: unknown) => {
          if (controller.signal.aborted && this.#isStopping) return undefined;
          const code = error instanceof VhdError ? error.code : 'SERVICE';
          const message = error instanceof Error ? error.message : String(error);
          return this.#end(id, code === 'CANCELLED' ? 'cancelled' : 'failed', { code, message });
        },
      )
      .finally(() => this.#running.delete(id));
    this.#running.set(id, { controller, ended });
  }

  async #end(id: string, state: TaskState, error: TaskInfo['error'], result: TaskInfo['result'] = null): Promise<void> {
    const record = this.#record(id);
    const progress = state === 'done' ? 1 : record.info.progress;
    const info = { ...record.info, state, progress, error, result, endedAt: new Date().toISOString() };
    this.#keep({ ...record, info });
    try {
      // A power cut may take the end of what is done back, as a kill just before it would: the next start finds out how
      // far the work is. What failed was undone, and must not be looked for again.
      await this.#store({ ...record, info }, { isSynced: state !== 'done' });
    } catch {
      // A storage that is full or read-only: the next start finds the task running, and resumes or interrupts it.
    }
  }

  #patch(id: string, change: Partial<TaskInfo>): void {
    const record = this.#record(id);
    this.#keep({ ...record, info: { ...record.info, ...change } });
  }

  #keep(record: TaskRecord): void {
    this.#records.set(record.info.id, record);
    this.feed.changed(record.info.id);
  }

  /** Errors: NO_SPACE, READ_ONLY, IO. */
  #store(record: TaskRecord, options?: { readonly isSynced?: boolean }): Promise<void> {
    return writeJson(join(this.#folder, `${record.info.id}.json`), record, this.#storage, options);
  }

  #record(id: string): TaskRecord {
    const record = this.#records.get(id);
    if (record === undefined) throw new VhdError('NOT_FOUND', `no task ${JSON.stringify(id)}`);
    return record;
  }

  #forget(): void {
    const ended = this.list().filter(hasEnded);
    for (const { id } of ended.slice(KEPT_TASKS)) {
      this.#records.delete(id);
      this.feed.changed(id);
      this.#storage.remove(join(this.#folder, `${id}.json`));
    }
  }
}
