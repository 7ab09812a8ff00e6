// Builds the Linux test guest: a bootable raw disk with a kernel, an initramfs (busybox, qemu-ga, dropbear) and one small
// ext4 file system, from Debian packages. Needs no root. ../guest-kit.mjs says how the disk is laid out.
//
//   node hosts/guests/linux/build.mjs [cache folder]      prints the path of the disk image
//
// The image is cached under a name made of everything that went into it; a second build takes no time.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import {
  cpio,
  download,
  kernelPackage,
  layOut,
  libraries,
  MIB,
  moduleFiles,
  readKernel,
  run,
  unpack,
} from '../guest-kit.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const DATA_BYTES = 32 * MIB;
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
  const recipe = ['boot.bin', 'init', 'build.mjs', '../guest-kit.mjs'].map((name) => readFileSync(join(HERE, name)));
  const key = createHash('sha256').update(Buffer.concat(recipe)).digest('hex').slice(0, 16);
  const image = join(cache, `oriel-linux-${key}.raw`);
  if (existsSync(image)) return image;
  const work = mkdtempSync(join(cache, 'build-'));
  try {
    const packages = [kernelPackage('linux-image-cloud-amd64'), ...PACKAGES];
    const root = unpack(download(packages, join(cache, 'packages')), join(work, 'root'));
    const initramfs = gzipSync(cpio(initramfsEntries(root)), { level: 9 });
    const disk = layOut(readKernel(root), initramfs, COMMAND_LINE, DATA_BYTES);
    const half = join(work, 'disk.raw');
    writeFileSync(half, disk.bytes);
    truncateSync(half, disk.dataAt + DATA_BYTES);
    const options = ['-q', '-t', 'ext4', '-F', '-L', 'data', '-E', `offset=${disk.dataAt},root_owner=0:0`];
    run('/sbin/mke2fs', [...options, half, `${DATA_BYTES / 1024}k`]);
    renameSync(half, image); // Whole or not at all: two builds at once do not harm each other.
    return image;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

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
  for (const [path, data] of libraries(root, PROGRAMS)) add(path, data);
  const modules = moduleFiles(root, MODULES);
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
