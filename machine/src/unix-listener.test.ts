import { spawn } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAnswered, listenPrivately, makePrivateFolder, SOCKET_PATH_BYTES } from './unix-listener.ts';

let folder: string;
let servers: Server[] = [];

function server(): Server {
  const made = createServer((socket) => socket.on('error', () => {}).end('hello'));
  servers.push(made);
  return made;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-unix-'));
});
afterEach(async () => {
  await Promise.all(servers.map((one) => new Promise((resolve) => one.close(resolve))));
  servers = [];
  rmSync(folder, { recursive: true, force: true });
});

const greeting = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    connect(path)
      .once('data', (chunk) => resolve(chunk.toString()))
      .once('error', reject);
  });

describe('a private listener', () => {
  test('is for us alone whatever the umask is, and leaves nothing behind', async () => {
    const umask = process.umask(0);
    try {
      const path = join(folder, 's');
      const one = server();
      await listenPrivately(one, path);
      expect(await greeting(path)).toBe('hello');
      expect(lstatSync(path).mode & 0o777).toBe(0o600);
      expect(readdirSync(folder)).toEqual(['s']);
      await new Promise((resolve) => one.close(resolve));
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      process.umask(umask);
    }
  });

  test('takes the place of one that was killed, not of one that answers', async () => {
    const path = join(folder, 's');
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(listenPrivately(server(), path)).rejects.toMatchObject({ code: 'IN_USE' });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(lstatSync(path).isSocket()).toBe(true);
    await listenPrivately(server(), path);
    expect(await isAnswered(path)).toBe(true);
  });

  test('goes to one of two that come at once', async () => {
    const path = join(folder, 's');
    const tries = await Promise.allSettled([listenPrivately(server(), path), listenPrivately(server(), path)]);
    expect(tries.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await greeting(path)).toBe('hello');
  });

  test('does not remove a file that is no socket', async () => {
    const path = join(folder, 's');
    writeFileSync(path, 'mine');
    await expect(listenPrivately(server(), path)).rejects.toMatchObject({ code: 'NOT_PRIVATE' });
    expect(statSync(path).size).toBe(4);
  });

  test.for([0, 1])('has a path of 107 bytes and %i', async (more) => {
    const path = join(folder, 'x'.repeat(SOCKET_PATH_BYTES - folder.length - 1 + more));
    const listening = listenPrivately(server(), path);
    if (more === 1) return expect(listening).rejects.toMatchObject({ code: 'PATH_TOO_LONG' });
    await listening;
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
  });
});

describe('a private folder', () => {
  test('that was made before with another mode is tightened', () => {
    const path = join(folder, 'f');
    mkdirSync(path, { mode: 0o755 });
    makePrivateFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  test('is not one that somebody laid there as a link', () => {
    symlinkSync('/tmp', join(folder, 'f'));
    expect(() => makePrivateFolder(join(folder, 'f'))).toThrow(expect.objectContaining({ code: 'NOT_PRIVATE' }));
  });
});
