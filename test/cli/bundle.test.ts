/** The verbs that come as one bundle: they answer as those of the build do, from the bundle alone, until something is built anew. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { isFresh } = createRequire(import.meta.url)('../../gateway/bin/bundle.cjs') as {
  readonly isFresh: () => boolean;
};
const BUILT = `import(${JSON.stringify(join(ROOT, 'gateway/dist/src/cli/main.js'))}).then(async ({ main }) => {
  process.exitCode = await main([process.execPath, 'oriel', ...process.argv.slice(1)]);
})`;

let folder: string;
/** Command and bundle without the build that the bundle was made from. */
let alone: string;
beforeAll(() => {
  if (!isFresh()) spawnSync(process.execPath, [join(ROOT, 'tools/bundle.mjs')], { stdio: 'inherit' });
  folder = mkdtempSync(join(tmpdir(), 'oriel-bundle-'));
  for (const name of ['bin', 'dist/bundle', 'package.json'])
    cpSync(join(ROOT, 'gateway', name), join(folder, 'gateway', name), { recursive: true });
  alone = join(folder, 'gateway/bin/oriel.mjs');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: readonly string[]): {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
} {
  const env = { ...process.env, ORIEL_DATA: join(folder, 'none'), ORIEL_PROFILES: join(folder, 'profiles.json') };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

test('the bundle answers as the build does', () => {
  expect(run(alone, 'vhd', 'create', 'a.vhd', '--size', '8M')).toMatchObject({ status: 0, err: '' });
  for (const line of [
    'vhd info a.vhd',
    'vhd info a.vhd --json',
    'vhd info none.vhd',
    'vhd nothing',
    'vm list',
    'vm show',
  ])
    expect({ line, ...run(alone, ...line.split(' ')) }).toEqual({ line, ...run('-e', BUILT, ...line.split(' ')) });
  // What is not in it is not there.
  expect(run(alone, 'status')).toMatchObject({ status: 1, err: expect.stringContaining('not built') });
});

test('all its verbs are there', () => {
  const script = `const { loadBundle } = require('./gateway/bin/bundle.cjs');
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    (async () => {
      for (const verb of require('./gateway/dist/bundle/bundle.json').verbs)
        if ((await loadBundle().main([process.execPath, 'oriel', verb, '--help'])) !== 0) throw new Error(verb);
    })()`;
  const { status, out, err } = run('-e', script);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  for (const usage of ['oriel vhd', 'oriel vm', 'oriel image', 'oriel login']) expect(out).toContain(`Usage: ${usage}`);
});

test('from its own place it finds the binding of the C library: without it there are no locks that QEMU honours', () => {
  const script = `const { loadBundle } = require(${JSON.stringify(join(ROOT, 'gateway/bin/bundle.cjs'))});
    const fs = require('node:fs');
    fs.closeSync(fs.openSync('sparse.raw', 'w'));
    fs.truncateSync('sparse.raw', 1 << 20);
    loadBundle().main([process.execPath, 'oriel', 'vhd', 'convert', 'sparse.raw', 'sparse.vhd']).then(() => {
      console.log(fs.readFileSync('/proc/self/maps', 'utf8').includes('koffi') ? 'bound' : 'not bound');
    })`;
  expect(run('-e', script)).toEqual({ status: 0, out: 'sparse.vhd: dynamic\nbound\n', err: '' });
});

test('it is not used once something was built since', () => {
  mkdirSync(join(folder, 'vhd'));
  expect(run(alone, 'vhd', 'info', 'a.vhd').status).toBe(0);
  writeFileSync(join(folder, 'vhd/tsconfig.tsbuildinfo'), '');
  expect(run(alone, 'vhd', 'info', 'a.vhd').err).toContain('not built');
});
