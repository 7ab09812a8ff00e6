/** `oriel vhd serve`: a chain over NBD from the command line, with the clients that others wrote. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { createChild, createImage, openChain } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { MIB, onCleanup, seeded, tempFolder } from './setup.ts';

const run = promisify(execFile);
const SIZE = 8 * MIB;

interface Serving {
  readonly child: ChildProcess;
  readonly uri: string;
}

function start(args: readonly string[]): ChildProcess {
  const script = join(import.meta.dirname, 'oriel.mjs');
  const child = spawn(process.execPath, [script, 'vhd', 'serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onCleanup(() => child.kill('SIGKILL'));
  return child;
}

/** Settles when it serves: its first line is the address. */
async function serve(...args: readonly string[]): Promise<Serving> {
  const child = start(args);
  const [uri] = (await once(createInterface(child.stdout as NodeJS.ReadableStream), 'line')) as [string];
  return { child, uri };
}

/** Runs it where it cannot serve, to its end. */
async function refused(...args: readonly string[]): Promise<{ status: unknown; err: string }> {
  const child = start(args);
  let err = '';
  child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [status] = await once(child, 'close');
  return { status, err };
}

async function end({ child }: Serving, signal: NodeJS.Signals): Promise<unknown> {
  const exited = once(child, 'exit');
  child.kill(signal);
  return exited;
}

/** A child over a parent, with content in both; and what a reader must see. */
async function chain(): Promise<{ folder: string; leaf: string; model: Buffer }> {
  const folder = tempFolder();
  const model = Buffer.alloc(SIZE);
  const random = seeded(5);
  const leaf = join(folder, 'leaf.vhd');
  const base = join(folder, 'base.vhd');
  await createImage(base, { sizeBytes: SIZE });
  for (const [path, places] of [
    [base, [1000, 5 * MIB]],
    [leaf, [3000, 6 * MIB]],
  ] as const) {
    if (path === leaf) await createChild(leaf, { parent: base });
    const disk = await openChain(path, { isReadOnly: false });
    for (const at of places) {
      const bytes = random.bytes(100_000);
      await disk.write(bytes, at);
      bytes.copy(model, at);
    }
    await disk.close();
  }
  writeFileSync(join(folder, 'model.raw'), model);
  return { folder, leaf, model };
}

const compare = (folder: string, uri: string) =>
  run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', join(folder, 'model.raw'), uri]);

describe('oriel vhd serve', () => {
  test('on a unix socket: nbdinfo and qemu-img see the chain, qemu-io writes to it, SIGTERM ends it clean', async () => {
    const { folder, leaf } = await chain();
    const socket = join(folder, 's');
    const serving = await serve(leaf, '--socket', socket, '--export', 'desk');
    expect(serving.uri).toBe(`nbd+unix:///desk?socket=${socket}`);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect((await run('nbdinfo', ['--size', serving.uri])).stdout.trim()).toBe(String(SIZE));
    expect((await run('nbdinfo', ['--list', serving.uri])).stdout).toContain('export="desk"');
    expect((await compare(folder, serving.uri)).stdout).toContain('identical');
    await run('qemu-io', ['-f', 'raw', '-c', 'write -P 0x5a 1M 4096', serving.uri]);
    expect(await end(serving, 'SIGTERM')).toEqual([0, null]);
    expect(existsSync(socket)).toBe(false);
    expect(existsSync(`${leaf}.lock`)).toBe(false);
    const disk = await openChain(leaf);
    const bytes = Buffer.alloc(4096);
    await disk.read(bytes, MIB);
    await disk.close();
    expect(bytes.equals(Buffer.alloc(4096, 0x5a))).toBe(true);
  });

  test('on a port: a free one, on the loopback interface; an interrupt ends it clean too', async () => {
    const { folder, leaf } = await chain();
    const serving = await serve(leaf, '--port', '0');
    expect(serving.uri).toMatch(/^nbd:\/\/127\.0\.0\.1:\d+\/$/);
    expect((await compare(folder, serving.uri)).stdout).toContain('identical');
    expect(await end(serving, 'SIGINT')).toEqual([0, null]);
    expect(existsSync(`${leaf}.lock`)).toBe(false);
  });

  test('--json tells the address, the size and whether it can be written', async () => {
    const { leaf } = await chain();
    const child = start([leaf, '--port', '0', '--read-only', '--json']);
    let out = '';
    for await (const chunk of child.stdout as NodeJS.ReadableStream) {
      out += chunk.toString();
      if (out.endsWith('}\n')) break;
    }
    expect(JSON.parse(out)).toEqual({
      uri: expect.stringMatching(/^nbd:/) as string,
      sizeBytes: SIZE,
      isReadOnly: true,
    });
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  test('--read-only: readers may be many, nobody writes, and a sealed image can be served', async () => {
    const { folder, leaf } = await chain();
    const base = join(folder, 'base.vhd');
    const [one, two] = await Promise.all([
      serve(leaf, '--socket', join(folder, '1'), '--read-only'),
      serve(base, '--socket', join(folder, '2'), '--read-only'),
    ]);
    const info = JSON.parse((await run('nbdinfo', ['--json', one.uri])).stdout) as {
      exports: Record<string, unknown>[];
    };
    expect(info.exports[0]).toMatchObject({ is_read_only: true, can_trim: false, can_zero: false });
    expect((await compare(folder, one.uri)).stdout).toContain('identical');
    await expect(run('qemu-io', ['-f', 'raw', '-c', 'write 0 512', one.uri])).rejects.toMatchObject({ code: 1 });
    expect((await run('nbdinfo', ['--size', two.uri])).stdout.trim()).toBe(String(SIZE));
    expect(await end(one, 'SIGTERM')).toEqual([0, null]);
    expect(await end(two, 'SIGTERM')).toEqual([0, null]);
  });

  test('ONE-WRITER: a second writer is refused and told who writes; a killed one leaves no lock behind', async () => {
    const { folder, leaf } = await chain();
    const first = await serve(leaf, '--socket', join(folder, '1'));
    const second = await refused(leaf, '--socket', join(folder, '2'));
    expect(second).toEqual({
      status: 1,
      err: expect.stringMatching(new RegExp(`^oriel: .*${first.child.pid}.*\\(LOCKED\\)\n$`)) as string,
    });
    // What is being written to is read by nobody, as with QEMU's tools: it would see halves of changes.
    const early = await refused(leaf, '--socket', join(folder, '3'), '--read-only');
    expect(early).toEqual({ status: 1, err: expect.stringContaining('(LOCKED)') as string });
    await end(first, 'SIGKILL');
    const reader = await serve(leaf, '--socket', join(folder, '3'), '--read-only');
    expect((await compare(folder, reader.uri)).stdout).toContain('identical');
    await end(reader, 'SIGTERM');
    const third = await serve(leaf, '--socket', join(folder, '1'));
    expect((await compare(folder, third.uri)).stdout).toContain('identical');
    expect(await end(third, 'SIGTERM')).toEqual([0, null]);
  });

  test.for([
    { it: 'no address', args: ['leaf.vhd'], status: 64, says: 'give --socket' },
    { it: 'a port that is none', args: ['leaf.vhd', '--port', '70000'], status: 64, says: '--port' },
    {
      it: 'a socket path that is too long',
      args: ['leaf.vhd', '--socket', `/${'x'.repeat(120)}`],
      status: 64,
      says: '107',
    },
    {
      it: 'half of what TLS needs',
      args: ['leaf.vhd', '--port', '0', '--tls-cert', 'x'],
      status: 64,
      says: '--tls-key',
    },
    { it: 'no such file', args: ['none.vhd', '--port', '0'], status: 1, says: 'NOT_FOUND' },
    { it: 'a sealed image, for writing', args: ['base.vhd', '--port', '0'], status: 1, says: 'SEALED' },
    { it: 'a file where the socket should be', args: ['leaf.vhd', '--socket', 'model.raw'], status: 1, says: 'EXISTS' },
  ])('ends with $status where there is $it', async ({ args, status, says }) => {
    const { folder } = await chain();
    const named = args.map((arg) => (/\.(vhd|raw)$/.test(arg) ? join(folder, arg) : arg));
    expect(await refused(...named)).toEqual({ status, err: expect.stringContaining(says) as string });
  });
});
