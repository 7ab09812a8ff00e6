/** The client against a service that hangs up, as one does with connections that are idle for long. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, expect, test } from 'vitest';
import { connectDiskService } from './client.ts';

/** Answers every request, and says so when it has closed the connection behind the answer. */
const SERVER = `
const { parentPort, workerData } = require('node:worker_threads');
const { createServer } = require('node:http');
let count = 0;
const server = createServer((request, response) => {
  count += 1;
  request.resume();
  response.end(JSON.stringify({ count }));
  request.socket.once('close', () => {
    Atomics.add(workerData.closed, 0, 1);
    Atomics.notify(workerData.closed, 0);
  });
  response.on('finish', () => setImmediate(() => request.socket.destroy()));
});
server.listen(workerData.socketPath, () => parentPort.postMessage('ready'));
`;

const folder = mkdtempSync(join(tmpdir(), 'oriel-client-'));
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanups.splice(0)) await step();
  rmSync(folder, { recursive: true, force: true });
});

test('a connection that was hung up while the process was busy is not a service that does not answer', async () => {
  const socketPath = join(folder, 'control.sock');
  const closed = new Int32Array(new SharedArrayBuffer(4));
  const server = new Worker(SERVER, { eval: true, workerData: { socketPath, closed } });
  cleanups.push(() => server.terminate());
  await new Promise((resolve) => server.once('message', resolve));
  const client = connectDiskService(socketPath);
  cleanups.push(async () => client.disconnect());
  for (let count = 1; count <= 5; count++) {
    await expect(client.health()).resolves.toEqual({ count });
    Atomics.wait(closed, 0, count - 1, 10_000); // Nothing is noticed here meanwhile, as in a process that works.
  }
});
