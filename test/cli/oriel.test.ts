/** The `oriel` command as a black box, against a real gateway: what it prints, what it says in JSON, how it ends. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ORIEL, oriel, orielHere, type Ran, startGateway, type TestGateway } from '../support/gateway.ts';
import { untilSerial } from '../support/live.ts';

vi.setConfig({ testTimeout: 90_000 });

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const run = (...args: string[]): Promise<Ran> => orielHere(gateway.dataDir, args);
async function json<T>(...args: string[]): Promise<T> {
  const ran = await run(...args, '--json');
  expect(ran).toMatchObject({ status: 0, err: '' });
  return JSON.parse(ran.out) as T;
}
/** Whether any process has it open. */
function isOpened(file: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === file);
      } catch {
        return false; // It has ended meanwhile, or is another account's.
      }
    });
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly state: string;
}

describe('VMs', () => {
  test('are made, run, shown and deleted; the machine needs no sign-in under its own account', async () => {
    const made = await run(
      'vm',
      'create',
      'one',
      '--template',
      'toy',
      '--memory',
      '32M',
      '--machine',
      'pc',
      '--bus',
      'ide',
      '--no-agent',
    );
    expect(made).toMatchObject({ status: 0, out: expect.stringMatching(/^created VM one \([0-9a-f-]{36}\)\n$/) });
    expect(await run('vm', 'start', 'one', '--wait')).toMatchObject({ status: 0, out: 'one: running\n' });
    const { out } = await run('vm', 'list');
    expect(out).toMatch(/^NAME +STATE +HOST +CPUS +MEMORY +UP +ID +REASON\none +running +local +1 +32 MiB/);
    const shown = await json<Row>('vm', 'show', 'one');
    expect(shown).toMatchObject({ name: 'one', state: 'running', hardware: { memoryMiB: 32, agent: false } });
    expect((await run('vm', 'show', shown.id.slice(0, 8))).out).toContain(`id: ${' '.repeat(11)}${shown.id}`);

    expect(await run('vm', 'pause', 'one', '--wait')).toMatchObject({ status: 0, out: 'one: paused\n' });
    expect(await run('vm', 'resume', 'one', '--wait')).toMatchObject({ status: 0, out: 'one: running\n' });
    expect(await run('vm', 'save', 'one', '--wait')).toMatchObject({ status: 0, out: 'one: saved\n' });
    expect(await run('vm', 'start', 'one', '--wait')).toMatchObject({ status: 0, out: 'one: running\n' });
    expect(await run('vm', 'edit', 'one', '--description', 'mine')).toMatchObject({ status: 0 });
    // Asked for, it is not done: what is said is not the state of the moment before.
    expect((await run('vm', 'stop', 'one', '--force')).out).toMatch(/^one: stopping(, running until then)?\n$/);
    expect(await run('vm', 'stop', 'one', '--force', '--wait')).toMatchObject({ status: 0, out: 'one: stopped\n' });
    expect((await run('vm', 'log', 'one', '--events')).out).toMatch(/info +kill +it was forced off/);
    expect(await run('vm', 'delete', 'one', '--disks', 'delete')).toMatchObject({ status: 0, out: 'one: deleting\n' });
  });

  test('have a console: what is piped in is typed, what the guest says comes out', async () => {
    expect(await run('vm', 'start', 'toy', '--wait')).toMatchObject({ status: 0 });
    const [toy] = (await json<Row[]>('vm', 'list')).filter((vm) => vm.name === 'toy');
    await untilSerial(gateway.dataDir, toy?.id ?? '', /oriel-toy boot 1\r\n/);
    expect(await run('vm', 'log', 'toy', '--lines', '1')).toMatchObject({ status: 0, out: 'oriel-toy boot 1\n' });
    expect(await json('vm', 'log', 'toy')).toEqual({ text: expect.stringContaining('oriel-toy boot 1\r\n') });
    expect(await json('vm', 'log', 'toy', '--events')).toContainEqual(expect.objectContaining({ event: 'start' }));
    expect(await run('vm', 'log', 'toy', '--events', '--lines', '1')).toMatchObject({ status: 64 });
    const env = { ...process.env, ORIEL_DATA: gateway.dataDir };
    const child = spawn(process.execPath, [ORIEL, 'vm', 'console', 'toy'], { env });
    let out = '';
    const echoed = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (out.includes('hello toy')) resolve();
      });
    });
    await new Promise<void>((resolve) =>
      child.stderr.on('data', (chunk: Buffer) => chunk.includes('connected') && resolve()),
    );
    child.stdin.write('hello toy');
    await echoed;
    child.kill('SIGTERM');
    const sessions = await json<{ desktopName: string; kind: string; id: string }[]>('session', 'list');
    expect(sessions).toMatchObject([{ desktopName: 'toy', kind: 'serial' }]);
    await expect.poll(async () => (await run('session', 'list')).out).toMatch(/parked, ends in 4 min/);
    expect(await run('session', 'end', sessions[0]?.id ?? '')).toMatchObject({ status: 0 });
    expect(await json('session', 'list')).toEqual([]);
  });
});

describe('exit statuses', () => {
  test.for([
    { it: 'something that is not there', args: ['vm', 'show', 'nothing'], status: 4, err: 'oriel: no VM nothing\n' },
    { it: 'a missing argument', args: ['vm', 'show'], status: 64, err: "error: missing required argument 'vm'\n" },
    {
      it: 'an option that says what must be said',
      args: ['vm', 'delete', 'toy'],
      status: 64,
      err: /--disks <what>' not specified/,
    },
    {
      it: 'a name that is taken',
      args: ['vm', 'create', 'toy', '--template', 'toy'],
      status: 5,
      err: 'oriel: there is a VM toy already\n',
    },
    {
      it: 'a disk that is taken',
      args: ['vm', 'create', 'two', '--disk', 'toy-demo'],
      status: 5,
      err: 'oriel: disk toy-demo is in use by another VM\n',
    },
    {
      it: 'a value that cannot be',
      args: ['vm', 'create', 'x', '--memory', '1M'],
      status: 64,
      err: /body.hardware.memoryMiB/,
    },
    { it: 'an unknown verb', args: ['vm', 'explode'], status: 64, err: /unknown command/ },
  ])('$status for $it', async ({ args, status, err }) => {
    const ran = await run(...args);
    expect(ran.status).toBe(status);
    expect(ran.err).toEqual(typeof err === 'string' ? err : expect.stringMatching(err));
  });

  test('3 for a token that is not one, 6 where nobody answers', async () => {
    const bad = { ORIEL_URL: gateway.origin, ORIEL_TOKEN: 'x'.repeat(43) };
    expect(await orielHere(gateway.dataDir, ['vm', 'list'], '', bad)).toMatchObject({ status: 3, out: '' });
    const nobody = { ORIEL_URL: 'http://127.0.0.1:1', ORIEL_TOKEN: 'x' };
    const ran = await oriel(gateway.dataDir, ['vm', 'list'], '', nobody);
    expect(ran).toMatchObject({ status: 6, err: expect.stringContaining('cannot reach http://127.0.0.1:1') });
    expect(await orielHere('/tmp/oriel-nowhere', ['vm', 'list'])).toMatchObject({ status: 6 });
  });
});

describe('profiles', () => {
  test('a token is kept in a file that only its owner can read, and used from then on', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'oriel-p-'));
    const file = path.join(folder, 'profiles.json');
    try {
      const token = (await run('admin', 'token', 'create', '--user', 'admin', '--scope', 'see')).out.trim();
      const env = { ORIEL_PROFILES: file, ORIEL_DATA: '/tmp/oriel-nowhere' };
      const remote = (args: string[], input = ''): Promise<Ran> => orielHere(gateway.dataDir, args, input, env);
      expect(await remote(['login', gateway.origin, '--name', 'far'], `${token}\n`)).toMatchObject({
        status: 0,
        out: `signed in to ${gateway.origin} as admin\n`,
      });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(await remote(['vm', 'list', '--profile', 'far'])).toMatchObject({
        status: 0,
        out: expect.stringContaining('toy'),
      });
      // The token may see and no more.
      expect(await remote(['vm', 'stop', 'toy'])).toMatchObject({ status: expect.toBeOneOf([3, 4]) });
      expect((await remote(['profile', 'list'])).out).toMatch(/\* +far +http/);
      chmodSync(file, 0o644);
      expect(await remote(['vm', 'list'])).toMatchObject({ status: 1, err: expect.stringContaining('chmod 600') });
      chmodSync(file, 0o600);
      expect(await remote(['logout', 'far'])).toMatchObject({ status: 0 });
      expect(readFileSync(file, 'utf8')).not.toContain(token);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a wrong token is not kept', async () => {
    const file = path.join(gateway.dataDir, 'none.json');
    const env = { ORIEL_PROFILES: file, ORIEL_DATA: '/tmp/oriel-nowhere' };
    expect(await orielHere(gateway.dataDir, ['login', gateway.origin], `${'x'.repeat(43)}\n`, env)).toMatchObject({
      status: 3,
    });
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe('the rest of the gateway', () => {
  test('hosts: list, show, maintenance, add, remove', async () => {
    expect(await json('host', 'list')).toMatchObject([{ name: 'local', kind: 'qemu', state: 'connected' }]);
    expect((await run('host', 'show', 'local')).out).toMatch(/runs on: +(tcg|kvm)\nbecause: /);
    expect((await run('host', 'maintenance', 'local', 'on')).out).toBe('local: connected, maintenance\n');
    expect(await run('vm', 'start', 'toy')).toMatchObject({ status: 5, err: 'oriel: host local is in maintenance\n' });
    expect((await run('host', 'maintenance', 'local', 'off')).out).toBe('local: connected\n');
    expect(await run('host', 'add', 'second')).toMatchObject({ status: 0 });
    expect(await run('host', 'remove', 'second')).toMatchObject({ status: 0, out: 'removed host second\n' });
    expect(await run('host', 'remove', 'local')).toMatchObject({
      status: 5,
      err: expect.stringContaining('still has 1 VMs'),
    });
  });

  test('the library: an image is imported as a task, becomes a template, is cloned and goes', async () => {
    writeFileSync(path.join(gateway.dataDir, 'import', 'disk.raw'), Buffer.alloc(2 << 20, 7));
    expect(await run('image', 'import', 'disk.raw')).toMatchObject({ status: 0, out: 'import disk.raw: done\n' });
    const imports = ((await json('task', 'list')) as { kind: string }[]).filter(({ kind }) => kind === 'image.import');
    expect(imports).toMatchObject([{ kind: 'image.import', state: 'done', progress: 1 }]);
    expect(await run('image', 'import', '../gateway.db')).toMatchObject({ status: 64 });
    expect(await run('image', 'import', 'nothing.raw')).toMatchObject({
      status: 64,
      err: expect.stringContaining('no file nothing.raw'),
    });
    expect(await run('template', 'seal', 'disk')).toMatchObject({ status: 0, out: 'disk is a template now\n' });
    expect(await run('disk', 'create', 'clone', '--template', 'disk')).toMatchObject({ status: 0 });
    expect(await run('template', 'delete', 'disk')).toMatchObject({
      status: 5,
      err: expect.stringContaining('depend on it'),
    });
    expect(await run('disk', 'delete', 'clone')).toMatchObject({ status: 0 });
    expect(await run('template', 'delete', 'disk')).toMatchObject({ status: 0 });
  });

  test('an upload that is killed goes on where it was; what arrived is checked, resized and downloaded', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'oriel-up-'));
    const file = path.join(folder, 'big.raw');
    writeFileSync(file, Buffer.alloc(1 << 20, 7));
    truncateSync(file, 256 << 20);
    try {
      const env = {
        ...process.env,
        ORIEL_DATA: gateway.dataDir,
        ORIEL_PROFILES: path.join(gateway.dataDir, 'profiles.json'),
      };
      const child = spawn(process.execPath, [ORIEL, 'image', 'upload', file, '--name', 'big'], { env });
      const ended = new Promise((resolve) => child.once('close', resolve));
      const parts = path.join(gateway.dataDir, 'disks', 'incoming', 'parts');
      const arrived = (): number => {
        const [name] = existsSync(parts) ? readdirSync(parts).filter((one) => !one.endsWith('.json')) : [];
        return name === undefined ? 0 : statSync(path.join(parts, name)).size;
      };
      await vi.waitUntil(() => 8 << 20 < arrived(), { timeout: 20_000, interval: 1 });
      child.kill('SIGKILL');
      await ended;
      expect(arrived()).toBeLessThan(256 << 20);
      expect(await run('image', 'upload', file, '--name', 'big')).toMatchObject({
        status: 0,
        out: expect.stringMatching(/^big\.raw is in the library now \(/),
      });
      const begun = await json<unknown[]>('audit', 'list', '--action', 'upload.create');
      expect(begun).toHaveLength(1); // One upload, in two runs.

      expect(await run('image', 'check', 'big', '--deep')).toMatchObject({ status: 0, out: 'big: nothing found\n' });
      expect(await run('image', 'resize', 'big', '128M', '--shrink')).toMatchObject({ status: 0 });
      const saved = path.join(folder, 'saved.qcow2');
      expect(await run('image', 'download', 'big', '--format', 'qcow2', '-o', saved)).toMatchObject({ status: 0 });
      truncateSync(file, 128 << 20);
      const compared = spawnSync('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', saved, file], {
        encoding: 'utf8',
      });
      expect(compared.stdout).toContain('identical');
      const tree = (await run('template', 'tree', 'toy')).out;
      expect(tree).toMatch(/^Toy system \(template, .*\) \*\n└─ toy \(disk, VM toy, .*\)\n$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('a disc is uploaded, put into the drive of a VM that runs, and taken out again', async () => {
    const disc = Buffer.alloc(64 << 10);
    disc.write('\u0001CD001', 0x8000, 'latin1');
    const file = path.join(gateway.dataDir, 'net inst.iso');
    writeFileSync(file, disc);
    expect(await run('image', 'upload', file)).toMatchObject({
      status: 0,
      out: 'net inst.iso is a disc now, for CD drives\n',
    });
    expect((await run('disc', 'list')).out).toMatch(/^NAME.*\nnet inst\.iso +64\.0 KiB /);
    expect(await run('vm', 'cd', 'toy', 'other.iso')).toMatchObject({
      status: 64,
      err: `oriel: no disc image other.iso in the folder of discs, ${gateway.dataDir}/discs\n`,
    });
    const inDrive = (): boolean => isOpened(path.join(gateway.dataDir, 'discs', 'net inst.iso'));
    expect(await run('vm', 'start', 'toy', '--wait')).toMatchObject({ status: 0 });
    expect(await run('vm', 'cd', 'toy', 'net inst.iso')).toMatchObject({
      status: 0,
      out: 'toy: net inst.iso in the drive\n',
    });
    await vi.waitUntil(inDrive, { timeout: 20_000 });
    expect(await json('vm', 'show', 'toy')).toMatchObject({
      state: 'running',
      cdImageId: 'net inst.iso',
      pendingRestart: [],
    });
    expect(await run('disc', 'delete', 'net inst.iso')).toMatchObject({ status: 5, err: /in the drive of toy/ });
    expect(await run('vm', 'cd', 'toy', '--eject')).toMatchObject({ status: 0, out: 'toy: no disc in the drive\n' });
    await vi.waitUntil(() => !inDrive(), { timeout: 20_000 });
    expect(await run('disc', 'delete', 'net inst.iso')).toMatchObject({ status: 0 });
  });

  test('snapshots of a disk, also while its VM runs', async () => {
    expect(await run('disk', 'snapshot', 'create', 'toy', 'before')).toMatchObject({ status: 0 });
    expect((await run('disk', 'snapshot', 'list', 'toy')).out).toMatch(/^NAME.*\nbefore /);
    expect(await run('disk', 'revert', 'toy')).toMatchObject({
      status: 5,
      err: expect.stringContaining('in use'),
    });
    expect(await run('disk', 'snapshot', 'delete', 'toy', 'before')).toMatchObject({ status: 0 });
    expect(await json('disk', 'snapshot', 'list', 'toy')).toEqual([]);
  });

  test('backups: a running VM goes into a repository, is verified, and comes back as another', async () => {
    const folder = path.join(gateway.dataDir, 'backups');
    const added = await run('backup', 'repository', 'add', 'shelf', folder);
    expect(added).toMatchObject({ status: 0, out: expect.stringContaining('plain VHDs') });
    expect(await run('backup', 'run', 'toy')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^full restore point/),
    });
    expect(await run('backup', 'run', 'toy')).toMatchObject({ status: 0, out: expect.stringMatching(/^incremental/) });
    const [point] = await json<{ id: string; consistency: string }[]>('backup', 'list', 'toy');
    expect(point).toMatchObject({ consistency: 'crash' });
    const id = point?.id ?? '';
    expect(await run('backup', 'verify', id)).toMatchObject({
      status: 0,
      out: expect.stringContaining('what was stored'),
    });
    expect(await run('backup', 'restore', id, 'again', '--how', 'now')).toMatchObject({ status: 0 });
    expect(await run('backup', 'remove', id)).toMatchObject({
      status: 5,
      err: expect.stringContaining('again stands on it'),
    });
    expect(await run('vm', 'delete', 'again', '--disks', 'delete')).toMatchObject({ status: 0 });
    const job = ['backup', 'job', 'create', 'nightly', '--all', '--schedule', '30 2 * * *', '--keep', 'daily=7'];
    expect(await run(...job)).toMatchObject({ status: 0, out: expect.stringContaining('next run') });
    expect((await run('backup', 'job', 'prune', 'nightly')).out).toMatch(/^VM +TAKEN/);
    expect(await run(...job.slice(0, -1), 'fortnightly=2')).toMatchObject({ status: 64 });
    expect(await run('backup', 'repository', 'forget', 'shelf')).toMatchObject({ status: 5 });
  });

  test('policies: each layer is laid down by itself, and which of them decides is said', async () => {
    const done = { status: 0, err: '' };
    expect(await run('policy', 'set', 'clipboard=in', 'idleMs=600000')).toMatchObject(done);
    expect(await run('group', 'add', 'guests')).toMatchObject(done);
    expect(await run('policy', 'set', '--group', 'guests', 'clipboard=off')).toMatchObject(done);
    expect(await run('policy', 'set', '--desktop', 'toy', 'idleMs=none', 'refusedKeys=Alt+F4,F11')).toMatchObject(done);
    expect(await json('policy', 'show')).toEqual({ rules: { clipboard: 'in', idleMs: 600_000 } });
    expect(await json('policy', 'show', '--group', 'guests')).toEqual({ rules: { clipboard: 'off' } });
    expect(await json('policy', 'show', '--desktop', 'toy')).toMatchObject({
      rules: { idleMs: null, refusedKeys: ['Alt+F4', 'F11'] },
      policy: { clipboard: 'in', idleMs: null, canResize: true },
      decidedBy: { clipboard: { layer: 'gateway' }, idleMs: { layer: 'desktop' }, canResize: { layer: 'default' } },
    });
    expect(await run('group', 'join', 'guests', 'admin')).toMatchObject(done);
    const { out } = await run('policy', 'show', '--desktop', 'toy');
    expect(out).toMatch(/^RULE +HERE +FOR YOU +DECIDED BY\nclipboard +- +off +group guests\n/);
    expect(out).toMatch(/\nidleMs +none +none +desktop\n/);
    for (const { args, err } of [
      { args: ['set', 'sound=off'], err: /"sound=off" is no rule=value; the rules are: clipboard, / },
      { args: ['set', 'idleMs=1'], err: /^oriel: idleMs: / },
      { args: ['show', '--group', 'guests', '--desktop', 'toy'], err: /not both/ },
    ])
      expect(await run('policy', ...args)).toMatchObject({ status: 64, err: expect.stringMatching(err) });
    expect(await run('policy', 'show', '--group', 'nobody')).toMatchObject({ status: 4 });
    expect(await run('policy', 'set', 'clipboard=default', 'idleMs=default')).toMatchObject(done);
    expect(await json('policy', 'show')).toEqual({ rules: {} });
    expect(await run('policy', 'set', '--desktop', 'toy', 'idleMs=default', 'refusedKeys=default')).toMatchObject(done);
    expect(await run('group', 'delete', 'guests')).toMatchObject(done);
  });

  test('storages: another is added, named, found unreachable, and forgotten; what belongs to nobody is shown first', async () => {
    expect(await json('storage', 'list')).toMatchObject([{ id: 'main', state: 'connected', orphanCount: 0 }]);
    const socket = path.join(gateway.dataDir, 'fast.sock');
    expect(await run('storage', 'add', 'fast', '--socket', socket, '--name', 'NVMe')).toMatchObject({
      status: 0,
      out: 'added storage NVMe (fast): unreachable\n',
    });
    expect(await run('storage', 'add', 'fast', '--socket', socket)).toMatchObject({ status: 5 });
    expect((await run('storage', 'rename', 'NVMe', 'Slow by now')).out).toBe('storage fast is called Slow by now\n');
    expect((await run('storage', 'show', 'fast')).out).toMatch(/its disk service does not answer/);
    expect((await run('storage', 'remove', 'Slow by now')).out).toBe('removed storage Slow by now\n');
    expect(await run('storage', 'remove', 'main')).toMatchObject({ status: 5 });
    expect(await run('storage', 'show', 'fast')).toMatchObject({ status: 4 });

    const made = ['create', 'stray', '--size', '1M', '--owner', 'vm:gone'];
    expect(await oriel(gateway.dataDir, ['disk-service', ...made])).toMatchObject({ status: 0 });
    expect(await run('storage', 'sweep')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/stray .*would remove/),
    });
    expect(await run('storage', 'sweep', '--dry-run', '--remove')).toMatchObject({ status: 64 });
    expect((await run('storage', 'sweep', 'main', '--remove')).out).toMatch(/stray .*removed/);
    expect((await run('storage', 'sweep')).out).toBe('everything belongs to somebody\n');
  });

  test('people: a user gets a link and rights on a desktop', async () => {
    const added = await run('user', 'add', 'ada', '--full-name', 'Ada Lovelace');
    expect(added).toMatchObject({ status: 0, out: expect.stringContaining('made ada\n') });
    expect(await run('assign', 'add', 'toy', '--user', 'ada', '--rights', 'open')).toMatchObject({ status: 0 });
    expect(await json('assign', 'list')).toMatchObject([{ rights: expect.arrayContaining(['open']) }]);
    expect(await run('group', 'add', 'class')).toMatchObject({ status: 0 });
    expect(await run('group', 'join', 'class', 'ada')).toMatchObject({ status: 0, out: 'ada joined class\n' });
    expect((await run('user', 'list')).out).toMatch(/ada +Ada Lovelace +user +class/);
  });

  test('the audit log knows what was done, and is whole', async () => {
    expect((await run('audit', 'list', '--action', 'vm.create')).out).toMatch(/vm\.create/);
    expect((await run('audit', 'verify')).out).toMatch(/^\d+ lines from line 1, intact\n$/);
  });

  test('doctor looks at the machine', async () => {
    const findings = await json<{ check: string; result: string }[]>('doctor');
    expect(findings.map((finding) => finding.check)).toEqual(
      expect.arrayContaining([
        'Node',
        'QEMU',
        'KVM',
        'data folder',
        'storage',
        'port',
        'disk service',
        'clock',
        'certificate',
        'addresses',
      ]),
    );
    expect(findings.filter((finding) => finding.result === 'bad')).toEqual([]);
  });

  test('vhd and disks are there too', async () => {
    const image = path.join(gateway.dataDir, 'disks', 'images', 'toy.vhd');
    const { out } = await oriel(gateway.dataDir, ['vhd', 'info', '--json', image]);
    expect(JSON.parse(out)).toMatchObject({ type: 'dynamic' });
    expect((await oriel(gateway.dataDir, ['disk-service', 'list'])).out).toMatch(/^toy-demo\topen/);
  });

  test('checkpoints: taken, listed as a tree, gone back to, deleted', async () => {
    expect(await run('vm', 'stop', 'toy', '--force', '--wait')).toMatchObject({ status: 0 });
    expect((await run('vm', 'checkpoint', 'toy', 'before')).status).toBe(0);
    expect((await run('vm', 'checkpoint', 'toy', 'after')).status).toBe(0);
    expect((await run('vm', 'checkpoints', 'toy')).out).toMatch(
      /\nbefore +\S+ +\S+-consistent: .*\n +after .*stands on it/,
    );
    expect(await run('vm', 'revert', 'toy', 'before')).toMatchObject({
      status: 0,
      out: 'toy is as in checkpoint before\n',
    });
    type Row = { readonly name: string; readonly isCurrent: boolean };
    const names = async (): Promise<string[]> =>
      (await json<Row[]>('vm', 'checkpoints', 'toy')).map(({ name }) => name);
    expect(await names()).toEqual(expect.arrayContaining(['before', 'after'])); // And what it held is kept.
    expect(await run('vm', 'revert', 'toy', 'never')).toMatchObject({ status: 4, err: 'oriel: no checkpoint never\n' });
    expect((await run('vm', 'checkpoint-delete', 'toy', 'after')).out).toBe('deleted checkpoint after\n');
    expect(await names()).not.toContain('after');
  });
});

describe('help and completion', () => {
  test.for(
    [['vm'], ['vm', 'create'], ['host', 'add'], ['image', 'import'], ['start'], ['login'], ['completion']].map(
      (args) => ({ args }),
    ),
  )('help of $args', async ({ args }) => {
    const ran = await run(...args, '--help');
    expect(ran).toMatchObject({ status: 0, err: '' });
    expect(ran.out).toContain('Usage: oriel');
    if (1 < args.length || args[0] === 'start') expect(ran.out).toContain('Examples:');
  });

  test('bash completes groups, verbs and flags', async () => {
    const { out } = await run('completion', 'bash');
    const complete = (...words: string[]): string[] => {
      const script = `${out}\nCOMP_WORDS=(oriel "$@")\nCOMP_CWORD=$#\n_oriel\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
    };
    expect(complete('te')).toEqual(['template']);
    expect(complete('vm', 'cr')).toEqual(['create']);
    expect(complete('vm', 'stop', '--f')).toEqual(['--force']);
    expect(complete('disk', 'snapshot', 'd')).toEqual(['delete']);
  });

  test('zsh and fish get scripts too', async () => {
    expect((await run('completion', 'zsh')).out).toMatch(/^#compdef oriel\n/);
    expect((await run('completion', 'fish')).out).toContain("complete -c oriel -n '__fish_seen_subcommand_from vm");
    expect(await run('completion', 'tcsh')).toMatchObject({ status: 64 });
  });
});
