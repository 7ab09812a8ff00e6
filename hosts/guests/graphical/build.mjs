// Builds the desktop of the demo and of the tests: a bootable raw disk with Xorg, a panel, a wallpaper, programs for files,
// web, text and terminal, and an agent for the clipboard, from Debian packages. Needs no root. ../guest-kit.mjs says how the
// disk is laid out; the whole system is on its ext4 partition, and `system` holds those of its files that are ours.
//
//   node hosts/guests/graphical/build.mjs [cache folder]      prints the path of the disk image
//
// About 150 MB are downloaded the first time. Packages are unpacked and not set up: `setUp` below and
// `init` do what their scripts would.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
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
  filesBelow,
  kernelPackage,
  layOut,
  MIB,
  makeFolder,
  moduleFiles,
  put,
  readKernel,
  run,
  runGuests,
  unpack,
  withDependencies,
} from '../guest-kit.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** The files of the guest that are ours, as they lie in it. */
const SYSTEM = join(HERE, 'system');
const PACKAGES = [
  'xserver-xorg-core xserver-xorg-input-evdev x11-utils xclip openbox tint2', // the screen and what stands on it
  'pcmanfm netsurf-gtk l3afpad lxterminal gpicview', // files, web, text, terminal, pictures
  'arc-theme elementary-xfce-icon-theme librsvg2-common fonts-cantarell fonts-dejavu-core', // how it looks
  'busybox-static qemu-guest-agent dropbear-bin spice-vdagent', // what serves it
  'libc-bin libglib2.0-bin libgdk-pixbuf-2.0-0 gtk-update-icon-cache shared-mime-info', // what sets it up, below
].flatMap((line) => line.split(' '));
/** What the packages above ask for and this guest never runs: scripts, hardware rendering, picture formats. */
const LEFT_OUT =
  /^(python3|libpython3|perl|libperl|lib.*-perl$|debconf|dpkg|tar|usrmerge|adduser|passwd|ucf|udev|lsb-base|init-system|sysvinit|systemd|dbus|dconf|adwaita|keyboard-conf|poppler|libgs10|libgs-common|fonts-urw|fonts-dejavu-extra|libllvm|libgl1-mesa-dri|libz3|libpam|libsemanage|libsepol|libheif|libjxl|libaom|libx265|libdav1d|libde265|libspectre|libcups2|libavahi|libhwy|media-types|libsqlite3|libdb5|libgdbm)/;
const NOT_NEEDED = ['doc', 'man', 'locale', 'info', 'gtk-doc', 'help', 'sounds', 'bash-completion'].map(
  (name) => `usr/share/${name}`,
);
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
  const recipe = ['../linux/boot.bin', '../guest-kit.mjs', ...filesBelow(HERE)].flatMap((name) => [
    Buffer.from(name),
    readFileSync(join(HERE, name)),
  ]);
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

/** What the scripts of the packages would have done, the files of the guest itself, and away with what nobody needs here. */
function setUp(root) {
  const made = 'proc sys dev run tmp root var/log var/run etc/dropbear';
  for (const folder of made.split(' ')) makeFolder(root, folder);
  const bin = makeFolder(root, 'bin');
  for (const applet of run(join(bin, 'busybox'), ['--list']).trim().split('\n')) {
    const link = join(bin, applet);
    if (!existsSync(link)) symlinkSync('busybox', link);
  }
  for (const name of NOT_NEEDED) rmSync(join(root, name), { recursive: true, force: true });
  keepOnly(join(root, 'usr/share/icons'), ['elementary-xfce', 'hicolor']);
  keepOnly(join(root, 'usr/share/themes'), ['Arc']);

  const icons = makeFolder(root, 'usr/share/icons/elementary-xfce');
  runGuests(root, 'usr/bin/glib-compile-schemas', [makeFolder(root, 'usr/share/glib-2.0/schemas')]);
  runGuests(root, 'usr/bin/update-mime-database', [makeFolder(root, 'usr/share/mime')]);
  runGuests(root, 'usr/bin/gtk-update-icon-cache', ['-q', '-t', '-f', icons]);
  const pixbuf = 'usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0';
  const loaders = makeFolder(root, `${pixbuf}/2.10.0/loaders`);
  const formats = readdirSync(loaders).map((name) => join(loaders, name));
  const known = runGuests(root, `${pixbuf}/gdk-pixbuf-query-loaders`, formats);
  put(root, `${pixbuf}/2.10.0/loaders.cache`, known.replaceAll(realpathSync(root), ''));

  for (const path of filesBelow(SYSTEM)) {
    const data = readFileSync(join(SYSTEM, path));
    put(root, path, data, data.subarray(0, 2).toString() === '#!' ? 0o755 : 0o644);
  }
  const authorities = makeFolder(root, 'usr/share/ca-certificates/mozilla');
  const certificates = readdirSync(authorities).map((name) => readFileSync(join(authorities, name)));
  put(root, 'etc/ssl/certs/ca-certificates.crt', Buffer.concat(certificates));
  const openbox = readFileSync(join(root, 'etc/xdg/openbox/rc.xml'), 'utf8');
  put(root, 'etc/xdg/openbox/rc.xml', withOurs(openbox));
  const poweroff = '#!/bin/sh\nsync\nmount -o remount,ro /\npoweroff -f\n';
  for (const path of ['etc/acpi/PWRF/00000080', 'sbin/shutdown']) put(root, path, poweroff, 0o755);
  put(root, 'etc/passwd', 'root:*:0:0:root:/root:/bin/sh\noriel:*:1000:1000:Oriel:/home/oriel:/bin/sh\n');
  put(root, 'etc/group', 'root:x:0:\nvideo:x:44:\ninput:x:104:\ntty:x:5:\nutmp:x:43:\noriel:x:1000:\n');
  put(root, 'etc/shells', '/bin/sh\n');
}

/** Debian's settings of openbox with our theme, our font and a key for the terminal. */
function withOurs(settings) {
  const key = '<keybind key="C-A-t"><action name="Execute"><command>lxterminal</command></action></keybind>';
  return settings
    .replace(/<name>Clearlooks<\/name>/, '<name>Oriel</name>')
    .replace(/<titleLayout>.*?<\/titleLayout>/, '<titleLayout>LIMC</titleLayout>')
    .replaceAll(/<name>sans<\/name>/g, '<name>Cantarell</name>')
    .replaceAll(/<size>8<\/size>/g, '<size>10</size>')
    .replace(/<number>4<\/number>/, '<number>1</number>')
    .replace(/<\/keyboard>/, `${key}</keyboard>`);
}

function keepOnly(folder, names) {
  for (const name of readdirSync(folder))
    if (!names.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
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
