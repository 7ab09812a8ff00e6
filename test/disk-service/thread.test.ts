/** A thread of the service that dies takes no disk with it for long. Uses what is built: a worker cannot be TypeScript. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connectNbd, type RunDiskServiceOptions, type RunningDiskService } from '@oriel/vhd';
import { expect, test, vi } from 'vitest';
import { MIB, onCleanup, tempFolder } from './setup.ts';

test('its disks are served again by another thread, under the same lease and address, with all that was flushed', async () => {
  const built = new URL('../../vhd/dist/service/start.js', import.meta.url).href;
  const module = (await import(built)) as {
    runDiskService(options: RunDiskServiceOptions): Promise<RunningDiskService>;
  };
  const folder = tempFolder();
  const events: string[] = [];
  const posted = vi.spyOn(Worker.prototype, 'postMessage');
  onCleanup(() => posted.mockRestore());
  const running = await module.runDiskService({
    storage: join(folder, 'storage'),
    socketPath: join(folder, 'control.sock'),
    runFolder: join(folder, 'run'),
    threads: 2,
    log: (event) => void events.push(event),
  });
  onCleanup(() => running.close());
  const api = running.service;
  for (const id of ['a', 'b']) await api.createDisk({ id, name: id, source: { from: 'blank', sizeBytes: MIB } });
  const { uri } = await api.openDisk({ id: 'a' });
  const doomed = posted.mock.contexts.at(-1) as Worker;
  const other = await connectNbd((await api.openDisk({ id: 'b' })).uri);
  const client = await connectNbd(uri);
  await client.write(Buffer.alloc(512, 5), 0);
  await client.flush();
  const gone = new Promise((resolve) => doomed.once('exit', resolve));
  doomed.postMessage({ id: 0, method: 'no such method', args: [] }); // Throws where nothing catches it.
  await gone;
  await expect(client.write(Buffer.alloc(512, 6), 0)).rejects.toThrow();
  while ((await api.getDisk({ id: 'a' })).state.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
  const again = await connectNbd(uri);
  const bytes = Buffer.alloc(512);
  await again.read(bytes, 0);
  expect(bytes[0]).toBe(5);
  await again.write(Buffer.alloc(512, 7), 0);
  await other.write(Buffer.alloc(512, 8), 0);
  expect(events).toContain('thread.lost');
  await again.close();
  await other.close();
});
