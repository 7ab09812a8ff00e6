/** How `oriel vhd` ends when it is stopped, or when nobody takes what it says: in order, and never as if all were well. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { shellIn } from './shell.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Waits until a copy in the folder has got somewhere. */
async function copyBegun(folder: string): Promise<void> {
  const begun = (): boolean =>
    readdirSync(folder).some((name) => name.startsWith('.oriel-') && 0 < statSync(join(folder, name)).size);
  await expect.poll(begun, { timeout: 20_000, interval: 20 }).toBe(true);
}

test.for(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const)(
  '%s in the middle of a copy leaves nothing behind',
  async (signal) => {
    const shell = shellIn();
    const child = shell.start('vhd', 'convert', '-', 'o.vhd');
    child.stdin?.write(Buffer.alloc(8 << 20, 1));
    await copyBegun(shell.folder);
    let err = '';
    child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.kill(signal);
    const [status] = (await once(child, 'exit')) as [number | null];
    expect({ status, err, left: readdirSync(shell.folder) }).toEqual({
      status: 1,
      err: `oriel: stopped by ${signal} (CANCELLED)\n`,
      left: [],
    });
  },
);

test.for(['SIGTERM', 'SIGKILL'] as const)(
  'a server that npx has started ends when npx is ended by %s, and lets go of its image',
  async (signal) => {
    const shell = shellIn();
    shell.run('oriel vhd create a.vhd --size 1M');
    const [image, socket] = ['a.vhd', 'nbd'].map((name) => join(shell.folder, name));
    const args = ['--no', '--', 'oriel', 'vhd', 'serve', image ?? '', '--socket', socket ?? ''];
    const npx = spawn('npx', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void npx.kill('SIGKILL'));
    await once(npx.stdout, 'data');
    const { pid } = JSON.parse(readFileSync(`${image}.lock`, 'utf8')) as { readonly pid: number };
    npx.kill(signal);
    const isThere = (): boolean => existsSync(`${image}.lock`) || existsSync(`/proc/${pid}`);
    await expect.poll(isThere, { timeout: 20_000, interval: 50 }).toBe(false);
  },
);

test('what a killed run left is named by the next one, and not removed', async () => {
  const shell = shellIn();
  const child = shell.start('vhd', 'convert', '-', 'o.vhd');
  child.stdin?.write(Buffer.alloc(8 << 20, 1));
  await copyBegun(shell.folder);
  expect(shell.run('oriel vhd create other.vhd --size 1M').err).toBe(''); // It is at work: nothing is left over.
  child.kill('SIGKILL');
  await once(child, 'exit');
  const [left = ''] = readdirSync(shell.folder).filter((name) => name.startsWith('.oriel-'));
  const next = shell.run('oriel vhd info other.vhd');
  expect(next.status).toBe(0);
  expect(next.err).toContain(join(shell.folder, left));
  expect(next.err).toContain('was left by a run that was killed: remove it');
  expect(readdirSync(shell.folder)).toContain(left);
});

test.for([
  { it: 'a full disk', line: 'oriel vhd info a.vhd > /dev/full', err: 'cannot write to standard output: ENOSPC' },
  { it: 'a full disk, JSON', line: 'oriel vhd info a.vhd --json > /dev/full', err: 'ENOSPC' },
  { it: 'a full disk, content', line: 'oriel vhd export a.vhd - > /dev/full', err: 'ENOSPC' },
  { it: 'a full disk, converted', line: 'oriel vhd convert a.vhd - > /dev/full', err: 'ENOSPC' },
  { it: 'a closed pipe, content', line: 'oriel vhd export a.vhd - | head -c 1 > /dev/null', err: 'standard output' },
  { it: 'a closed pipe', line: 'oriel vhd map many.raw --json | true', err: '' },
  { it: 'a full disk, another group', line: 'oriel completion bash > /dev/full', err: 'ENOSPC' },
])('output to $it is no success', ({ line, err }) => {
  const shell = shellIn();
  shell.run('oriel vhd create a.vhd --size 64M');
  writeFileSync(join(shell.folder, 'many.raw'), 'data');
  truncateSync(join(shell.folder, 'many.raw'), 1 << 20);
  const ended = shell.run(line);
  expect(ended.status).not.toBe(0);
  expect(ended.err).toContain(err);
});

test('a file limit is an error, and leaves nothing behind', () => {
  const shell = shellIn();
  const ended = shell.run('head -c 20M /dev/urandom > a.raw; ulimit -f 4096; oriel vhd convert a.raw o.vhd');
  expect(ended).toMatchObject({ status: 1, err: expect.stringContaining('EFBIG') });
  expect(readdirSync(shell.folder)).toEqual(['a.raw']);
});

test('a sparse file on a redirected standard input keeps its data', () => {
  const shell = shellIn();
  shell.run('truncate -s 64M s.raw; printf data | dd of=s.raw bs=1M seek=40 conv=notrunc status=none');
  for (const source of ['/dev/stdin', '-', '/proc/self/fd/0']) {
    expect(shell.run(`oriel vhd convert ${source} o.vhd --from raw --force < s.raw`)).toMatchObject({ status: 0 });
    expect(shell.run('cmp <(oriel vhd export o.vhd -) s.raw')).toMatchObject({ status: 0, out: '' });
  }
});

test.for(['vhd info', 'vhd create x.vhd --size none', 'vhd nothing', 'disks show', 'vm nothing', 'vhd hash a b c'])(
  'wrong usage of %s is JSON with --json',
  (line) => {
    const ended = shellIn().run(`oriel ${line} --json`);
    expect(ended.status).toBe(64);
    expect(JSON.parse(ended.err)).toEqual({ error: { code: 'USAGE', message: expect.any(String) } });
  },
);
