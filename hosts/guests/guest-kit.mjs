// What the builders of the test guests share: Debian packages in, initramfs and bootable disk out. Packages are downloaded
// and unpacked, never installed, so no builder needs root.
// Layout of a disk, in sectors of 512 bytes: 0 linux/boot.asm · 1 its table · 64 kernel setup, kernel, initramfs · then, at
// the next MiB, one ext4 partition. Spec: Linux Documentation/x86/boot.rst, driver-api/early-userspace/buffer-format.
import { execFileSync } from 'node:child_process';
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
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MIB = 1 << 20;
const SECTOR = 512;
const FIRST_SECTOR = 64;
/** 150 MB on a slow line. */
const DOWNLOAD_MS = 480_000;
const BOOT_SECTOR = fileURLToPath(new URL('linux/boot.bin', import.meta.url));

// ---- packages ----------------------------------------------------------------------------------------------------

/** The package that a meta package such as linux-image-cloud-amd64 stands for today. */
export function kernelPackage(meta) {
  const depends = run(
    'apt-cache',
    ['depends', meta],
    `apt knows no ${meta}: this needs Debian and its package lists (apt-get update)`,
  );
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error(`apt knows no ${meta} (try apt-get update)`);
  return kernel;
}

/** These packages and all that they need, by name, as apt would choose for an empty machine. */
export function withDependencies(names, folder) {
  mkdirSync(folder, { recursive: true });
  const options = ['-o', 'Dir::State::status=/dev/null', '-o', 'APT::Install-Recommends=false'];
  const plan = run(
    'apt-get',
    [...options, '--simulate', 'install', ...names],
    'apt cannot find what the guest needs',
    folder,
  );
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name.replace(/:amd64$/, ''));
}

/** The files of these packages, downloaded where they are not there yet: whole ones only, whenever it is cut off. */
export function download(names, folder) {
  mkdirSync(folder, { recursive: true });
  const isHere = (name) => readdirSync(folder).some((file) => file.startsWith(`${name}_`));
  const missing = names.filter((name) => !isHere(name));
  if (0 < missing.length) {
    const half = mkdtempSync(join(folder, 'half-'));
    try {
      const otherwise = `apt cannot download ${missing.slice(0, 5).join(' ')} …`;
      run('apt-get', ['download', '-q', ...missing], otherwise, half, DOWNLOAD_MS);
      for (const file of readdirSync(half)) renameSync(join(half, file), join(folder, file));
    } finally {
      rmSync(half, { recursive: true, force: true });
    }
  }
  return names.map((name) =>
    join(
      folder,
      readdirSync(folder).find((file) => file.startsWith(`${name}_`)),
    ),
  );
}

export function unpack(packages, root) {
  mkdirSync(root);
  for (const file of packages) run('dpkg', ['-x', file, root]);
  return root;
}

/**
 * Writes a file of the guest, in place of what a package has there, with the folders that it lies in. Packages bring links
 * with them, such as /sbin/init to /lib/systemd/systemd: written through, that would be this machine's.
 */
export function put(root, path, data, mode = 0o644) {
  const file = join(makeFolder(root, dirname(path)), basename(path));
  rmSync(file, { force: true });
  writeFileSync(file, data, { mode, flag: 'wx' });
}

/** Makes a folder of the guest and those above it, and gives where it is: never outside, whichever links lead to it. */
export function makeFolder(root, path) {
  const inside = realpathSync(root);
  let folder = inside;
  for (const part of path.split('/').filter((one) => one !== '' && one !== '.')) {
    const next = join(folder, part);
    if (!existsSync(next)) mkdirSync(next);
    folder = realpathSync(next);
    if (!folder.startsWith(`${inside}/`)) throw new Error(`${path} of the guest leads out of it, to ${folder}`);
  }
  return folder;
}

/** Every file below `from`, as a path in the guest. */
export function filesBelow(from) {
  return readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(from, join(entry.parentPath, entry.name)))
    .sort();
}

/** The output of one of the guest's own programs, run here by the guest's own loader: nothing of this machine but its kernel. */
export function runGuests(root, program, argv) {
  const places = ['lib', 'usr/lib'].map((lib) => join(root, lib, 'x86_64-linux-gnu'));
  const loader = join(places[0], 'ld-linux-x86-64.so.2');
  return run(
    loader,
    ['--library-path', places.join(':'), join(root, program), ...argv],
    `${program} of the guest failed`,
  );
}

export function run(program, argv, otherwise = `${program} failed`, cwd = '/', timeoutMs = 120_000) {
  try {
    return execFileSync(program, argv, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      maxBuffer: 16 * MIB,
    });
  } catch (cause) {
    const words = (cause.stderr ?? cause.message).trim().split('\n').at(-1);
    throw new Error(`${otherwise}: ${words}`, { cause });
  }
}

// ---- initramfs ---------------------------------------------------------------------------------------------------

/** Every shared library that the programs need, and those need: by the names in the files, out of the unpacked packages. */
export function libraries(root, programs) {
  const places = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'];
  const find = (name) =>
    places.map((place) => join(root, place, name)).find((path) => existsSync(path) || isLink(path));
  const found = new Map();
  const queue = programs.map((program) => readFileSync(join(root, program)));
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
export function moduleFiles(root, wanted) {
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
  for (const name of wanted) visit(name);
  return Array.from(ordered, ([path, data]) => ({ name: basename(path), data }));
}

/** The "newc" archive of the kernel's initramfs. */
export function cpio(entries) {
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

export function readKernel(root) {
  return readFileSync(
    join(
      root,
      'boot',
      readdirSync(join(root, 'boot')).find((name) => name.startsWith('vmlinuz-')),
    ),
  );
}

/** The start of the disk, and where its partition of `dataBytes` begins. */
export function layOut(kernel, initramfs, commandLine, dataBytes) {
  const boot = readFileSync(BOOT_SECTOR);
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
  table.write(`${commandLine}\0`, 36, 'latin1');

  const dataAt = roundUp(sector * SECTOR, MIB);
  const bytes = Buffer.alloc(dataAt);
  boot.copy(bytes);
  table.copy(bytes, SECTOR);
  for (const piece of pieces) piece.bytes.copy(bytes, piece.sector * SECTOR);
  partition(bytes, dataAt / SECTOR, dataBytes / SECTOR);
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
