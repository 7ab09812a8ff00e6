/** A task of the disk service, followed to its end: over restarts of the service, and where it is too old to be followed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isVhdError, VhdError, type VhdErrorCode } from '../../errors.ts';
import type { DiskServiceApi, DiskServiceStreams } from './api.ts';
import { hasEnded, type TaskInfo } from './task.ts';

type Followed = Pick<DiskServiceApi, 'getTask'> & Pick<DiskServiceStreams, 'watchTasks'>;

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((task: TaskInfo) => void) | undefined;
  /** How long a service that ended may take to be there again: its tasks go on then. */
  readonly patienceMs: number;
}

/** Between two looks for a service that is to come back, and at a task that cannot be followed. */
const AGAIN_MS = 200;

/** Errors: what the task failed with, CANCELLED, NOT_FOUND, INTERRUPTED; SERVICE where the service was gone for too long. */
export async function waitForTask(service: Followed, id: string, options: WaitOptions): Promise<TaskInfo> {
  const task = await untilEnded(service, id, options);
  if (task.state === 'done') return task;
  const { code = 'SERVICE', message = `task ${task.id} is ${task.state}` } = task.error ?? {};
  throw new VhdError(code as VhdErrorCode, message);
}

async function untilEnded(
  service: Followed,
  id: string,
  { signal, onProgress, patienceMs }: WaitOptions,
): Promise<TaskInfo> {
  for (let lostAt: number | undefined; ; await again(signal)) {
    try {
      for await (const task of statesOf(service, id, signal)) {
        lostAt = undefined;
        onProgress?.(task);
        if (hasEnded(task)) return task;
      }
    } catch (error) {
      lostAt ??= Date.now();
      if (!isVhdError(error, 'SERVICE') || patienceMs <= Date.now() - lostAt) throw error;
    }
    signal?.throwIfAborted();
  }
}

async function* statesOf(service: Followed, id: string, signal: AbortSignal | undefined): AsyncGenerator<TaskInfo> {
  signal?.throwIfAborted();
  try {
    for await (const event of service.watchTasks({ id }, signal)) {
      const task = event.kind === 'all' ? event.all[0] : event.kind === 'changed' ? event.item : undefined;
      if (task === undefined) throw new VhdError('NOT_FOUND', `task ${id} is not remembered any more`);
      yield task;
    }
  } catch (error) {
    if (!isVhdError(error, 'UNSUPPORTED')) throw error;
    for (; ; await again(signal)) yield await service.getTask({ id }); // An older service: it has to be asked.
  }
}

async function again(signal: AbortSignal | undefined): Promise<void> {
  await sleep(AGAIN_MS, undefined, signal === undefined ? {} : { signal });
}
