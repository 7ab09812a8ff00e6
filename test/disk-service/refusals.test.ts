/** Why a client of a disk is refused is in the log of the service. Uses what is built: a worker cannot be TypeScript. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectNbd, type RunDiskServiceOptions, type RunningDiskService } from '@oriel/vhd';
import { expect, test, vi } from 'vitest';
import { MIB, onCleanup, tempFolder } from './setup.ts';

const run = promisify(execFile);

test.for([0, 1])(
  'with %i threads: each refusal says its disk and its reason, and a flood of them ten lines',
  async (threads) => {
    const built = new URL('../../vhd/dist/service/start.js', import.meta.url).href;
    const module = (await import(built)) as {
      runDiskService(options: RunDiskServiceOptions): Promise<RunningDiskService>;
    };
    const folder = tempFolder();
    const refused: unknown[] = [];
    const running = await module.runDiskService({
      storage: join(folder, 'storage'),
      socketPath: join(folder, 'control.sock'),
      runFolder: join(folder, 'run'),
      threads,
      log: (event, fields) => {
        if (event === 'disk.client-refused') refused.push(fields);
      },
    });
    onCleanup(() => running.close());
    const api = running.service;
    await api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    const { uri, socketPath } = await api.openDisk({ id: 'a' });
    const saw = (reason: string): Promise<void> =>
      vi.waitFor(() => expect(refused).toContainEqual({ disk: 'a', reason }), { timeout: 10_000 });

    await expect(run('nbdinfo', [uri.replace('/a.1?', '/a.9?')])).rejects.toThrow();
    await saw('no such export');

    const client = await connectNbd(uri);
    await client.close();
    expect(new Set(refused.map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"disk":"a","reason":"no such export"}']),
    );

    for (let i = 0; i < 40; i++) {
      const socket = connect(socketPath);
      socket.write(Buffer.from([0, 0, 0, 0]));
      socket.resume();
      await once(socket, 'close');
    }
    await saw('client is not fixed newstyle');
    expect(refused).toHaveLength(10);
  },
);
