/**
 * Another account of the machine sees and stops nothing: a data folder of before is closed, whatever we make is for our own
 * account, and a lock that somebody holds on our lock file does not keep us from starting. Guards
 * `makePrivateFolder`, the umask, and the owner lock that took the place of SQLite's.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { oriel, startGateway } from '../support/gateway.ts';

vi.setConfig({ testTimeout: 90_000 });

/** Another program holds the whole file for reading, as any account may that can open it. */
async function readLock(file: string): Promise<ChildProcessByStdio<null, Readable, null>> {
  const script = `import fcntl, sys, time; f = open(${JSON.stringify(file)}); fcntl.lockf(f, fcntl.LOCK_SH); print('held', flush=True); time.sleep(600)`;
  const child = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

function* below(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    yield name;
    if (entry.isDirectory()) yield* below(name);
  }
}

test('a data folder of before is closed, and so is everything in it', async () => {
  const dataDir = mkdtempSync('/tmp/oriel-t-');
  chmodSync(dataDir, 0o777);
  mkdirSync(path.join(dataDir, 'run'), { mode: 0o755 });
  writeFileSync(path.join(dataDir, 'gateway.lock'), '', { mode: 0o644 });
  const other = await readLock(path.join(dataDir, 'gateway.lock'));
  const gateway = await startGateway({ dataDir });
  try {
    const vms = async (): Promise<unknown> => JSON.parse((await oriel(dataDir, ['status', '--json'])).out);
    await expect.poll(vms, { timeout: 30_000 }).toMatchObject({ diskService: { openDisks: 1 } });
    const isOpen = (name: string): boolean => (lstatSync(name).mode & 0o077) !== 0;
    expect([dataDir, ...below(dataDir)].filter((name) => !lstatSync(name).isSymbolicLink() && isOpen(name))).toEqual(
      [],
    );
    expect([...below(dataDir)].length).toBeGreaterThan(15);
  } finally {
    other.kill();
    await gateway.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

test('a data folder of another account is refused, with what to do', async () => {
  const isRoot = process.getuid?.() === 0;
  const scratch = mkdtempSync('/tmp/oriel-t-');
  const dataDir = isRoot ? scratch : '/var/tmp'; // Open to all, and root's.
  try {
    if (isRoot) chownSync(dataDir, 65_534, 65_534);
    const ran = await oriel(dataDir, ['start'], '', { ORIEL_LISTEN: '127.0.0.1:0', ORIEL_PROFILES: '' });
    expect(ran).toMatchObject({ status: 1, out: '' });
    expect(ran.err).toMatch(/belongs to account \d+, not to ours \(\d+\): start Oriel as that account, .* ORIEL_DATA/);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
