/** ONE-WRITER on disk: locks of living and dead processes, and many that want one lock at once. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openChain } from '../chain/open.ts';
import { makeImage } from '../testing/images.ts';
import { lockHolder, lockRealFile } from './lock.ts';
import { fileSystem } from './storage.ts';

let folder = '';
let image = '';
let children: ChildProcess[] = [];

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-lock-'));
  image = path.join(folder, 'disk.vhd');
  await makeImage(fileSystem, image, { sizeBytes: 1 << 20 });
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  fs.rmSync(folder, { recursive: true });
});

/** A process that lives until it is killed. */
function sleeper(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  children.push(child);
  return child;
}

/** The lock file as another process would have left it. */
function writeLockOf(changes: Readonly<Record<string, unknown>>): void {
  const holder = JSON.parse(fs.readFileSync(`${image}.lock`, 'utf8')) as Record<string, unknown>;
  fs.writeFileSync(`${image}.lock`, JSON.stringify({ ...holder, ...changes }));
}

/** Puts a lock in place as if somebody else had it. */
async function leaveLock(changes: Readonly<Record<string, unknown>>): Promise<void> {
  const lock = await lockRealFile(image);
  writeLockOf({ token: 'another', ...changes });
  await lock.release(); // As its process would at its end: the lock file stays, that of the file itself does not.
}

test('ONE-WRITER: a second writer is refused with who holds the lock', async () => {
  const disk = await openChain(image, { isReadOnly: false });
  await expect(openChain(image, { isReadOnly: false })).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringContaining(`process ${process.pid} on ${os.hostname()}`),
  });
  const reader = await openChain(image);
  await reader.close();
  await disk.close();
  expect(fs.readdirSync(folder)).toEqual(['disk.vhd']);
  await (await openChain(image, { isReadOnly: false })).close();
});

test('ONE-WRITER: a lock of a living process stays, of a dead one is taken over with a higher lease', async () => {
  const holder = sleeper();
  await once(holder, 'spawn');
  const started = fs.readFileSync(`/proc/${holder.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
  await leaveLock({ pid: holder.pid, started, lease: 9_000_000_000_000 });
  await expect(lockRealFile(image)).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringContaining('lease 9000000000000'),
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = await lockRealFile(image);
  expect(lock.lease).toBe(9_000_000_000_001);
  await lock.release();
});

test.for([
  { it: 'a process that got the number of a dead one', changes: { started: '1' }, isFree: true },
  { it: 'a process of before the machine was started anew', changes: { boot: 'another' }, isFree: true },
  { it: 'a process in another container', changes: { space: 'pid:[1]' }, isFree: false },
  { it: 'a process on another machine', changes: { host: 'elsewhere', machine: 'another' }, isFree: false },
  { it: 'a process on a machine of the same name', changes: { machine: 'another', boot: 'another' }, isFree: false },
])('the lock of $it: free is $isFree', async ({ changes, isFree }) => {
  await leaveLock(changes);
  expect(lockHolder(image) === undefined).toBe(isFree);
  if (isFree) await (await lockRealFile(image)).release();
  else
    await expect(lockRealFile(image)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('remove'),
    });
});

test('a lock file that is none of ours is not touched', async () => {
  fs.writeFileSync(`${image}.lock`, 'mine');
  await expect(lockRealFile(image)).rejects.toMatchObject({ code: 'LOCKED' });
  expect(fs.readFileSync(`${image}.lock`, 'utf8')).toBe('mine');
});

test('a lock that was taken over is not removed by who had it before', async () => {
  const lock = await lockRealFile(image);
  writeLockOf({ token: 'another', host: 'elsewhere' });
  await lock.release();
  expect(lockHolder(image)?.host).toBe('elsewhere');
});

test('ONE-WRITER: of many processes that find a stale lock at once, one gets it', async () => {
  await leaveLock({ started: '1' });
  const script = path.join(folder, 'race.mjs');
  const module = path.resolve(import.meta.dirname, '../../dist/storage/lock.js');
  fs.writeFileSync(
    script,
    `import { lockRealFile } from ${JSON.stringify(module)};
     process.once('message', async () => {
       try { await lockRealFile(${JSON.stringify(image)}); process.send('got'); }
       catch (error) { process.send(error.code ?? String(error)); }
     });
     setInterval(() => {}, 1e6); // Who has the lock lives on.
     process.send('ready');`,
  );
  const racers = Array.from({ length: 6 }, () => fork(script, { execArgv: [] }));
  children.push(...racers);
  await Promise.all(racers.map((racer) => once(racer, 'message')));
  const answers = Promise.all(racers.map(async (racer) => (await once(racer, 'message'))[0] as unknown));
  for (const racer of racers) racer.send('go');
  expect((await answers).map(String).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    'LOCKED',
    'LOCKED',
    'LOCKED',
    'LOCKED',
    'LOCKED',
    'got',
  ]);
});

test.for([
  { it: 'a symlink', alias: (name: string) => fs.symlinkSync(image, name) },
  { it: 'a hard link', alias: (name: string) => fs.linkSync(image, name) },
])('ONE-WRITER: $it is the same file', async ({ alias }) => {
  const other = path.join(fs.mkdtempSync(path.join(folder, 'elsewhere-')), 'other.vhd');
  alias(other);
  const disk = await openChain(image, { isReadOnly: false });
  await expect(openChain(other, { isReadOnly: false })).rejects.toMatchObject({ code: 'LOCKED' });
  await disk.close();
  const again = await openChain(other, { isReadOnly: false });
  await expect(openChain(image, { isReadOnly: false })).rejects.toMatchObject({ code: 'LOCKED' });
  await again.close();
});

describe('ONE-WRITER between Oriel and QEMU', () => {
  test('what qemu-nbd writes to is refused, with who it is', async () => {
    const [socket, pidFile] = [path.join(folder, 'nbd'), path.join(folder, 'pid')];
    // It goes to the background when it is ready.
    spawnSync('qemu-nbd', ['-f', 'vpc', '-t', '-k', socket, '--fork', '--pid-file', pidFile, image]);
    const server = Number(fs.readFileSync(pidFile, 'utf8'));
    await expect(openChain(image, { isReadOnly: false })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`qemu-nbd (process ${server})`),
    });
    expect(fs.existsSync(`${image}.lock`)).toBe(false);
    process.kill(server, 'SIGTERM');
    await expect.poll(async () => (await openChain(image, { isReadOnly: false })).close()).toBeUndefined();
  });

  test('what Oriel writes to is refused by qemu-img and qemu-io, and free afterwards', async () => {
    const disk = await openChain(image, { isReadOnly: false });
    for (const [program, ...args] of [
      ['qemu-img', 'convert', '-f', 'vpc', '-O', 'raw', image, path.join(folder, 'out.raw')],
      ['qemu-io', '-f', 'raw', '-c', 'write 0 512', image],
    ] as const) {
      const result = spawnSync(program, args, { encoding: 'utf8' });
      expect(`${result.stdout}${result.stderr}`).toContain('lock');
    }
    await disk.close();
    expect(spawnSync('qemu-io', ['-f', 'raw', '-c', 'read 0 512', image]).status).toBe(0);
  });
});
