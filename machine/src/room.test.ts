import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findRoom, type RoomOptions, roomCommand, runInRoom } from './room.ts';

const LIMITS = { timeMs: 20_000, cpuSeconds: 20, memoryBytes: 1 << 30, outputBytes: 1 << 16, fileBytes: 1 << 20 };
const OPTIONS: RoomOptions = { reads: [], limits: LIMITS };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-room-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const shell = (script: string, options: Partial<RoomOptions> = {}) =>
  runInRoom('sh', ['-c', script], { ...OPTIONS, ...options });

describe('a room', () => {
  test('on this machine has walls: the suite installs bubblewrap', async () => {
    expect((await findRoom()).hasBubblewrap).toBe(true);
  });

  test('shows the file that is named and no other, and lets nothing be written but what may', async () => {
    for (const name of ['seen', 'hidden', 'target']) writeFileSync(join(folder, name), name);
    const [seen, target] = [join(folder, 'seen'), join(folder, 'target')];
    const script = `cd ${folder}; ls; cat seen; echo x > seen; echo y > target; echo z > other; ls /etc /root /home`;
    const result = await shell(script, { reads: [seen], writes: [target] });
    expect(result.stdout).toBe('seen\ntarget\nseen/etc:\nld.so.cache\n');
    expect(readFileSync(seen, 'utf8')).toBe('seen');
    expect(readFileSync(target, 'utf8')).toBe('y\n');
    expect(() => readFileSync(join(folder, 'other'))).toThrow('ENOENT');
  });

  test('has no network, no privileges, no process and no setting of ours', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    process.env['ORIEL_DATABASE_URL'] = 'postgres://u:secret@h/d';
    const other = spawn('sleep', ['60']);
    try {
      // PR_GET_NO_NEW_PRIVS; PR_CAPBSET_READ of CAP_DAC_OVERRIDE.
      const rights = "import ctypes; c = ctypes.CDLL(None); print('rights', c.prctl(39, 0, 0, 0, 0), c.prctl(23, 1))";
      const python = `import socket; socket.create_connection(('127.0.0.1', ${port}))`;
      const { stdout, stderr } = await shell(`env; ls /proc; python3 -c "${rights}"; python3 -c "${python}"`);
      expect(stdout).not.toContain('secret');
      expect(stdout).toContain('rights 1 0');
      expect(stdout).not.toMatch(/^\d+$/m); // No processes.
      expect(stderr).toMatch(/Network is unreachable|Connection refused/);
    } finally {
      delete process.env['ORIEL_DATABASE_URL'];
      other.kill();
      server.close();
    }
  });

  test.for([
    { it: 'sleeps', script: 'sleep 60', limits: { timeMs: 300 }, says: '0.3 s of time' },
    { it: 'computes', script: 'while :; do :; done', limits: { cpuSeconds: 1 }, says: '1 s of processor time' },
    { it: 'prints', script: 'yes', limits: {}, says: '65536 bytes of output' },
    { it: 'waits at a pipe', script: 'mkfifo /tmp/f; cat /tmp/f', limits: { timeMs: 300 }, says: '0.3 s of time' },
  ])('ends a tool that $it without end, with what it started', async ({ script, limits, says }) => {
    const mark = `${Math.random()}`;
    const running = shell(`sleep 61.${mark.slice(2)} & ${script}`, { limits: { ...LIMITS, ...limits } });
    await expect(running).rejects.toMatchObject({ code: 'TOOL_LIMIT', message: expect.stringContaining(says) });
    await expect.poll(() => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(mark.slice(2));
  });

  test.for([
    { it: 'more memory', script: 'python3 -c "bytearray(1 << 31)"', says: 'MemoryError' },
    { it: 'a larger file', script: 'head -c 2000000 /dev/zero > /tmp/x; stat -c %s /tmp/x >&2', says: '1048576' },
  ])('gives no tool $it', async ({ script, says }) => {
    expect((await shell(script)).stderr).toContain(says);
  });

  test('ends with the signal of who asked', async () => {
    const giveUp = new AbortController();
    const running = shell('echo up; sleep 60', { signal: giveUp.signal, onOutput: () => giveUp.abort() });
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('says which tool is missing', async () => {
    await expect(runInRoom('no-such-tool', [], OPTIONS)).rejects.toMatchObject({ code: 'TOOL_MISSING' });
  });

  test('without bubblewrap still has limits, and no privileges', () => {
    const room = { hasBubblewrap: false, confinement: 'no-new-privileges' } as const;
    const words = roomCommand(['qemu-img', 'info'], OPTIONS, room);
    expect(words.slice(0, 3)).toEqual(['prlimit', '--as=1073741824', '--cpu=20:21']);
    expect(words.slice(-4)).toEqual(['--no-new-privs', '--', 'qemu-img', 'info']);
  });
});
