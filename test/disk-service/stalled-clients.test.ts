/** BOUNDED: what clients that stop reading cost the process that serves them, measured from outside. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createImage, openChain } from '@oriel/vhd';
import { expect, test } from 'vitest';
import { clientOf, MIB, onCleanup, tempFolder } from './setup.ts';

/** Clients of one export at most, but for the one that stays well. */
const STALLED = 15;
const SIZE = 32 * MIB;

/** Resident memory of a process. See proc(5), VmRSS. */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** The handshake by hand (NBD_OPT_EXPORT_NAME), then reads of the whole disk without ever taking a reply. */
async function stall(socketPath: string): Promise<void> {
  const socket: Socket = connect(socketPath);
  onCleanup(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'readable');
  const hello = Buffer.alloc(20);
  hello.writeUInt32BE(3, 0);
  hello.write('IHAVEOPT', 4);
  hello.writeUInt32BE(1, 12);
  socket.write(hello);
  const request = Buffer.alloc(28);
  request.writeUInt32BE(0x25609513, 0);
  request.writeUInt32BE(SIZE, 24);
  socket.write(Buffer.concat(Array.from({ length: 200 }, () => request)));
}

test('a client that stops reading costs at most 4 MiB', async () => {
  const folder = tempFolder();
  const leaf = join(folder, 'leaf.vhd');
  await createImage(leaf, { sizeBytes: SIZE });
  const disk = await openChain(leaf, { isReadOnly: false });
  for (let at = 0; at < SIZE; at += MIB) await disk.write(Buffer.alloc(MIB, 1), at);
  await disk.close();
  const socketPath = join(folder, 's');
  const script = join(import.meta.dirname, 'oriel.mjs');
  const server = spawn(process.execPath, [script, 'vhd', 'serve', leaf, '--socket', socketPath], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onCleanup(() => server.kill('SIGKILL'));
  const [uri] = (await once(createInterface(server.stdout), 'line')) as [string];
  const good = await clientOf(uri);
  const work = async (): Promise<void> => {
    for (let i = 0; i < 300; i++) await good.read(Buffer.alloc(64 << 10), (i * 64 * 1024) % SIZE);
  };
  await work();
  const before = residentBytes(server.pid ?? 0);
  await Promise.all(Array.from({ length: STALLED }, () => stall(socketPath)));
  await work(); // When this is served, the others have been asked about for long.
  const each = (residentBytes(server.pid ?? 0) - before) / STALLED;
  expect(each).toBeLessThan(4 * MIB);
});
