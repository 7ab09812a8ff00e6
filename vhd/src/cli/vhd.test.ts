/** `oriel vhd` as scripts see it: output, exit status, and errors of one line. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { type Command, CommanderError } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openChain } from '../chain/open.ts';
import { vhdCommand } from './vhd.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-cli-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

async function vhd(args: readonly string[], input: Buffer = Buffer.alloc(0)): Promise<Result> {
  let [out, err, status] = ['', '', 0];
  const stdout = new PassThrough({ highWaterMark: 64 << 20 });
  const command = vhdCommand({
    out: (text) => (out += text),
    err: (text) => (err += text),
    stdin: Readable.from([input]),
    stdout,
    isTerminal: false,
    setStatus: (value) => (status = value),
  });
  const quiet = (one: Command): void => {
    one.exitOverride().configureOutput({ writeOut: (text) => (out += text), writeErr: (text) => (err += text) });
    for (const inner of one.commands) quiet(inner);
  };
  quiet(command);
  try {
    await command.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    status = error.exitCode;
  }
  return { status, out, err, bytes: (stdout.read() as Buffer | null) ?? Buffer.alloc(0) };
}

async function write(name: string, offset: number, bytes: Buffer): Promise<void> {
  const disk = await openChain(at(name), { isReadOnly: false });
  await disk.write(bytes, offset);
  await disk.close();
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('every verb has help with an example and its exit status', async () => {
  const verbs = [
    'create',
    'info',
    'map',
    'check',
    'convert',
    'snapshot',
    'merge',
    'rebase',
    'compact',
    'resize',
    'diff',
    'hash',
    'export',
  ];
  for (const verb of verbs) {
    const { out, status } = await vhd([verb, '--help']);
    expect(out).toContain(`Example:\n  oriel vhd ${verb} `);
    expect(out).toContain('64 wrong usage');
    expect(status).toBe(0);
  }
});

describe('exit status', () => {
  test('64 for wrong usage, told by the parser or by the operation', async () => {
    for (const args of [
      ['create', at('a.vhd')],
      ['create'],
      ['nonsense'],
      ['create', at('a.vhd'), '--size', 'much'],
      ['info', at('a.vhd'), '--bogus'],
    ]) {
      expect((await vhd(args)).status, args.join(' ')).toBe(64);
    }
  });
  test('1 for a failure, with one line that has the code', async () => {
    const { status, err } = await vhd(['info', at('none.vhd')]);
    expect(status).toBe(1);
    expect(err).toMatch(/^oriel: .*\(NOT_FOUND\)\n$/);
    expect(JSON.parse((await vhd(['info', at('none.vhd'), '--json'])).err)).toMatchObject({
      error: { code: 'NOT_FOUND' },
    });
  });
  test('2 for an image with problems, 0 when they are mended', async () => {
    await vhd(['create', at('a.vhd'), '--size', '10M']);
    fs.truncateSync(at('a.vhd'), fs.statSync(at('a.vhd')).size - 512);
    expect(await vhd(['check', at('a.vhd')])).toMatchObject({ status: 2, out: expect.stringContaining('FOOTER_TAIL') });
    expect(await vhd(['check', at('a.vhd'), '--repair', '--dry-run'])).toMatchObject({
      status: 2,
      out: expect.stringContaining('would mend'),
    });
    expect(await vhd(['check', at('a.vhd'), '--repair'])).toMatchObject({ status: 0 });
    expect(await vhd(['check', at('a.vhd'), '--json'])).toMatchObject({
      status: 0,
      out: expect.stringContaining('"findings": []'),
    });
  });
});

test('a chain from the command line: clone, snapshot, merge, resize, compact, rebase', async () => {
  await vhd(['create', at('base.vhd'), '--size', '8M', '--block-size', '512K']);
  await write('base.vhd', 1000, Buffer.alloc(3000, 1));
  await vhd(['create', at('disk.vhd'), '--parent', at('base.vhd')]);
  await write('disk.vhd', 2000, Buffer.alloc(100, 2));
  await vhd(['snapshot', at('disk.vhd'), '--as', at('disk.one.vhd')]);
  await write('disk.vhd', 5_000_000, Buffer.alloc(100, 3));
  const before = (await vhd(['hash', at('disk.vhd')])).out.slice(0, 64);
  const chain = JSON.parse((await vhd(['info', at('disk.vhd'), '--chain', '--json'])).out) as readonly {
    readonly path: string;
  }[];
  expect(chain.map((link) => path.basename(link.path))).toEqual(['disk.vhd', 'disk.one.vhd', 'base.vhd']);
  expect(await vhd(['diff', at('disk.one.vhd'), at('disk.vhd')])).toMatchObject({ status: 2, out: '4999680\t512\n' });
  expect((await vhd(['merge', at('disk.one.vhd')])).status).toBe(0);
  expect((await vhd(['compact', at('disk.vhd')])).status).toBe(0);
  expect((await vhd(['rebase', at('disk.vhd'), '--parent', at('base.vhd')])).status).toBe(0);
  expect((await vhd(['hash', at('disk.vhd')])).out.slice(0, 64)).toBe(before);
  expect((await vhd(['resize', at('disk.vhd'), '--size', '16M'])).status).toBe(0);
  expect(JSON.parse((await vhd(['info', at('disk.vhd'), '--json'])).out)).toMatchObject({ virtualBytes: 16 << 20 });
  const map = JSON.parse((await vhd(['map', at('disk.vhd'), '--json'])).out) as readonly { readonly depth: number }[];
  expect(map.some((entry) => entry.depth === 1)).toBe(true);
  expect(fs.readdirSync(folder).sort()).toEqual(['base.vhd', 'disk.vhd']);
});

describe('convert and export', () => {
  const content = Buffer.alloc(3 << 20);
  content.fill(7, 1_000_000, 1_200_000);

  test('raw on standard input to an image and back to standard output', async () => {
    expect((await vhd(['convert', '-', at('a.vhd')], content)).status).toBe(0);
    expect(sha256((await vhd(['convert', at('a.vhd'), '-', '--to', 'raw'])).bytes)).toBe(sha256(content));
    const stream = await vhd(['export', at('a.vhd'), '-', '--format', 'dynamic']);
    expect((await vhd(['convert', '-', at('b.raw'), '--from', 'vhd'], stream.bytes)).status).toBe(0);
    expect(sha256(fs.readFileSync(at('b.raw')))).toBe(sha256(content));
  });
  test('qcow2, VHDX and VMDK both ways, through NBD; a chain converts whole', async () => {
    await vhd(['convert', '-', at('a.vhd')], content);
    await vhd(['create', at('child.vhd'), '--parent', at('a.vhd')]);
    await write('child.vhd', 0, Buffer.alloc(512, 9));
    const wanted = (await vhd(['hash', at('child.vhd')])).out.slice(0, 64);
    for (const format of ['qcow2', 'vhdx', 'vmdk']) {
      expect((await vhd(['convert', at('child.vhd'), at(`x.${format}`)])).err).toBe('');
      expect((await vhd(['convert', at(`x.${format}`), at(`${format}.vhd`)])).err).toBe('');
      expect((await vhd(['hash', at(`${format}.vhd`)])).out.slice(0, 64), format).toBe(wanted);
    }
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('.oriel'))).toEqual([]);
  });
  test('a qcow2 file that takes data from another file is refused', async () => {
    fs.writeFileSync(at('secret.raw'), 'secret'.repeat(1000));
    const { execFileSync } = await import('node:child_process');
    execFileSync('qemu-img', ['create', '-f', 'qcow2', '-b', at('secret.raw'), '-F', 'raw', at('trap.qcow2'), '6000'], {
      stdio: 'ignore',
    });
    expect(await vhd(['convert', at('trap.qcow2'), at('x.vhd')])).toMatchObject({
      status: 1,
      err: expect.stringContaining('UNSUPPORTED'),
    });
    expect(fs.existsSync(at('x.vhd'))).toBe(false);
  });
  /** Seen to hang when qemu-img was asked first: it opens what the descriptor names, and a pipe waits for its writer. */
  test('a VMDK that names a pipe, and a pipe itself, are refused at once', async () => {
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [at('pipe'), at('pipe.vmdk')]);
    fs.writeFileSync(
      at('trap.vmdk'),
      `# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8192 FLAT "pipe" 0\n`,
    );
    for (const source of ['trap.vmdk', 'pipe.vmdk'])
      expect(await vhd(['convert', at(source), at('x.vhd')]), source).toMatchObject({
        status: 1,
        err: expect.stringContaining('UNSUPPORTED'),
      });
    expect(fs.existsSync(at('x.vhd'))).toBe(false);
  });
  test('quirk 20: --azure', async () => {
    await vhd(['convert', '-', at('a.raw')], content);
    await vhd(['convert', at('a.raw'), at('azure.vhd'), '--azure']);
    expect((fs.statSync(at('azure.vhd')).size - 512) % (1 << 20)).toBe(0);
  });
  test('a file that is there is kept, and names that look like options are names', async () => {
    fs.writeFileSync(at('there.raw'), 'precious');
    await vhd(['create', at('a.vhd'), '--size', '1M']);
    expect(await vhd(['convert', at('a.vhd'), at('there.raw')])).toMatchObject({
      status: 1,
      err: expect.stringContaining('EXISTS'),
    });
    expect(fs.readFileSync(at('there.raw'), 'utf8')).toBe('precious');
    expect((await vhd(['convert', at('a.vhd'), at('-rf.qcow2')])).status).toBe(0);
  });
  test('progress as JSON', async () => {
    const { err } = await vhd(['convert', '-', at('a.vhd'), '--progress', 'json'], content);
    expect(JSON.parse(err.split('\n')[0] ?? '')).toMatchObject({ event: 'progress', totalBytes: null });
  });
});
