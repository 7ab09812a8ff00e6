import { describe, expect, test } from 'vitest';
import type { Task } from './driver.ts';
import { HostError } from './errors.ts';
import { vmId } from './ids.ts';
import { TASK_LIMITS, TaskBook } from './task-book.ts';

const vm = vmId('a');

describe('a task', () => {
  test('tells its progress and its outcome', async () => {
    const told: string[] = [];
    const book = new TaskBook((task) => told.push(task.status().state));
    const task = book.run({ kind: 'start', vm }, async (control) => {
      control.progress(0.5, 'half');
      return 7;
    });
    expect(await task.done).toBe(7);
    expect(task.status()).toEqual({ state: 'done', progress: 1, step: 'half', error: null });
    expect(told).toEqual(['running', 'running', 'done']);
  });

  test('that fails keeps its code; one that nobody looks at does not end the process', async () => {
    const book = new TaskBook(() => undefined);
    const task = book.run({ kind: 'start', vm }, async () => {
      throw new HostError('HOST_RESOURCES', 'no memory');
    });
    const error = { code: 'HOST_RESOURCES', message: 'no memory' };
    await expect.poll(() => task.status()).toEqual({ state: 'failed', progress: null, step: 'start', error });
  });

  test('that is cancelled before it began is cancelled', async () => {
    const book = new TaskBook(() => undefined);
    const task = book.run({ kind: 'start', vm }, async ({ signal }) => signal.throwIfAborted());
    await task.cancel();
    expect(task.status()).toMatchObject({ state: 'cancelled', error: { code: 'TASK_CANCELLED' } });
  });

  test('whose driver was closed is interrupted: the next one goes on with it', async () => {
    const book = new TaskBook(() => undefined);
    const task = book.run({ kind: 'stop', vm }, async (control) => {
      control.progress(0.5, 'waiting for the guest');
      control.progress(0.25, 'waiting on'); // Progress does not go back.
      throw new HostError('HOST_CLOSED', 'the driver was closed');
    });
    await task.done.catch(() => undefined);
    const error = { code: 'HOST_CLOSED', message: 'the driver was closed' };
    expect(task.status()).toEqual({ state: 'interrupted', progress: 0.5, step: 'waiting on', error });
  });

  test('holds its VM: a second one is VM_BUSY, one that overtakes is not', async () => {
    const book = new TaskBook(() => undefined);
    let finish = (): void => undefined;
    const first = book.run({ kind: 'stop', vm }, () => new Promise<void>((resolve) => (finish = resolve)));
    await expect(book.run({ kind: 'start', vm }, async () => 1).done).rejects.toMatchObject({ code: 'VM_BUSY' });
    expect(await book.run({ kind: 'kill', vm, overtakes: true }, async () => 2).done).toBe(2);
    finish();
    await first.done;
    expect(await book.run({ kind: 'start', vm }, async () => 3).done).toBe(3);
  });
});

test('BOUNDED: finished tasks are forgotten, the oldest first', async () => {
  const book = new TaskBook(() => undefined);
  const tasks: Task<unknown>[] = [];
  for (let at = 0; at < TASK_LIMITS.finished + 3; at++) {
    const task = book.run({ kind: 'apply', vm }, async () => at);
    await task.done;
    tasks.push(task);
  }
  expect(book.list().length).toBe(TASK_LIMITS.finished);
  expect(book.list()).not.toContain(tasks[0]);
});
