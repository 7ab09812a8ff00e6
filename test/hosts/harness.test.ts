// The leak check itself: what a driver leaves is named, each kind beside the others.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Scratch } from './harness.ts';

async function leave(scratch: Scratch): Promise<ChildProcess> {
  const folder = join(scratch.runDir, 'one');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'saved.mem.part'), 'x');
  const child = spawn(
    process.execPath,
    ['-e', 'require("node:net").createServer().listen(process.argv[1])', join(folder, 'qmp')],
    {
      stdio: 'ignore',
    },
  );
  await expect.poll(() => existsSync(join(folder, 'qmp'))).toBe(true);
  return child;
}

test('a process, its socket and a file that are left are all three named, and then gone', async () => {
  const scratch = await Scratch.create();
  scratch.driver();
  const child = await leave(scratch);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const thrown = await scratch.close().then(
    () => '',
    (error: Error) => error.message,
  );
  await ended;
  expect(thrown).toContain(`process ${child.pid}`);
  expect(thrown).toContain(`socket ${join(scratch.runDir, 'one', 'qmp')}`);
  expect(thrown).toContain(`file ${join(scratch.runDir, 'one', 'saved.mem.part')}`);
});

test('a file alone is enough to fail', async () => {
  const scratch = await Scratch.create();
  scratch.driver();
  await mkdir(scratch.runDir);
  await writeFile(join(scratch.runDir, 'driver.lock'), '{}');
  await expect(scratch.close()).rejects.toThrow(`file ${join(scratch.runDir, 'driver.lock')}`);
});
