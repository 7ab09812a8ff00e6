/**
 * A VM spec as the argument vector of QEMU. PURE: the same spec, paths and host give the same words. Spec: qemu(1).
 * No shell ever sees them. What may hold any character goes as JSON, or with its commas doubled where QEMU takes none.
 */
import type { Needs } from '@oriel/machine';
import type { DeviceId } from '../../ids.ts';
import type { CdSpec, DiskSpec, NicSpec, VmSpec } from '../../spec.ts';
import type { JsonObject } from '../qmp/framing.ts';
import { mediumNode, mediumNodes, type NbdPolicy, nbdNode, rawNode, rootNode } from './blockdev.ts';
import type { VmPaths } from './paths.ts';

export interface ArgvHost {
  readonly binary: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly nbd: NbdPolicy;
  /** QEMU's default takes up to a gigabyte of address space and 130 MB of memory per VM. */
  readonly tbSizeMiB: number;
  readonly firmware: { readonly code: string } | undefined;
  /** A second VNC server with passwords, on TCP. */
  readonly tcpDisplay: { readonly host: string } | undefined;
}

export interface ArgvVm {
  readonly spec: VmSpec;
  /** An exact version such as `pc-q35-7.2`: what a guest sees does not change with the next QEMU. */
  readonly machine: string;
  /** Root ports of q35 by device: the guest finds its disks in the same place after every start. */
  readonly ports: Readonly<Record<string, number>>;
  readonly uuid: string;
  /** Reads a saved memory from standard input instead of booting. */
  readonly isIncoming: boolean;
}

/** Ports beyond the ones in use, for disks that are added while the VM runs. */
export const SPARE_PORTS = 2;

export function qemuArgv(vm: ArgvVm, paths: VmPaths, host: ArgvHost): readonly string[] {
  return [
    ...machineArgs(vm, paths, host),
    ...busArgs(vm),
    ...vm.spec.disks.flatMap((disk) => diskArgs(disk, vm, host)),
    ...vm.spec.cds.flatMap((cd, at) => cdArgs(cd, at, vm, host)),
    ...vm.spec.nics.flatMap((nic) => nicArgs(nic, vm)),
    ...displayArgs(vm.spec, paths, host),
    ...channelArgs(vm.spec, paths),
    ...tpmArgs(vm.spec, paths),
  ];
}

function machineArgs(vm: ArgvVm, paths: VmPaths, host: ArgvHost): string[] {
  const { spec } = vm;
  const uefi = spec.firmware === 'uefi' && host.firmware !== undefined ? host.firmware : undefined;
  const machine = [vm.machine, 'usb=off', 'dump-guest-core=off'];
  if (uefi !== undefined) machine.push('pflash0=fw-code', 'pflash1=fw-vars');
  const tcg = `tcg,tb-size=${host.tbSizeMiB},thread=${spec.vcpus === 1 ? 'single' : 'multi'}`;
  return [
    '-name',
    `guest=${escapeCommas(spec.name)},debug-threads=on`,
    '-no-user-config',
    '-nodefaults',
    '-sandbox',
    sandboxOf(spec),
    '-S', // Nothing runs before we are connected: no event of the guest is missed.
    '-pidfile',
    paths.pidFile, // Locked by QEMU for its life: a second copy on the same folder ends before it touches anything.
    '-machine',
    machine.join(','),
    '-accel',
    host.accelerator === 'kvm' ? 'kvm' : tcg,
    '-cpu',
    host.accelerator === 'kvm' ? 'host' : 'max',
    '-smp',
    `${spec.vcpus}`,
    '-m',
    `size=${spec.memoryMiB}M`,
    '-uuid',
    vm.uuid,
    '-rtc',
    'base=utc,driftfix=slew',
    '-boot',
    'menu=off,strict=on',
    '-msg',
    'timestamp=on',
    '-chardev',
    `socket,id=qmp,path=${escapeCommas(paths.qmp)},server=on,wait=off`,
    '-mon',
    'chardev=qmp,mode=control',
    ...(uefi === undefined ? [] : firmwareArgs(uefi.code, paths.firmwareVariables)),
    ...(vm.isIncoming ? ['-incoming', 'fd:0'] : []),
  ];
}

/**
 * QEMU without the system calls that it does not need: no other program, no other account, no other priority. One whose
 * network card hangs on a bridge starts a helper with privileges of its own, and may do that. Spec: qemu(1), -sandbox.
 */
function sandboxOf(spec: VmSpec): string {
  const helper = hasHelper(spec) ? 'allow' : 'deny';
  return `on,obsolete=deny,elevateprivileges=${helper},spawn=${helper},resourcecontrol=deny`;
}

/** What it needs beside that: a tap is opened by QEMU itself. PURE. */
export function needsOf(spec: VmSpec): Needs {
  const hasTap = spec.nics.some((nic) => nic.kind === 'tap');
  return { hasHelper: hasHelper(spec), capabilities: hasTap ? ['net_admin'] : [] };
}

function hasHelper(spec: VmSpec): boolean {
  return spec.nics.some((nic) => nic.kind === 'bridge');
}

function firmwareArgs(code: string, variables: string): string[] {
  return [
    ...blockdev({ driver: 'raw', 'node-name': 'fw-code', 'read-only': true, file: { driver: 'file', filename: code } }),
    ...blockdev({ driver: 'raw', 'node-name': 'fw-vars', file: { driver: 'file', filename: variables } }),
  ];
}

function busArgs(vm: ArgvVm): string[] {
  const { spec } = vm;
  const args: string[] = [];
  if (spec.machine === 'q35') {
    for (let port = 0; port < portCount(vm); port++) {
      args.push(
        ...device({
          driver: 'pcie-root-port',
          id: `port-${port}`,
          bus: 'pcie.0',
          chassis: port + 1,
          addr: portAddress(port),
          multifunction: port % 8 === 0,
        }),
      );
    }
  }
  if (spec.disks.some((disk) => disk.bus === 'virtio-scsi'))
    args.push(...device({ driver: 'virtio-scsi-pci', id: 'scsi' }));
  if (spec.hasAgent) args.push(...device({ driver: 'virtio-serial-pci', id: 'vserial' }));
  if (spec.hasTablet) {
    args.push(
      ...device(spec.machine === 'pc' ? { driver: 'piix3-usb-uhci', id: 'usb' } : { driver: 'qemu-xhci', id: 'usb' }),
    );
    args.push(...device({ driver: 'usb-tablet', id: 'tablet', bus: 'usb.0' }));
  }
  if (spec.hasRng) {
    args.push('-object', JSON.stringify({ 'qom-type': 'rng-builtin', id: 'rng0' }));
    args.push(...device({ driver: 'virtio-rng-pci', id: 'rng', rng: 'rng0' }));
  }
  return args;
}

function portCount(vm: ArgvVm): number {
  return Math.max(0, ...Object.values(vm.ports).map((port) => port + 1)) + SPARE_PORTS;
}

/** Eight ports share one slot, from slot 0x10 up, clear of what QEMU hands out itself. */
function portAddress(port: number): string {
  return `0x${(0x10 + Math.floor(port / 8)).toString(16)}.0x${(port % 8).toString(16)}`;
}

function diskArgs(disk: DiskSpec, vm: ArgvVm, host: ArgvHost): string[] {
  return [
    ...blockdev(nbdNode(disk.id, 0, disk.uri, disk.isReadOnly, host.nbd)),
    ...blockdev(rawNode(disk.id, 0, disk.isReadOnly)),
    ...device(diskDevice(disk, vm)),
  ];
}

/** The guest's side of a disk; also what `device_add` takes. */
export function diskDevice(disk: DiskSpec, vm: ArgvVm): JsonObject {
  const { spec } = vm;
  const index = spec.disks.findIndex((one) => one.id === disk.id);
  const common: JsonObject = {
    id: `disk-${disk.id}`,
    drive: rootNode(disk.id),
    // The guest never sees an error that an admin can mend: the VM stops and goes on when the disk is back.
    werror: 'stop',
    rerror: 'stop',
    serial: disk.id,
    ...(index < 0 ? {} : { bootindex: 10 + index }),
  };
  switch (disk.bus) {
    case 'virtio-blk':
      return { driver: 'virtio-blk-pci', ...common, ...portOf(disk.id, vm) };
    case 'virtio-scsi':
      return { driver: 'scsi-hd', ...common, bus: 'scsi.0' };
    case 'ide':
      return { driver: 'ide-hd', ...common, ...idePlace(ideIndex(disk.id, spec), spec) };
  }
}

function portOf(id: DeviceId, vm: ArgvVm): JsonObject {
  const port = vm.ports[id];
  return vm.spec.machine === 'q35' && port !== undefined ? { bus: `port-${port}` } : {};
}

/** How many IDE places a machine has: two channels of two on pc, six ports on q35. */
export const IDE_PLACES = { pc: 4, q35: 6 } as const;

function ideIndex(id: DeviceId, spec: VmSpec): number {
  return spec.disks.filter((disk) => disk.bus === 'ide').findIndex((disk) => disk.id === id);
}

function idePlace(index: number, spec: VmSpec): JsonObject {
  if (spec.machine === 'q35') return { bus: `ide.${index}` };
  return { bus: `ide.${Math.floor(index / 2)}`, unit: index % 2 };
}

function cdArgs(cd: CdSpec, at: number, vm: ArgvVm, host: ArgvHost): string[] {
  const { spec } = vm;
  const place = spec.disks.filter((disk) => disk.bus === 'ide').length + at;
  const empty: JsonObject = { driver: 'ide-cd', id: `cd-${cd.id}`, ...idePlace(place, spec) };
  if (cd.uri === undefined) return device(empty);
  return [
    ...mediumNodes(cd.id, 0, cd.uri, host.nbd).flatMap(blockdev),
    ...device({ ...empty, drive: mediumNode(cd.id, 0), bootindex: 1 + at }),
  ];
}

function nicArgs(nic: NicSpec, vm: ArgvVm): string[] {
  const mac = nic.mac ?? macOf(vm.uuid, nic.id);
  const card = device({ driver: 'virtio-net-pci', id: `nic-${nic.id}`, netdev: `net-${nic.id}`, mac });
  switch (nic.kind) {
    case 'user':
      return ['-netdev', JSON.stringify({ type: 'user', id: `net-${nic.id}` }), ...card];
    case 'bridge':
      return ['-netdev', JSON.stringify({ type: 'bridge', id: `net-${nic.id}`, br: nic.bridge }), ...card];
    case 'tap':
      return [
        '-netdev',
        JSON.stringify({ type: 'tap', id: `net-${nic.id}`, ifname: nic.tap, script: 'no', downscript: 'no' }),
        ...card,
      ];
  }
}

/** The same card has the same address for ever: its VM's UUID and its own name, under QEMU's prefix. */
export function macOf(uuid: string, id: DeviceId): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of Buffer.from(`${uuid}/${id}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const hex = (hash & 0xffffff).toString(16).padStart(6, '0');
  return `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

function displayArgs(spec: VmSpec, paths: VmPaths, host: ArgvHost): string[] {
  if (spec.video === 'none') return ['-display', 'none'];
  const card = device(spec.video === 'std' ? { driver: 'VGA', id: 'video' } : { driver: 'virtio-vga', id: 'video' });
  const local = `unix:${escapeCommas(paths.vnc)},id=local,share=force-shared`;
  const tcp = host.tcpDisplay === undefined ? [] : ['-vnc', `${host.tcpDisplay.host}:0,to=9999,id=tcp,password=on`];
  return [...card, '-vnc', local, ...tcp];
}

function channelArgs(spec: VmSpec, paths: VmPaths): string[] {
  const args: string[] = [];
  if (spec.hasSerial) {
    const log = `logfile=${escapeCommas(paths.serialLog)},logappend=on`;
    args.push('-chardev', `socket,id=serial,path=${escapeCommas(paths.serial)},server=on,wait=off,${log}`);
    args.push(...device({ driver: 'isa-serial', id: 'com1', chardev: 'serial' }));
  }
  if (spec.hasAgent) {
    args.push('-chardev', `socket,id=agent,path=${escapeCommas(paths.agent)},server=on,wait=off`);
    args.push(
      ...device({
        driver: 'virtserialport',
        id: 'agent-port',
        bus: 'vserial.0',
        chardev: 'agent',
        name: 'org.qemu.guest_agent.0',
      }),
    );
  }
  return args;
}

function tpmArgs(spec: VmSpec, paths: VmPaths): string[] {
  if (!spec.hasTpm) return [];
  return [
    '-chardev',
    `socket,id=tpm,path=${escapeCommas(paths.tpm)}`,
    '-tpmdev',
    'emulator,id=tpm0,chardev=tpm',
    ...device({ driver: 'tpm-tis', tpmdev: 'tpm0' }),
  ];
}

function blockdev(options: JsonObject): string[] {
  return ['-blockdev', JSON.stringify(options)];
}

function device(options: JsonObject): string[] {
  return ['-device', JSON.stringify(options)];
}

/** QemuOpts: a comma inside a value is written twice. */
export function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
