/** Where results go: devices, links, pipes, file systems without hard links; and what `--force` never replaces. */
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Shell, shellIn } from './shell.ts';

/** A block device over a file of the folder. */
function loopDevice(shell: Shell, sizeBytes: number): string {
  const file = join(shell.folder, 'device.bin');
  execFileSync('truncate', ['-s', String(sizeBytes), file]);
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
  return device;
}

/** An ext4 file system, mounted in the folder. */
function mount(shell: Shell): void {
  const [file, at] = [join(shell.folder, 'fs.bin'), join(shell.folder, 'mnt')];
  execFileSync('truncate', ['-s', '256M', file]);
  execFileSync('mkfs.ext4', ['-q', file]);
  mkdirSync(at);
  execFileSync('mount', ['-o', 'loop', file, at]);
  onTestFinished(() => void execFileSync('umount', [at]));
}

test('a block device is written to, and stays one', () => {
  const shell = shellIn();
  const device = loopDevice(shell, 8 << 20);
  shell.run('head -c 4M /dev/urandom > a.raw; oriel vhd convert a.raw a.vhd; oriel vhd create big.vhd --size 9M');
  expect(shell.run(`oriel vhd convert a.vhd ${device}`)).toMatchObject({ status: 0, err: '' }); // It is empty.
  expect(shell.run(`cmp -n ${4 << 20} a.raw ${device}`).status).toBe(0);
  expect(shell.run(`oriel vhd convert a.vhd ${device}`)).toMatchObject({
    status: 1,
    err: expect.stringContaining('holds something already'),
  });
  shell.run('oriel vhd create zeros.vhd --size 4M');
  expect(shell.run(`oriel vhd convert zeros.vhd ${device} --to raw --force`).status).toBe(0);
  expect(shell.run(`cmp ${device} device.bin && ! grep -q . <(tr -d '\\0' < ${device})`).status).toBe(0);
  expect(shell.run(`oriel vhd convert big.vhd ${device} --force`).err).toContain('(TOO_LARGE)');
  expect(shell.run(`oriel vhd create ${device} --size 1M --force`).err).toContain('is a block device');
  expect(shell.run(`oriel vhd convert a.vhd ${device} --to dynamic --force`).status).toBe(64);
  expect(lstatSync(device).isBlockDevice()).toBe(true);
  // And as a source.
  expect(
    shell.run(`oriel vhd convert ${device} back.vhd && cmp <(oriel vhd export back.vhd -) ${device}`),
  ).toMatchObject({
    status: 0,
    err: '',
  });
});

test('a device that is mounted is not written to', () => {
  const shell = shellIn();
  mount(shell);
  const device = shell.run('losetup --noheadings --output NAME --associated fs.bin').out.trim();
  shell.run('oriel vhd create a.vhd --size 4M');
  expect(shell.run(`oriel vhd convert a.vhd ${device} --force`).err).toContain('(LOCKED)');
});

test('--force never replaces what is in use or what others stand on', async () => {
  const shell = shellIn();
  shell.run(
    'oriel vhd create base.vhd --size 4M; oriel vhd create child.vhd --parent base.vhd; head -c 1M /dev/zero > z.raw',
  );
  for (const line of ['oriel vhd convert z.raw base.vhd --force', 'oriel vhd create base.vhd --size 1M --force'])
    expect(shell.run(line)).toMatchObject({ status: 1, err: expect.stringContaining('(HAS_CHILDREN)') });
  shell.run('rm child.vhd');
  expect(shell.run('oriel vhd convert z.raw base.vhd --force').err).toContain('(SEALED)');
  for (const how of [[], ['--read-only']]) {
    shell.run('oriel vhd create served.vhd --size 4M --force');
    const server = shell.start('vhd', 'serve', 'served.vhd', '--socket', join(shell.folder, 'nbd'), ...how);
    await new Promise((resolve) => server.stdout?.once('data', resolve));
    expect(shell.run('oriel vhd convert z.raw served.vhd --force').err).toContain('(LOCKED)');
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
  }
  expect(shell.run('oriel vhd convert z.raw served.vhd --force').status).toBe(0);
});

test('links stay, what they lead to is replaced', () => {
  const shell = shellIn();
  shell.run(
    'mkdir real; oriel vhd create real/a.vhd --size 4M; ln -s real/a.vhd link.vhd; head -c 1M /dev/urandom > r.raw',
  );
  for (const line of [
    'oriel vhd convert r.raw link.vhd --force',
    'oriel vhd compact link.vhd',
    'oriel vhd resize link.vhd --size 8M',
    'oriel vhd convert r.raw link.vhd --to fixed --force',
    'oriel vhd convert r.raw link.vhd --to qcow2 --force',
    'oriel vhd create link.vhd --size 4M --force',
    'oriel vhd snapshot link.vhd --as real/s.vhd',
  ]) {
    expect({ line, ...shell.run(line) }).toMatchObject({ line, status: 0, err: '' });
    expect(lstatSync(join(shell.folder, 'link.vhd')).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(shell.folder, 'real/a.vhd')).isFile()).toBe(true);
  }
  expect(readdirSync(join(shell.folder, 'real')).toSorted()).toEqual(['a.vhd', 's.vhd']);
  expect(shell.run('oriel vhd check link.vhd --chain').status).toBe(0);
});

test('everything works where there are no hard links, as on exFAT and SMB', () => {
  const shell = shellIn();
  // The answer of those file systems, in front of the real one: not every kernel has them.
  const refusal = `import fs from 'node:fs';
    const no = () => Object.assign(new Error('EPERM: operation not permitted'), { code: 'EPERM' });
    fs.linkSync = () => { throw no(); };
    fs.promises.link = async () => { throw no(); };`;
  writeFileSync(join(shell.folder, 'no-links.mjs'), refusal);
  const work = `set -e
    export NODE_OPTIONS="--import ./no-links.mjs"
    head -c 3M /dev/urandom > a.raw
    oriel vhd create e.vhd --size 4M
    oriel vhd convert a.raw a.vhd
    oriel vhd create c.vhd --parent a.vhd
    oriel vhd snapshot c.vhd --as s.vhd
    oriel vhd merge s.vhd
    oriel vhd check c.vhd --chain
    cmp <(oriel vhd export c.vhd -) a.raw
    oriel vhd compact e.vhd
    oriel vhd convert c.vhd q.qcow2`;
  expect(shell.run(work)).toMatchObject({ status: 0, err: '' });
  expect(shell.run('NODE_OPTIONS="--import ./no-links.mjs" oriel vhd convert a.raw a.vhd').err).toContain('(EXISTS)');
  const names = ['a.raw', 'a.vhd', 'c.vhd', 'e.vhd', 'no-links.mjs', 'q.qcow2'];
  expect(readdirSync(shell.folder).toSorted()).toEqual(names);
});

test('pipes and devices of characters take a stream, and keep being what they are', () => {
  const shell = shellIn();
  shell.run('head -c 1M /dev/urandom > a.raw; oriel vhd convert a.raw a.vhd; mkfifo pipe');
  expect(shell.run('cat pipe > got & oriel vhd convert a.vhd pipe && wait && cmp got a.raw')).toMatchObject({
    status: 0,
  });
  expect(shell.run('oriel vhd convert a.vhd /dev/stdout --to raw > got2 && cmp got2 a.raw')).toMatchObject({
    status: 0,
  });
  expect(shell.run('oriel vhd convert a.vhd /dev/full --force')).toMatchObject({
    status: 1,
    err: expect.stringContaining('(NO_SPACE)'),
  });
  expect(shell.run('cat a.raw | oriel vhd convert /dev/stdin in.vhd')).toMatchObject({ status: 0, err: '' });
  expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
});

test('what Azure takes, also as a stream', () => {
  const shell = shellIn();
  shell.run('head -c 1000K /dev/urandom > a.raw');
  const bytes = (20 << 20) + 512;
  expect(shell.run('oriel vhd convert a.raw - --azure | wc -c').out.trim()).toBe(String(bytes));
  expect(shell.run('oriel vhd convert a.raw az.vhd --azure && stat -c %s az.vhd').out).toContain(String(bytes));
  expect(
    shell.run('oriel vhd convert a.raw - --azure > s.vhd; cmp <(oriel vhd export s.vhd -) <(oriel vhd export az.vhd -)')
      .status,
  ).toBe(0);
});

test('the ending of a target is never taken for raw without a word', () => {
  const shell = shellIn();
  shell.run('head -c 1M /dev/urandom > a.raw');
  expect(shell.run('oriel vhd convert a.raw o.vpc && oriel vhd info o.vpc').out).toContain('dynamic');
  expect(shell.run('oriel vhd convert a.raw o.hdd')).toMatchObject({
    status: 64,
    err: expect.stringContaining('--to'),
  });
  expect(readdirSync(shell.folder).toSorted()).toEqual(['a.raw', 'o.vpc']);
});

test('a result that is too large is refused before the first byte', () => {
  const shell = shellIn();
  shell.run('truncate -s 2041G a.raw');
  expect(shell.run('oriel vhd convert a.raw o.vhd').err).toMatch(/2041 GiB.*2040 GiB.*\(TOO_LARGE\)/);
  expect(shell.run('oriel vhd export a.raw - --format dynamic | wc -c').out.trim()).toBe('0');
  expect(readdirSync(shell.folder)).toEqual(['a.raw']);
});

test('room is given back where 4 KiB in every 64 are data: VHD to VHD, compact, and to raw', () => {
  const shell = shellIn();
  const raw = Buffer.alloc(32 << 20);
  for (let at = 20_480; at < raw.length; at += 65_536) raw.fill(1, at, at + 4096);
  writeFileSync(join(shell.folder, 's.raw'), raw);
  // Images that hold every zero, as tools without holes write them.
  expect(
    shell.run('oriel vhd convert s.raw a.vhd && cp --sparse=never a.vhd full.vhd && cp full.vhd c.vhd'),
  ).toMatchObject({ status: 0, err: '' });
  // On one core it reads and writes on one thread.
  expect(
    shell.run('taskset -c 0 oriel vhd convert full.vhd b.vhd && taskset -c 0 oriel vhd convert full.vhd b.raw').status,
  ).toBe(0);
  expect(shell.run('oriel vhd compact c.vhd').status).toBe(0);
  const stored = (name: string): number => statSync(join(shell.folder, name)).blocks * 512;
  expect(stored('full.vhd')).toBeGreaterThan(32 << 20);
  for (const name of ['a.vhd', 'b.vhd', 'c.vhd', 'b.raw']) {
    expect({ name, isSmall: stored(name) < 2.5 * (1 << 20) }).toEqual({ name, isSmall: true });
    expect(shell.run(`cmp <(oriel vhd export ${name} -) s.raw`)).toMatchObject({ status: 0, out: '' });
  }
});

/** What is done beside a folder that cannot be written to: all of it reads the same. */
const CLONING = `set -e
  oriel vhd create clone.vhd --parent ro/tpl.vhd --parents ro > /dev/null
  oriel vhd hash clone.vhd --parents ro > hashes; oriel vhd hash ro/flat.vmdk >> hashes`;
const READING = `${CLONING}
  for name in r.raw c.vhd q.qcow2 split.vmdk; do oriel vhd hash ro/$name >> hashes; done
  oriel vhd convert ro/split.vmdk out.vhd > /dev/null; oriel vhd hash out.vhd >> hashes; oriel vhd info ro/flat.vmdk`;
/** How many different contents there are. */
const CONTENTS = 'cut -c1-64 hashes | sort -u | wc -l';
const SOURCES = `set -e; mkdir ro; head -c 3M /dev/urandom > r.raw; cp r.raw ro/r.raw; cd ro
  oriel vhd convert r.raw a.vhd; cp a.vhd tpl.vhd; oriel vhd create c.vhd --parent a.vhd
  qemu-img convert -f raw -O qcow2 r.raw q.qcow2
  qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat r.raw flat.vmdk
  qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse r.raw split.vmdk`;

test('sources and templates on a mount that is read-only: flat and split VMDK among them', () => {
  const shell = shellIn();
  expect(shell.run(SOURCES)).toMatchObject({ status: 0 });
  const mode = statSync(join(shell.folder, 'ro/tpl.vhd')).mode;
  writeFileSync(
    join(shell.folder, 'reading.sh'),
    `mount --bind ro ro; mount -o remount,ro,bind ro\n${READING}
    ! oriel vhd create ro/no.vhd --parent ro/tpl.vhd`,
  );
  const ended = shell.run('unshare --map-root-user --mount bash reading.sh');
  expect(ended).toMatchObject({ status: 0, err: expect.stringContaining('(READ_ONLY)') });
  expect(shell.run(`wc -l < hashes; ${CONTENTS}`).out).toBe('7\n1\n');
  // A mount that cannot be written to cannot be sealed, and needs no seal.
  expect(statSync(join(shell.folder, 'ro/tpl.vhd')).mode).toBe(mode);
});

test.skipIf(process.getuid?.() !== 0)('sources and templates of another account', () => {
  const shell = shellIn();
  expect(shell.run(SOURCES)).toMatchObject({ status: 0 });
  writeFileSync(join(shell.folder, 'cloning.sh'), CLONING);
  chmodSync(shell.folder, 0o777);
  const before = statSync(join(shell.folder, 'ro/tpl.vhd'));
  const as = 'setpriv --reuid=65534 --regid=65534 --clear-groups';
  expect(shell.run(`${as} env HOME=/nonexistent bash cloning.sh`)).toMatchObject({ status: 0, err: '' });
  expect(shell.run(CONTENTS).out).toBe('1\n');
  const after = statSync(join(shell.folder, 'ro/tpl.vhd'));
  expect([after.mode, after.mtimeMs]).toEqual([before.mode, before.mtimeMs]);
});
