import { describe, expect, test } from 'vitest';
import { vmId } from '../../ids.ts';
import { type VmSpecInput, vmSpec } from '../../spec.ts';
import { type ArgvHost, type ArgvVm, escapeCommas, macOf, qemuArgv } from './argv.ts';
import { vmPaths } from './paths.ts';

const HOST: ArgvHost = {
  binary: '/usr/bin/qemu-system-x86_64',
  accelerator: 'tcg',
  nbd: { reconnectDelayS: 60 },
  tbSizeMiB: 32,
  firmware: { code: '/fw/code.fd' },
  tcpDisplay: undefined,
};
const UUID = '6f1c5c4e-0000-4000-8000-000000000001';
const uri = 'nbd+unix:///a?socket=/run/d';

function argv(input: Partial<VmSpecInput>, vm: Partial<ArgvVm> = {}, host: Partial<ArgvHost> = {}): readonly string[] {
  const spec = vmSpec({ id: 'a', ...input });
  const machine = spec.machine === 'pc' ? 'pc-i440fx-7.2' : 'pc-q35-7.2';
  return qemuArgv({ spec, machine, ports: {}, uuid: UUID, isIncoming: false, ...vm }, vmPaths('/r', '/s', vmId('a')), {
    ...HOST,
    ...host,
  });
}
const pairs = (words: readonly string[]): string[] => words.map((word, at) => `${words[at - 1] ?? ''} ${word}`);

describe('always', () => {
  test('nothing that QEMU would add by itself, one machine version, our pid file', () => {
    const words = argv({});
    expect(words).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config', '-S']));
    expect(pairs(words)).toEqual(
      expect.arrayContaining([
        '-machine pc-q35-7.2,usb=off,dump-guest-core=off',
        '-pidfile /r/a/pid',
        '-accel tcg,tb-size=32,thread=single',
        '-chardev socket,id=qmp,path=/r/a/qmp,server=on,wait=off',
      ]),
    );
  });

  test('no word is a monitor, a shell or a default device', () => {
    const words = argv({ disks: [{ id: 'd', uri }] });
    for (const bad of ['-monitor', '-hda', '-drive', '-daemonize', '-net', '-serial']) expect(words).not.toContain(bad);
    expect(words.filter((word) => /exec:|script=(?!no)/.test(word))).toEqual([]);
  });
});

test.for([
  { it: 'KVM', input: {}, host: { accelerator: 'kvm' as const }, has: ['-accel kvm', '-cpu host'] },
  { it: 'two processors', input: { vcpus: 2 }, has: ['-smp 2', '-accel tcg,tb-size=32,thread=multi'] },
  {
    it: 'UEFI',
    input: { firmware: 'uefi' as const },
    has: [
      '-machine pc-q35-7.2,usb=off,dump-guest-core=off,pflash0=fw-code,pflash1=fw-vars',
      '-blockdev {"driver":"raw","node-name":"fw-vars","file":{"driver":"file","filename":"/s/a/vars.fd"}}',
    ],
  },
  {
    it: 'a virtio disk in its port',
    input: { disks: [{ id: 'd', uri }] },
    vm: { ports: { d: 1 } },
    has: [
      '-blockdev {"driver":"nbd","node-name":"n0-d","server":{"type":"unix","path":"/run/d"},"export":"a","reconnect-delay":60,"read-only":false,"discard":"unmap"}',
      '-blockdev {"driver":"raw","node-name":"d-d","file":"n0-d","read-only":false,"discard":"unmap"}',
      '-device {"driver":"virtio-blk-pci","id":"disk-d","drive":"d-d","werror":"stop","rerror":"stop","serial":"d","bootindex":10,"bus":"port-1"}',
    ],
  },
  {
    it: 'a SCSI disk',
    input: { disks: [{ id: 'd', uri, bus: 'virtio-scsi' as const }] },
    has: [
      '-device {"driver":"virtio-scsi-pci","id":"scsi"}',
      '-device {"driver":"scsi-hd","id":"disk-d","drive":"d-d","werror":"stop","rerror":"stop","serial":"d","bootindex":10,"bus":"scsi.0"}',
    ],
  },
  {
    it: 'an IDE disk of an old guest, the third one on the second channel',
    input: { machine: 'pc' as const, disks: ['a', 'b', 'c'].map((id) => ({ id, uri, bus: 'ide' as const })) },
    has: [
      '-device {"driver":"ide-hd","id":"disk-c","drive":"d-c","werror":"stop","rerror":"stop","serial":"c","bootindex":12,"bus":"ide.1","unit":0}',
    ],
  },
  {
    it: 'a CD image, which is booted first',
    input: { cds: [{ id: 'c', uri: 'file:///iso/a%20b.iso' }] },
    has: [
      '-blockdev {"driver":"file","node-name":"n0-c","filename":"/iso/a b.iso","read-only":true}',
      '-device {"driver":"ide-cd","id":"cd-c","bus":"ide.0","drive":"m0-c","bootindex":1}',
    ],
  },
  {
    it: 'an empty CD drive',
    input: { cds: [{ id: 'c' }] },
    has: ['-device {"driver":"ide-cd","id":"cd-c","bus":"ide.0"}'],
  },
  {
    it: 'a bridged card',
    input: { nics: [{ id: 'n', kind: 'bridge' as const, bridge: 'br0', mac: '52:54:00:00:00:01' }] },
    has: [
      '-netdev {"type":"bridge","id":"net-n","br":"br0"}',
      '-device {"driver":"virtio-net-pci","id":"nic-n","netdev":"net-n","mac":"52:54:00:00:00:01"}',
    ],
  },
  {
    it: 'a tap card, without scripts',
    input: { nics: [{ id: 'n', kind: 'tap' as const, tap: 'tap0' }] },
    has: ['-netdev {"type":"tap","id":"net-n","ifname":"tap0","script":"no","downscript":"no"}'],
  },
  {
    it: 'virtio video',
    input: { video: 'virtio' as const },
    has: ['-device {"driver":"virtio-vga","id":"video"}', '-vnc unix:/r/a/vnc,id=local,share=force-shared'],
  },
  { it: 'no video', input: { video: 'none' as const }, has: ['-display none'] },
  {
    it: 'a TCP display with passwords beside the local one',
    input: {},
    host: { tcpDisplay: { host: '127.0.0.1' } },
    has: ['-vnc 127.0.0.1:0,to=9999,id=tcp,password=on'],
  },
  {
    it: 'a TPM',
    input: { hasTpm: true },
    has: ['-chardev socket,id=tpm,path=/r/a/tpm', '-tpmdev emulator,id=tpm0,chardev=tpm'],
  },
  { it: 'a saved memory', input: {}, vm: { isIncoming: true }, has: ['-incoming fd:0'] },
  {
    it: 'a tablet on an old machine',
    input: { machine: 'pc' as const },
    has: ['-device {"driver":"piix3-usb-uhci","id":"usb"}'],
  },
])('$it', ({ input, vm, host, has }) => {
  expect(pairs(argv(input, vm, host))).toEqual(expect.arrayContaining(has));
});

test('a name with commas, equals signs and a dash stays one value', () => {
  const name = '-x,process=/bin/sh, $(y)';
  expect(pairs(argv({ name }))).toContain('-name guest=-x,,process=/bin/sh,, $(y),debug-threads=on');
  expect(escapeCommas('a,b,,c')).toBe('a,,b,,,,c');
});

test('hot-plug ports: those in use and two more, never two in one place', () => {
  const ports = argv({ disks: [{ id: 'd', uri }] }, { ports: { d: 8 } }).filter((word) =>
    word.includes('pcie-root-port'),
  );
  expect(ports.length).toBe(11);
  expect(new Set(ports.map((word) => (JSON.parse(word) as { addr: string }).addr)).size).toBe(11);
});

test('a network card keeps its address and shares it with no other', () => {
  const [one, two] = ['n0', 'n1'].map((id) => macOf(UUID, id as never));
  expect(one).toMatch(/^52:54:00:/);
  expect(one).toBe(macOf(UUID, 'n0' as never));
  expect(one).not.toBe(two);
});

test('a socket path that does not fit is PATH_TOO_LONG and names the limit', () => {
  const fits = `/${'x'.repeat(107 - '/a/qmp'.length - 1)}`;
  expect(vmPaths(fits, '/s', vmId('a')).qmp.length).toBe(107);
  expect(() => vmPaths(`${fits}x`, '/s', vmId('a'))).toThrow(expect.objectContaining({ code: 'PATH_TOO_LONG' }));
});
