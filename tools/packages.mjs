// The Debian packages that Oriel uses, each with a file that shows it is there and what it is for.
// `start` is what running needs; `build` is only needed where no prebuilt SQLite binding can be had; `test` is what the
// suite needs on top; `bench` are the peers that the benchmarks measure against.

/** @typedef {{ readonly name: string, readonly probe: string, readonly why: string }} SystemPackage */

/** @type {Record<'start' | 'build' | 'test' | 'bench', readonly SystemPackage[]>} */
export const packages = {
  start: [
    { name: 'qemu-system-x86', probe: '/usr/bin/qemu-system-x86_64', why: 'runs the VMs' },
    { name: 'qemu-utils', probe: '/usr/bin/qemu-img', why: 'reads qcow2, VMDK and VHDX for import and export' },
    { name: 'seabios', probe: '/usr/share/seabios/bios-256k.bin', why: 'the firmware of the VMs' },
    { name: 'ipxe-qemu', probe: '/usr/lib/ipxe/qemu', why: 'the boot ROMs of the network cards' },
  ],
  build: [
    { name: 'python3', probe: '/usr/bin/python3', why: 'builds the SQLite binding' },
    { name: 'make', probe: '/usr/bin/make', why: 'builds the SQLite binding' },
    { name: 'g++', probe: '/usr/bin/g++', why: 'builds the SQLite binding' },
  ],
  test: [
    {
      name: 'chromium-headless-shell',
      probe: '/usr/bin/chromium-headless-shell',
      why: 'the browser of the end-to-end tests',
    },
    { name: 'chromium', probe: '/usr/bin/chromium', why: 'the same with a window, for keys that a person presses' },
    { name: 'systemd', probe: '/usr/bin/systemd-analyze', why: 'rates the units' },
    { name: 'bubblewrap', probe: '/usr/bin/bwrap', why: 'the room of foreign tools' },
    { name: 'nasm', probe: '/usr/bin/nasm', why: 'assembles the toy guest to compare it' },
    { name: 'swtpm', probe: '/usr/bin/swtpm', why: 'the TPM of VMs that have one' },
    { name: 'ovmf', probe: '/usr/share/OVMF/OVMF_CODE_4M.fd', why: 'the UEFI firmware of VMs that have it' },
    { name: 'libvhdi-utils', probe: '/usr/bin/vhdimount', why: 'an independent reader of VHD chains' },
    { name: 'libnbd-bin', probe: '/usr/bin/nbdinfo', why: 'an independent NBD client' },
    { name: 'python3-libnbd', probe: '/usr/bin/nbdsh', why: 'an independent NBD client that scripts can drive' },
    { name: 'nbdkit', probe: '/usr/bin/nbdkit', why: 'NBD filters that delay, fail and shrink requests' },
    { name: 'fio', probe: '/usr/bin/fio', why: 'writes and verifies over NBD' },
    { name: 'openssl', probe: '/usr/bin/openssl', why: 'makes certificates for NBD over TLS' },
    { name: 'e2fsprogs', probe: '/usr/sbin/mkfs.ext4', why: 'a small file system that fills up' },
    { name: 'tigervnc-standalone-server', probe: '/usr/bin/Xtigervnc', why: 'a VNC server that is not QEMU' },
    { name: 'libpam-wrapper', probe: '/usr/share/doc/libpam-wrapper', why: 'a PAM for that VNC server' },
    { name: 'x11-utils', probe: '/usr/bin/xev', why: 'says which keys came to an X desktop' },
    { name: 'xvfb', probe: '/usr/bin/Xvfb', why: 'the display of browsers that no test drives' },
    { name: 'xdotool', probe: '/usr/bin/xdotool', why: 'the keyboard and mouse of that display' },
    { name: 'prometheus', probe: '/usr/bin/promtool', why: 'checks the alert rules of docs/prometheus' },
    { name: 'firefox-esr', probe: '/usr/bin/firefox-esr', why: 'the other browser' },
    { name: 'xclip', probe: '/usr/bin/xclip', why: 'the clipboard of an X desktop' },
    { name: 'postgresql', probe: '/usr/lib/postgresql', why: 'the second database of the store' },
    { name: 'slapd', probe: '/usr/sbin/slapd', why: 'a directory to sign in against' },
    { name: 'python3-swift', probe: '/usr/lib/python3/dist-packages/swift', why: 'an S3 server' },
    { name: 'ldap-utils', probe: '/usr/bin/ldapadd', why: 'fills the directory' },
    { name: 'nginx-light', probe: '/usr/sbin/nginx', why: 'a proxy of docs/operations.md' },
    { name: 'haproxy', probe: '/usr/sbin/haproxy', why: 'a proxy of docs/operations.md' },
    { name: 'caddy', probe: '/usr/bin/caddy', why: 'a proxy of docs/operations.md' },
    { name: 'apache2-bin', probe: '/usr/sbin/apache2', why: 'a proxy of docs/operations.md' },
  ],
  bench: [
    { name: 'websockify', probe: '/usr/bin/websockify', why: 'a peer of the relay' },
    {
      name: 'python3-numpy',
      probe: '/usr/lib/python3/dist-packages/numpy',
      why: 'makes websockify as fast as it can be',
    },
    { name: 'nginx-light', probe: '/usr/sbin/nginx', why: 'a peer of the relay' },
    { name: 'libnginx-mod-stream', probe: '/usr/lib/nginx/modules/ngx_stream_module.so', why: 'a peer of the relay' },
    { name: 'haproxy', probe: '/usr/sbin/haproxy', why: 'a peer of the relay' },
    { name: 'gcc', probe: '/usr/bin/gcc', why: 'builds the load generator of the relay' },
    { name: 'libnbd-bin', probe: '/usr/bin/nbdcopy', why: 'copies over NBD' },
    { name: 'nbdkit', probe: '/usr/bin/nbdkit', why: 'a peer of the NBD server' },
    { name: 'fio', probe: '/usr/bin/fio', why: 'the load on the NBD servers' },
    {
      name: 'libssl-dev',
      probe: '/usr/include/openssl/ssl.h',
      why: 'the load generator of the relay bench speaks TLS',
    },
    { name: 'openssl', probe: '/usr/bin/openssl', why: 'makes the certificate of the relay bench' },
    { name: 'restic', probe: '/usr/bin/restic', why: 'a peer of backups' },
    { name: 'borgbackup', probe: '/usr/bin/borg', why: 'a peer of backups' },
    { name: 'time', probe: '/usr/bin/time', why: 'how much memory a worker takes' },
  ],
};
