/** Tasks whose record cannot be written: nothing crashes, and no task seems to run that does not. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileSystem } from '../../storage/storage.ts';
import { TaskBook } from './task-book.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync('/tmp/oriel-b-');
  folder = join(root, 'tasks');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a task that cannot be stored is not started', async () => {
  const book = new TaskBook(folder, fileSystem);
  rmSync(folder, { recursive: true });
  await expect(book.start('disk.check', 'a', {}, () => Promise.resolve())).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  expect(book.list()).toEqual([]);
});

test('an end that cannot be stored is known here, and the next start finds the task running', async () => {
  const book = new TaskBook(folder, fileSystem);
  const { id } = await book.start('disk.check', 'a', {}, async () => {
    await Promise.resolve();
    mkdirSync(join(folder, `${id}.json.new`)); // Where the record is written first: now nothing can be.
    return { findings: [] };
  });
  expect(await book.ended(id)).toMatchObject({ state: 'done', result: { findings: [] } });
  rmSync(join(folder, `${id}.json.new`), { recursive: true });
  const [left] = new TaskBook(folder, fileSystem).interrupted();
  expect(left?.info).toMatchObject({ id, state: 'running' });
});

test('what cannot be saved ends the task', async () => {
  const book = new TaskBook(folder, fileSystem);
  const { id } = await book.start('disk.fold-up', 'a', {}, async (context) => {
    await Promise.resolve();
    mkdirSync(join(folder, `${id}.json.new`));
    await context.save({ at: 1 });
  });
  expect(await book.ended(id)).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining(id) as string },
  });
});
