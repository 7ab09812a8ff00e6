/**
 * Runs a driver's long verbs as Tasks: one at a time per VM, with progress, cancel and an outcome that stays readable for
 * a while. What makes a task survive a restart is the driver's own record; it starts it again here under the same id.
 */
import { randomBytes } from 'node:crypto';
import type { Task, TaskStatus } from './driver.ts';
import { HostError, type HostErrorCode, toHostError } from './errors.ts';
import { type TaskId, taskId, type VmId } from './ids.ts';

export const TASK_LIMITS = { finished: 512, running: 4096 } as const;

/** What the work of a task sees. */
export interface TaskControl {
  readonly id: TaskId;
  /** Aborts when somebody cancels. The work decides where it can stop; it rejects with TASK_CANCELLED when it did. */
  readonly signal: AbortSignal;
  progress(fraction: number, step: string): void;
}

export interface TaskRequest {
  readonly kind: string;
  readonly vm: VmId;
  /** Given when an earlier driver's task goes on. */
  readonly id?: TaskId;
  readonly startedAt?: number;
  /** Runs even while another task holds the VM. */
  readonly overtakes?: boolean;
}

export class TaskBook {
  readonly #onChange: (task: Task<unknown>) => void;
  readonly #running = new Map<TaskId, Task<unknown>>();
  readonly #finished: Task<unknown>[] = [];
  readonly #holders = new Map<VmId, Task<unknown>>();
  readonly #now: () => number;

  constructor(onChange: (task: Task<unknown>) => void, now: () => number = Date.now) {
    this.#onChange = onChange;
    this.#now = now;
  }

  /** Never throws: a VM that is held fails the task with VM_BUSY. */
  run<Result>(request: TaskRequest, work: (control: TaskControl) => Promise<Result>): Task<Result> {
    const holder = this.#holders.get(request.vm);
    const refusal = this.#refusal(request, holder);
    const abort = new AbortController();
    let status: TaskStatus = { state: 'running', progress: null, step: request.kind, error: null };
    const id = request.id ?? taskId(`${request.vm}.${randomBytes(6).toString('hex')}`);
    const change = (next: TaskStatus): void => {
      status = next;
      this.#onChange(task as Task<unknown>);
    };
    const control: TaskControl = {
      id,
      signal: abort.signal,
      progress: (fraction, step) => {
        const before = status.progress ?? 0; // It does not go back.
        if (status.state === 'running') change({ ...status, progress: Math.min(1, Math.max(before, fraction)), step });
      },
    };
    const done = (refusal === undefined ? attempt(() => work(control)) : Promise.reject(refusal)).then(
      (result) => {
        this.#end(task as Task<unknown>);
        change({ ...status, state: 'done', progress: 1 });
        return result;
      },
      (thrown: unknown) => {
        const error = toHostError(thrown, 'HOST_PROTOCOL', request.kind);
        this.#end(task as Task<unknown>);
        const { code, message } = error;
        change({ ...status, state: endOf(code), error: { code, message } });
        throw error;
      },
    );
    const settled = done.then(
      () => undefined,
      () => undefined,
    );
    const task: Task<Result> = {
      id,
      kind: request.kind,
      vm: request.vm,
      startedAt: request.startedAt ?? this.#now(),
      status: () => status,
      cancel: () => {
        abort.abort(new HostError('TASK_CANCELLED', `${request.kind} of ${request.vm} was cancelled`));
        return settled;
      },
      done,
    };
    if (refusal === undefined) {
      this.#running.set(id, task as Task<unknown>);
      if (request.overtakes !== true) this.#holders.set(request.vm, task as Task<unknown>);
      this.#onChange(task as Task<unknown>);
    }
    return task;
  }

  holder(vm: VmId): Task<unknown> | undefined {
    return this.#holders.get(vm);
  }

  list(): readonly Task<unknown>[] {
    return [...this.#running.values(), ...this.#finished];
  }

  #refusal(request: TaskRequest, holder: Task<unknown> | undefined): HostError | undefined {
    if (TASK_LIMITS.running <= this.#running.size) {
      return new HostError('HOST_LIMIT', `${this.#running.size} tasks run already`);
    }
    if (holder === undefined || request.overtakes === true) return undefined;
    return new HostError('VM_BUSY', `${request.kind} of ${request.vm} has to wait for ${holder.kind} (${holder.id})`);
  }

  #end(task: Task<unknown>): void {
    if (!this.#running.delete(task.id)) return; // It was refused: nothing to remember.
    if (this.#holders.get(task.vm) === task) this.#holders.delete(task.vm);
    this.#finished.unshift(task);
    if (TASK_LIMITS.finished < this.#finished.length) this.#finished.pop();
  }
}

/** How a task ends that did not come to its end, by what stopped it. */
function endOf(code: HostErrorCode): TaskStatus['state'] {
  if (code === 'TASK_CANCELLED') return 'cancelled';
  return code === 'HOST_CLOSED' ? 'interrupted' : 'failed';
}

/** Begins in a later turn, so that the task exists before its work reports on it. */
async function attempt<Result>(work: () => Promise<Result>): Promise<Result> {
  await Promise.resolve();
  return work();
}
