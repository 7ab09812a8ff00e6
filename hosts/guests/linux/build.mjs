// Builds the Linux test guest: a bootable raw disk with a kernel, an initramfs (busybox, qemu-ga, dropbear) and one small
// ext4 file system, from Debian packages. Needs no root: packages are downloaded and unpacked, never installed.
//
//   node hosts/guests/linux/build.mjs [cache folder]      prints the path of the disk image
//
// The image is cached under a name made of everything that went into it; a second build takes no time.
// Layout of the disk, in sectors of 512 bytes: 0 boot.asm · 1 its table · 64 kernel setup, kernel, initramfs · then, at the
// next MiB, the ext4 partition. Spec: Linux Documentation/x86/boot.rst, Documentation/driver-api/early-userspace/buffer-format.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const SECTOR = 512;
const MIB = 1 << 20;
const DATA_BYTES = 32 * MIB;
const FIRST_SECTOR = 64;
const PACKAGES =
  'busybox-static qemu-guest-agent dropbear-bin libc6 libglib2.0-0 libudev1 libnuma1 liburing2 libpcre2-8-0 libtomcrypt1 libtommath1 libgmp10 zlib1g libcrypt1'.split(
    ' ',
  );
const PROGRAMS = ['usr/sbin/qemu-ga', 'usr/sbin/dropbear'];
/** What the guest has drivers for; what these need in turn is found in the modules themselves. */
const MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_scsi',
  'sd_mod',
  'ata_piix',
  'virtio_net',
  'virtio_console',
  'virtio-rng',
  'evdev',
  'button',
];
const COMMAND_LINE = 'console=tty0 console=ttyS0,115200 quiet panic=-1 mitigations=off';

const cache = process.argv[2] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oriel', 'guests');
try {
  console.log(build());
} catch (error) {
  console.error(`cannot build the Linux guest: ${error.message}`);
  process.exitCode = 1;
}

function build() {
  mkdirSync(cache, { recursive: true });
  const recipe = ['boot.asm', 'boot.bin', 'init', 'build.mjs'].map((name) => readFileSync(join(HERE, name)));
  const key = createHash('sha256').update(Buffer.concat(recipe)).digest('hex').slice(0, 16);
  const image = join(cache, `oriel-linux-${key}.raw`);
  if (existsSync(image)) return image;
  const work = mkdtempSync(join(cache, 'build-'));
  try {
    const root = unpack(download(join(cache, 'packages')), join(work, 'root'));
    const initramfs = gzipSync(cpio(initramfsEntries(root)), { level: 9 });
    const kernel = readFileSync(
      join(
        root,
        'boot',
        readdirSync(join(root, 'boot')).find((name) => name.startsWith('vmlinuz-')),
      ),
    );
    const disk = layOut(kernel, initramfs);
    const half = join(work, 'disk.raw');
    writeFileSync(half, disk.bytes);
    run('/sbin/mke2fs', [
      '-q',
      '-t',
      'ext4',
      '-F',
      '-L',
      'data',
      '-E',
      `offset=${disk.dataAt},root_owner=0:0`,
      half,
      `${DATA_BYTES / 1024}k`,
    ]);
    renameSync(half, image); // Whole or not at all: two builds at once do not harm each other.
    return image;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

// ---- packages ----------------------------------------------------------------------------------------------------

function download(folder) {
  mkdirSync(folder, { recursive: true });
  const depends = run(
    'apt-cache',
    ['depends', 'linux-image-cloud-amd64'],
    'apt knows no linux-image-cloud-amd64: this needs Debian and its package lists (apt-get update)',
  );
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error('apt knows no linux-image-cloud-amd64 (try apt-get update)');
  const isHere = (name) => readdirSync(folder).some((file) => file.startsWith(`${name}_`));
  const missing = [kernel, ...PACKAGES].filter((name) => !isHere(name));
  if (0 < missing.length)
    run('apt-get', ['download', '-q', ...missing], `apt cannot download ${missing.join(' ')}`, folder);
  return [kernel, ...PACKAGES].map((name) =>
    join(
      folder,
      readdirSync(folder).find((file) => file.startsWith(`${name}_`)),
    ),
  );
}

function unpack(packages, root) {
  mkdirSync(root);
  for (const file of packages) run('dpkg', ['-x', file, root]);
  return root;
}

function run(program, argv, otherwise = `${program} failed`, cwd = '/') {
  try {
    return execFileSync(program, argv, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      maxBuffer: 16 * MIB,
    });
  } catch (cause) {
    const words = (cause.stderr ?? cause.message).trim().split('\n').at(-1);
    throw new Error(`${otherwise}: ${words}`, { cause });
  }
}

// ---- initramfs ---------------------------------------------------------------------------------------------------

function initramfsEntries(root) {
  const entries = [
    'bin',
    'sbin',
    'lib',
    'lib64',
    'proc',
    'sys',
    'dev',
    'etc',
    'etc/acpi',
    'etc/acpi/PWRF',
    'root',
    'modules',
    'lib/x86_64-linux-gnu',
    'var',
    'var/run',
  ].map((path) => ({ path, mode: 0o40755 }));
  const add = (path, data, mode = 0o100755) => entries.push({ path, mode, data });
  add('init', readFileSync(join(HERE, 'init')));
  const busybox = readFileSync(join(root, 'bin/busybox'));
  add('bin/busybox', busybox);
  for (const applet of run(join(root, 'bin/busybox'), ['--list']).trim().split('\n')) {
    if (applet !== 'busybox') entries.push({ path: `bin/${applet}`, mode: 0o120777, data: Buffer.from('busybox') });
  }
  entries.push({ path: 'sbin/hwclock', mode: 0o120777, data: Buffer.from('/bin/busybox') }); // Where qemu-ga looks.
  for (const program of PROGRAMS) add(`sbin/${basename(program)}`, readFileSync(join(root, program)));
  for (const [path, data] of libraries(root)) add(path, data);
  const modules = moduleFiles(root);
  for (const { name, data } of modules) add(`modules/${name}`, data, 0o100644);
  add('modules/order', Buffer.from(modules.map(({ name }) => `${name}\n`).join('')), 0o100644);
  const poweroff = Buffer.from('#!/bin/sh\nsync\numount /data\npoweroff -f\n');
  add('etc/acpi/PWRF/00000080', poweroff);
  add('sbin/shutdown', poweroff); // What qemu-ga calls.
  add('etc/passwd', Buffer.from('root:*:0:0:root:/root:/bin/sh\n'), 0o100644);
  add('etc/shells', Buffer.from('/bin/sh\n'), 0o100644);
  add(
    'etc/udhcpc',
    Buffer.from(
      '#!/bin/sh\n[ "$1" = bound ] || [ "$1" = renew ] || exit 0\nip addr replace "$ip/$mask" dev "$interface"\n[ -z "$router" ] || ip route replace default via "${router%% *}"\n',
    ),
  );
  return entries;
}

/** Every shared library that the programs need, and those need: by the names in the files, out of the unpacked packages. */
function libraries(root) {
  const places = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'];
  const find = (name) =>
    places.map((place) => join(root, place, name)).find((path) => existsSync(path) || isLink(path));
  const found = new Map();
  const queue = PROGRAMS.map((program) => readFileSync(join(root, program)));
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    for (const [name] of file
      .toString('latin1')
      .matchAll(/(?<=\0)(?:lib[A-Za-z0-9_.+-]+|ld-linux-x86-64)\.so(?:\.\d+)+(?=\0)/g)) {
      const path = found.has(`lib/x86_64-linux-gnu/${name}`) ? undefined : find(name);
      if (path === undefined) continue;
      const data = readFileSync(path);
      found.set(`lib/x86_64-linux-gnu/${name}`, data);
      queue.push(data);
    }
  }
  found.set('lib64/ld-linux-x86-64.so.2', readFileSync(realpathSync(find('ld-linux-x86-64.so.2'))));
  return found;
}

function isLink(path) {
  try {
    return readlinkSync(path) !== '';
  } catch {
    return false;
  }
}

/** The modules in the order in which they can be loaded. A module names what it needs in its .modinfo section. */
function moduleFiles(root) {
  const byName = new Map();
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.ko')) byName.set(entry.name.slice(0, -3).replaceAll('-', '_'), path);
    }
  };
  walk(join(root, 'lib/modules'));
  const ordered = new Map();
  const visit = (name) => {
    const path = byName.get(name.replaceAll('-', '_'));
    if (path === undefined || ordered.has(path)) return;
    const data = readFileSync(path);
    const needs = /(?<=\0)depends=([^\0]*)\0/.exec(data.toString('latin1'))?.[1] ?? '';
    for (const need of needs.split(',').filter((one) => one !== '')) visit(need);
    ordered.set(path, data);
  };
  for (const name of MODULES) visit(name);
  return Array.from(ordered, ([path, data]) => ({ name: basename(path), data }));
}

/** The "newc" archive of the kernel's initramfs. */
function cpio(entries) {
  const parts = [];
  const pad = (length) => Buffer.alloc((4 - (length % 4)) % 4);
  const put = ({ path, mode, data = Buffer.alloc(0) }, inode) => {
    const name = Buffer.from(`${path}\0`);
    const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
    parts.push(header, name, pad(header.length + name.length), data, pad(data.length));
  };
  entries.forEach((entry, at) => put(entry, at + 1));
  put({ path: 'TRAILER!!!', mode: 0 }, 0);
  return Buffer.concat(parts);
}

// ---- disk --------------------------------------------------------------------------------------------------------

function layOut(kernel, initramfs) {
  const boot = readFileSync(join(HERE, 'boot.bin'));
  const setupBytes = ((kernel[0x1f1] || 4) + 1) * SECTOR;
  if (kernel.toString('latin1', 0x202, 0x206) !== 'HdrS' || kernel.readUInt16LE(0x206) < 0x20a)
    throw new Error('the kernel is older than boot protocol 2.10');
  const setup = Buffer.from(kernel.subarray(0, setupBytes));
  const system = kernel.subarray(setupBytes);
  // Above everything that the kernel unpacks itself into.
  const initramfsAt = roundUp(Number(setup.readBigUInt64LE(0x258)) + setup.readUInt32LE(0x260), MIB);
  setup[0x210] = 0xff; // type_of_loader: none that has a number
  setup[0x211] |= 0x81; // loadflags: loaded high, heap usable
  setup.writeUInt16LE(0xde00, 0x224); // heap_end_ptr
  setup.writeUInt32LE(0x9e000, 0x228); // cmd_line_ptr
  setup.writeUInt32LE(initramfsAt, 0x218); // ramdisk_image
  setup.writeUInt32LE(initramfs.length, 0x21c); // ramdisk_size

  const pieces = [
    { bytes: setup, to: 0x90000 },
    { bytes: system, to: 0x100000 },
    { bytes: initramfs, to: initramfsAt },
  ];
  const table = Buffer.alloc(SECTOR);
  let sector = FIRST_SECTOR;
  for (const [at, piece] of pieces.entries()) {
    piece.sector = sector;
    const sectors = Math.ceil(piece.bytes.length / SECTOR);
    table.writeUInt32LE(sector, at * 12);
    table.writeUInt32LE(sectors, at * 12 + 4);
    table.writeUInt32LE(piece.to, at * 12 + 8);
    sector += sectors;
  }
  table.write(`${COMMAND_LINE}\0`, 36, 'latin1');

  const dataAt = roundUp(sector * SECTOR, MIB);
  const bytes = Buffer.alloc(dataAt + DATA_BYTES);
  boot.copy(bytes);
  table.copy(bytes, SECTOR);
  for (const piece of pieces) piece.bytes.copy(bytes, piece.sector * SECTOR);
  partition(bytes, dataAt / SECTOR, DATA_BYTES / SECTOR);
  return { bytes, dataAt };
}

/** One entry of type 83 in the master boot record; sectors count, cylinders do not. */
function partition(bytes, first, count) {
  bytes.set([0x00, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff], 446);
  bytes.writeUInt32LE(first, 454);
  bytes.writeUInt32LE(count, 458);
}

function roundUp(value, to) {
  return Math.ceil(value / to) * to;
}
