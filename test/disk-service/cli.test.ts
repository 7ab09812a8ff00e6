/** `oriel disk-service` as scripts and people use it: every verb in text and as JSON, its help, its exit status, its errors. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { disksCommand } from '@oriel/vhd/cli/disks';
import { type Command, CommanderError } from 'commander';
import { describe, expect, test } from 'vitest';
import { clientOf, done, MIB, onCleanup, serviceIn, type TestService, tempFolder } from './setup.ts';

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command in this process, on a service if one is given. */
async function disks(args: readonly string[], on?: TestService, onError = (): void => {}): Promise<Result> {
  let [out, err, status] = ['', '', 0];
  const command = disksCommand({
    env: { ORIEL_DATA: on?.folder ?? '/nowhere' },
    out: (text) => (out += text),
    err: (text) => {
      err += text;
      onError();
    },
    isTerminal: false,
    setStatus: (value) => (status = value),
  });
  const quiet = (one: Command): void => {
    one.exitOverride().configureOutput({ writeOut: (text) => (out += text), writeErr: (text) => (err += text) });
    for (const inner of one.commands) quiet(inner);
  };
  quiet(command);
  const socket = on === undefined ? [] : ['--socket', join(on.folder, 'control.sock')];
  try {
    await command.parseAsync([...args, ...socket], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    status = error.exitCode;
  }
  return { status, out, err };
}

/** A verb that must succeed, with what it says as text. */
async function text(on: TestService, ...args: readonly string[]): Promise<string> {
  const { status, out, err } = await disks(args, on);
  expect({ args, status, err }).toEqual({ args, status: 0, err: '' });
  return out;
}

/** A verb that must succeed, with what it says as JSON. */
async function json<T>(on: TestService, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await text(on, ...args, '--json')) as T;
}

const VERBS: readonly string[] = disksCommand().commands.map((verb) => verb.name());
interface Named {
  readonly id: string;
}

describe('every verb', () => {
  test.for(VERBS)('%s has help with an example and its exit status', async (verb) => {
    const { out, status } = await disks([verb, '--help']);
    expect(out).toContain(`Example:\n  oriel disk-service ${verb}`);
    expect(out).toContain('64 wrong usage');
    expect(status).toBe(0);
  });

  test('a disk from its making to its end, in text', async () => {
    const service = await serviceIn();
    writeFileSync(join(service.folder, 'base.raw'), Buffer.alloc(2 * MIB, 7));
    const imported = await text(service, 'import', join(service.folder, 'base.raw'), '--name', 'Base');
    const image = /^image (\S+)$/m.exec(imported)?.[1] ?? '';
    expect(await text(service, 'seal', image)).toMatch(/kind: +template, sealed/);
    expect(await text(service, 'images')).toBe(`${image}\ttemplate\t2 MiB\tok\tBase\n`);
    const created = await text(service, 'create', 'Web server', '--from', image);
    const disk = /^disk: +(\S+)$/m.exec(created)?.[1] ?? '';
    expect(disk).toMatch(/^web-server-/);
    expect(await text(service, 'open', disk)).toMatch(/^uri: +nbd\+unix:\/\/\/\S+\nlease: +1, to write\n$/);
    expect(await text(service, 'rates', disk, '--iops', '5000', '--bytes', '100M')).toMatch(
      /at most: +5000 requests a second, 100 MiB a second/,
    );
    expect(await text(service, 'list')).toMatch(new RegExp(`^${disk}\topen\t2 MiB\t[^\t]+\t2 links\tWeb server\n$`));
    const taken = await text(service, 'snapshot', disk, '--name', 'one');
    const first = /: snapshot (\S+)$/m.exec(taken)?.[1] ?? '';
    const second = /: snapshot (\S+)$/m.exec(await text(service, 'snapshot', disk, '--name', 'two'))?.[1] ?? '';
    const shown = await text(service, 'show', disk);
    for (const part of [
      'chain:      4 links',
      'state:      open, 0 connections',
      first,
      second,
      `based on:   ${image}`,
    ])
      expect(shown).toContain(part);
    expect(await text(service, 'check', disk)).toBe(
      `${disk}: open, so its leaf was not looked at\n${disk}: nothing found\n`,
    );
    expect(await text(service, 'merge', disk, second, '--rate', '100M')).toBe(`disk.fold-down of ${disk}: done\n`);
    expect(await text(service, 'remove-snapshot', disk, second)).toBe(`disk.fold-up of ${disk}: done\n`);
    expect(await text(service, 'snapshot', disk, '--name', 'three')).toContain('three-');
    expect(await text(service, 'commit', disk)).toBe(`disk.commit of ${disk}: done\n`);
    expect(await text(service, 'discard', disk)).toBe(`disk.discard of ${disk}: done\n`);
    expect(await text(service, 'grow', disk, '--size', '4M')).toMatch(/ has 4 MiB now\n.*block_resize/);
    expect(await text(service, 'stats', disk)).toMatch(/^disk: .*\nconnections:0\nreads: +0\n/);
    expect(await text(service, 'close', disk)).toBe(`${disk}: closed\n`);
    expect(await text(service, 'check', disk)).toBe(`${disk}: nothing found\n`);
    const copy = await text(service, 'import', join(service.folder, 'base.raw'), '--name', 'Copy', '--template');
    const copied = /^image (\S+)$/m.exec(copy)?.[1] ?? '';
    expect(await text(service, 'reparent', disk, '--image', copied)).toBe(`disk.reparent of ${disk}: done\n`);
    const tasks = (await text(service, 'tasks')).trim().split('\n');
    expect(tasks[0]).toMatch(/\tdisk\.reparent\t.*\tdone\t100 %\t$/);
    expect(await text(service, 'wait', tasks[0]?.split('\t')[0] ?? '')).toBe(`disk.reparent of ${disk}: done\n`);
    expect(await text(service, 'cancel', tasks[0]?.split('\t')[0] ?? '')).toContain('told to stop');
    expect(await text(service, 'remove', disk)).toBe(`${disk}: removed\n`);
    expect(await text(service, 'remove-image', image)).toBe(`${image}: removed\n`);
    expect(await text(service, 'health')).toMatch(/open disks: ?0\ntasks: +0\n/);
    expect(await text(service, 'stop')).toBe('stopped\n');
    expect(existsSync(join(service.folder, 'storage', 'service.lock'))).toBe(false);
  });

  test('the same as JSON: what the API answers', async () => {
    const service = await serviceIn();
    writeFileSync(join(service.folder, 'base.raw'), Buffer.alloc(2 * MIB, 7));
    const path = join(service.folder, 'base.raw');
    const { result } = await json<{ result: Named }>(service, 'import', path, '--name', 'Base', '--template');
    expect(await json(service, 'images')).toMatchObject([{ id: result.id, kind: 'template', sizeBytes: 2 * MIB }]);
    expect(await json(service, 'seal', result.id)).toMatchObject({ isSealed: true });
    const { id } = await json<Named>(service, 'create', 'web', '--from', result.id, '--size', '3M');
    const blank = await json<Named>(service, 'create', 'blank', '--size', '1M');
    const listed = await json<Named[]>(service, 'list');
    expect(new Set(listed.map((one) => one.id))).toEqual(new Set([blank.id, id]));
    expect(await json(service, 'show', id)).toMatchObject({ imageId: result.id, state: { state: 'closed' } });
    expect(await json(service, 'open', id, '--read-only')).toMatchObject({ lease: 1, mode: 'read' });
    expect(await json(service, 'open', id)).toMatchObject({ lease: 2, mode: 'write' });
    expect(await json(service, 'rates', id, '--iops', '10')).toMatchObject({ limits: { iops: 10 } });
    expect(await json(service, 'rates', id)).toMatchObject({ limits: {} });
    expect(await json(service, 'stats', id)).toMatchObject({ id, reads: 0, errors: 0 });
    const snapshot = await json<{ result: { snapshots: Record<string, string> } }>(
      service,
      'snapshot',
      id,
      blank.id,
      '--name',
      'one',
    );
    const snapshotId = snapshot.result.snapshots[id] ?? '';
    expect(await json(service, 'check', id)).toMatchObject({ result: { findings: [], isLeafChecked: false } });
    for (const [verb, ...rest] of [
      ['commit', id],
      ['discard', id],
      ['grow', id, '--size', '4M'],
    ])
      expect(await json(service, verb ?? '', ...rest)).toMatchObject({ state: 'done', kind: `disk.${verb}` });
    const again = await json<typeof snapshot>(service, 'snapshot', id, '--name', 'two');
    expect(again.result.snapshots[id]).not.toBe(snapshotId);
    const removed = await json(service, 'remove-snapshot', id, again.result.snapshots[id] ?? '');
    expect(removed).toMatchObject({ state: 'done', kind: 'disk.fold-up' });
    const tasks = await json<Named[]>(service, 'tasks');
    expect(tasks[0]).toMatchObject({ kind: 'disk.fold-up', state: 'done', progress: 1 });
    expect(await json(service, 'wait', tasks[0]?.id ?? '')).toEqual(tasks[0]);
    expect(await json(service, 'cancel', tasks[0]?.id ?? '')).toEqual(tasks[0]);
    for (const args of [
      ['close', id],
      ['remove', id],
      ['remove', blank.id],
      ['remove-image', result.id],
    ])
      expect(await json(service, ...args)).toBe(null);
    expect(await json(service, 'health')).toMatchObject({ pid: process.pid, openDisks: 0 });
    expect(await json(service, 'stop')).toBe(null);
  });
});

describe('how it ends', () => {
  test.for([
    { it: 'no such verb', args: ['explode'] },
    { it: 'an argument is missing', args: ['show'] },
    { it: 'an option nobody knows', args: ['list', '--bogus'] },
    { it: 'a size that is none', args: ['grow', 'a', '--size', 'much'] },
    { it: 'a required option is missing', args: ['grow', 'a'] },
    { it: 'nothing to make a disk of', args: ['create', 'a'] },
    { it: 'two things to make a disk of', args: ['create', 'a', '--from', 'b', '--file', '/c'] },
    { it: 'no new base', args: ['reparent', 'a'] },
    { it: 'TLS without certificates', args: ['serve', '--listen', 'localhost'] },
    { it: 'certificates that are not there', args: ['serve', '--listen', 'localhost', '--tls-cert', '/none'] },
    { it: 'threads that are no number', args: ['serve', '--threads', 'many'] },
  ])('64 where $it', async ({ args }) => {
    const { status, out, err } = await disks(args);
    expect(status).toBe(64);
    expect(out).toBe('');
    expect(err).toMatch(/^(oriel|error): .*\n/);
  });

  test('1 where no service runs, with one line that names its socket', async () => {
    const socket = join(tempFolder(), 'none.sock');
    const { status, err, out } = await disks(['list', '--socket', socket]);
    expect({ status, out, err }).toEqual({
      status: 1,
      out: '',
      err: `oriel: the disk service on ${socket} does not answer (SERVICE)\n`,
    });
    const asJson = await disks(['list', '--socket', socket, '--json']);
    expect(asJson.status).toBe(1);
    expect(JSON.parse(asJson.err)).toMatchObject({ error: { code: 'SERVICE' } });
  });

  test.for([
    { args: ['show', 'nobody'], code: 'NOT_FOUND' },
    { args: ['open', 'nobody'], code: 'NOT_FOUND' },
    { args: ['stats', 'a'], code: 'CLOSED' },
    { args: ['commit', 'a'], code: 'NO_PARENT' },
    { args: ['remove-snapshot', 'a', 'none'], code: 'NOT_FOUND' },
    { args: ['import', '/none.vhd', '--name', 'x'], code: 'NOT_FOUND' },
    { args: ['wait', 'nothing'], code: 'NOT_FOUND' },
    { args: ['create', 'b', '--from', 'nothing'], code: 'NOT_FOUND' },
    { args: ['open', 'a', '--remote'], code: 'UNSUPPORTED' },
  ])('1 with the code $code for $args', async ({ args, code }) => {
    const service = await serviceIn();
    await service.api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    const { status, err, out } = await disks(args, service);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(new RegExp(`^oriel: .*\\(${code}\\)\n$`));
  });

  test('64 for what the service calls wrong usage: a smaller size', async () => {
    const service = await serviceIn();
    await service.api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    expect(await disks(['grow', 'a', '--size', '512K'], service)).toMatchObject({
      status: 64,
      err: expect.stringContaining('cannot be made smaller') as string,
    });
  });

  test('2 where the links have problems', async () => {
    const service = await serviceIn();
    await service.api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    const { truncateSync, statSync } = await import('node:fs');
    const leaf = join(service.folder, 'storage', 'disks', 'a', '0001.vhd');
    truncateSync(leaf, statSync(leaf).size - 512);
    expect(await disks(['check', 'a'], service)).toMatchObject({
      status: 2,
      out: expect.stringContaining('FOOTER_TAIL') as string,
    });
  });

  test('a disk that is broken says why', async () => {
    const service = await serviceIn();
    await service.api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    const { renameSync } = await import('node:fs');
    const leaf = join(service.folder, 'storage', 'disks', 'a', '0001.vhd');
    renameSync(leaf, `${leaf}.away`);
    expect(await text(service, 'show', 'a')).toContain(`state:      broken: ${leaf} is not there (NOT_FOUND)`);
  });
});

describe('tasks from the command line', () => {
  /** A disk with two snapshots and data between them, whose merge at the given rate takes long. */
  async function slowMerge(): Promise<TestService & { readonly args: readonly string[] }> {
    const service = await serviceIn();
    const { api } = service;
    await api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: 16 * MIB } });
    const client = await clientOf((await api.openDisk({ id: 'a' })).uri);
    const ids: string[] = [];
    for (const name of ['one', 'two']) {
      await client.write(Buffer.alloc(16 * MIB, 3), 0);
      const task = await done(api, api.snapshotDisks({ ids: ['a'], name }));
      ids.push((task.result?.['snapshots'] as Record<string, string> | undefined)?.['a'] ?? '');
    }
    return { ...service, args: ['merge', 'a', ids[1] ?? '', '--rate', '2M'] };
  }

  test('--no-wait answers with the task, `wait` follows it with progress, `cancel` ends it', async () => {
    const service = await slowMerge();
    const task = await json<Named & { state: string }>(service, ...service.args, '--no-wait');
    expect(task.state).toBe('running');
    const follower = new EventEmitter();
    const progress = once(follower, 'line');
    const followed = disks(['wait', task.id, '--progress', 'json'], service, () => follower.emit('line'));
    await progress;
    expect(await text(service, 'cancel', task.id)).toBe('disk.fold-down of a: told to stop\n');
    const { status, out, err } = await followed;
    expect({ status, out }).toEqual({ status: 1, out: '' });
    const lines = err.trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'progress', task: task.id, kind: 'disk.fold-down' });
    expect(lines.at(-1)).toMatch(/\(CANCELLED\)$/);
    expect(await text(service, 'tasks')).toContain(`${task.id}\tdisk.fold-down\ta\tcancelled\t`);
  });

  test('an interrupt of the command cancels its task; taken up again it ends well', async () => {
    const service = await slowMerge();
    const script = join(import.meta.dirname, 'oriel.mjs');
    const socket = ['--socket', join(service.folder, 'control.sock')];
    const args = [script, 'disk-service', ...service.args, ...socket, '--progress', 'json'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    onCleanup(() => child.kill('SIGKILL'));
    const lines: string[] = [];
    const errors = createInterface(child.stderr);
    errors.on('line', (line) => lines.push(line));
    await once(errors, 'line'); // It follows its task by now.
    const exited = once(child, 'close');
    child.kill('SIGINT');
    expect(await exited).toEqual([1, null]);
    expect(lines.at(-1)).toMatch(/\(CANCELLED\)$/);
    const [verb = '', id = '', snapshot = ''] = service.args;
    expect(await text(service, verb, id, snapshot)).toBe('disk.fold-down of a: done\n');
  });
});

describe('oriel disk-service serve', () => {
  test('serves until SIGTERM, refuses a second one on the folder, and leaves nothing behind', async () => {
    const folder = tempFolder();
    const script = join(import.meta.dirname, 'oriel.mjs');
    const args = ['--storage', join(folder, 'storage'), '--socket', join(folder, 'control.sock')];
    const serve = (...more: readonly string[]) =>
      spawn(process.execPath, [script, 'disk-service', 'serve', ...args, '--run-dir', join(folder, 'run'), ...more], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const first = serve('--threads', '1');
    onCleanup(() => first.kill('SIGKILL'));
    const [started] = (await once(createInterface(first.stderr), 'line')) as [string];
    expect(JSON.parse(started)).toMatchObject({ event: 'service.started', pid: first.pid });
    const second = serve();
    const [complaint] = (await once(createInterface(second.stderr), 'line')) as [string];
    expect(complaint).toMatch(new RegExp(`^oriel: .*${first.pid}.*\\(LOCKED\\)$`));
    expect(await once(second, 'exit')).toEqual([1, null]);
    const exited = once(first, 'exit');
    first.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(existsSync(join(folder, 'control.sock'))).toBe(false);
    expect(existsSync(join(folder, 'storage', 'service.lock'))).toBe(false);
  });
});
