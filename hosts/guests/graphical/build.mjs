// Builds the graphical test guest: a bootable raw disk with Xorg, openbox, a terminal that has the keyboard and an agent for
// the clipboard, from Debian packages. Needs no root. ../guest-kit.mjs says how the disk is laid out; the whole system is on
// its ext4 partition.
//
//   node hosts/guests/graphical/build.mjs [cache folder]      prints the path of the disk image
//
// About 130 MB are downloaded the first time. Packages are unpacked and not set up: `init` does what their scripts would.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import {
  cpio,
  download,
  kernelPackage,
  layOut,
  MIB,
  moduleFiles,
  put,
  readKernel,
  run,
  unpack,
  withDependencies,
} from '../guest-kit.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGES =
  'xserver-xorg-core xserver-xorg-input-evdev openbox xterm fonts-dejavu-core busybox-static qemu-guest-agent dropbear-bin spice-vdagent xclip'.split(
    ' ',
  );
/** What the packages above ask for and this guest never runs: scripts, hardware rendering, picture formats. */
const LEFT_OUT =
  /^(python3|libpython3|perl|libperl|lib.*-perl$|debconf|dpkg|tar|usrmerge|adduser|passwd|ucf|udev|lsb-base|init-system|sysvinit|systemd|dbus|dconf|adwaita|keyboard-conf|poppler|libgs|libgs10|fonts-urw|libllvm|libgl1-mesa-dri|libz3|libpam|libsemanage|libsepol|libheif|libjxl|libaom|libx265|libdav1d|libde265|libspectre|libcups|libavahi|libhwy|shared-mime|media-types|libsqlite3|libdb5|libgdbm)/;
const MODULES =
  'virtio_pci virtio_blk virtio_scsi sd_mod ata_piix ahci virtio_net virtio_console virtio-rng crc32c_generic ext4 bochs virtio-gpu evdev button psmouse xhci_pci uhci_hcd usbhid hid_generic'.split(
    ' ',
  );
const COMMAND_LINE = 'console=ttyS0,115200 quiet panic=-1 mitigations=off';
const SPARE_BYTES = 128 * MIB;

const cache = process.argv[2] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oriel', 'guests');
try {
  console.log(build());
} catch (error) {
  console.error(`cannot build the graphical guest: ${error.message}`);
  process.exitCode = 1;
}

function build() {
  mkdirSync(cache, { recursive: true });
  const recipe = ['../linux/boot.bin', 'init', 'initramfs-init', 'build.mjs', '../guest-kit.mjs'].map((name) =>
    readFileSync(join(HERE, name)),
  );
  const key = createHash('sha256').update(Buffer.concat(recipe)).digest('hex').slice(0, 16);
  const image = join(cache, `oriel-graphical-${key}.raw`);
  if (existsSync(image)) return image;
  const work = mkdtempSync(join(cache, 'build-'));
  try {
    const folder = join(cache, 'packages');
    const kernel = unpack(download([kernelPackage('linux-image-amd64')], folder), join(work, 'kernel'));
    const names = withDependencies(PACKAGES, folder).filter((name) => !LEFT_OUT.test(name));
    const root = unpack(download(names, folder), join(work, 'root'));
    const modules = moduleFiles(kernel, MODULES);
    setUp(root);
    const initramfs = gzipSync(cpio(initramfsEntries(root, modules)), { level: 9 });
    const usedBytes = Number(run('du', ['-s', '-B1', root]).split('\t')[0]);
    const dataBytes = Math.ceil((usedBytes + SPARE_BYTES) / MIB) * MIB;
    const disk = layOut(readKernel(kernel), initramfs, COMMAND_LINE, dataBytes);
    const half = join(work, 'disk.raw');
    writeFileSync(half, disk.bytes);
    truncateSync(half, disk.dataAt + dataBytes);
    const options = ['-q', '-t', 'ext4', '-F', '-L', 'root', '-d', root, '-E', `offset=${disk.dataAt},root_owner=0:0`];
    run('/sbin/mke2fs', [...options, half, `${dataBytes / 1024}k`]);
    renameSync(half, image);
    return image;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What the scripts of the packages would have done, and what nobody needs here. */
function setUp(root) {
  for (const folder of [
    'proc',
    'sys',
    'dev',
    'run',
    'tmp',
    'root',
    'var/log',
    'var/run',
    'etc/dropbear',
    'etc/acpi/PWRF',
  ])
    mkdirSync(join(root, folder), { recursive: true });
  for (const applet of run(join(root, 'bin/busybox'), ['--list']).trim().split('\n')) {
    const link = join(root, 'bin', applet);
    if (!existsSync(link)) symlinkSync('busybox', link);
  }
  for (const name of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info', 'usr/share/icons'])
    rmSync(join(root, name), { recursive: true, force: true });
  mkdirSync(join(root, 'sbin'), { recursive: true });
  put(root, 'sbin/init', readFileSync(join(HERE, 'init')), 0o755);
  const poweroff = '#!/bin/sh\nsync\nmount -o remount,ro /\npoweroff -f\n';
  for (const path of ['etc/acpi/PWRF/00000080', 'sbin/shutdown']) put(root, path, poweroff, 0o755);
  put(root, 'etc/passwd', 'root:*:0:0:root:/root:/bin/sh\n');
  put(root, 'etc/group', 'root:x:0:\nvideo:x:44:\ninput:x:104:\ntty:x:5:\nutmp:x:43:\n');
  put(root, 'etc/shells', '/bin/sh\n');
}

function initramfsEntries(root, modules) {
  const entries = ['bin', 'dev', 'proc', 'sys', 'modules', 'newroot'].map((path) => ({ path, mode: 0o40755 }));
  entries.push({ path: 'init', mode: 0o100755, data: readFileSync(join(HERE, 'initramfs-init')) });
  entries.push({ path: 'bin/busybox', mode: 0o100755, data: readFileSync(join(root, 'bin/busybox')) });
  for (const applet of ['sh', 'mount', 'insmod', 'switch_root', 'sleep', 'poweroff'])
    entries.push({ path: `bin/${applet}`, mode: 0o120777, data: Buffer.from('busybox') });
  for (const { name, data } of modules) entries.push({ path: `modules/${name}`, mode: 0o100644, data });
  entries.push({
    path: 'modules/order',
    mode: 0o100644,
    data: Buffer.from(modules.map(({ name }) => `${name}\n`).join('')),
  });
  return entries;
}
