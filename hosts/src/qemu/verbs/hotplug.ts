/**
 * Disks and CDs of a VM that runs: add, remove, exchange. Each step changes QEMU first and the process record after it, so
 * that the record never claims a disk that is not there. Spec: QEMU docs/system/qemu-block-drivers, qapi/block-core.json.
 */
import type { SpecChange } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import type { DeviceId } from '../../ids.ts';
import type { DiskSpec, VmSpec } from '../../spec.ts';
import { onlyUriDiffers } from '../../spec-diff.ts';
import type { QmpClient } from '../qmp/client.ts';
import { diskDevice } from '../vm/argv.ts';
import { dialNode, mediumNode, mediumNodes, nbdNode, rawNode, rootNode } from '../vm/blockdev.ts';
import type { ProcessRecord } from '../vm/record.ts';
import type { QemuVm } from '../vm/vm.ts';

/** IDE has no hot plug. */
export function canChangeLive(disk: DiskSpec): boolean {
  return disk.bus !== 'ide';
}

export async function applyLive(vm: QemuVm, spec: VmSpec, changes: readonly SpecChange[]): Promise<void> {
  for (const { what, change, effect } of changes) {
    if (effect !== 'now') continue;
    const [kind, id] = what.split(':') as [string, DeviceId | undefined];
    if (id === undefined) continue;
    if (kind === 'cd') await changeMedium(vm, id, spec.cds.find((cd) => cd.id === id)?.uri);
    if (kind !== 'disk') continue;
    const before = running(vm).spec.disks.find((disk) => disk.id === id);
    const after = spec.disks.find((disk) => disk.id === id);
    if (change === 'change' && after !== undefined && onlyUriDiffers(before, after)) {
      await swapDisk(vm, id, after.uri);
      continue;
    }
    if (before !== undefined) await detachDisk(vm, id);
    if (after !== undefined) await attachDisk(vm, after);
  }
}

export async function attachDisk(vm: QemuVm, disk: DiskSpec): Promise<void> {
  const qmp = vm.connection('attach a disk to');
  const record = running(vm);
  const needsController = disk.bus === 'virtio-scsi' && record.spec.disks.every((one) => one.bus !== 'virtio-scsi');
  const definition = vm.known('attach a disk to');
  if (needsController) throw new HostError('SPEC_UNSUPPORTED', `${vm.id} was started without a SCSI controller`);
  const round = nextRound(record, disk.id);
  const nodes = [
    nbdNode(disk.id, round, disk.uri, disk.isReadOnly, vm.host.argv.nbd),
    rawNode(disk.id, round, disk.isReadOnly),
  ];
  const added: string[] = [];
  try {
    for (const node of nodes) {
      await blockdevAdd(qmp, node, disk.id);
      added.push(node['node-name'] as string);
    }
    const { bootindex: _, ...options } = diskDevice(disk, { ...definition, spec: record.spec, isIncoming: false });
    await qmp.execute('device_add', options as Record<string, string>);
  } catch (error) {
    for (const node of added.reverse()) await qmp.execute('blockdev-del', { 'node-name': node }).catch(() => undefined);
    throw error;
  }
  const spec = { ...record.spec, disks: [...record.spec.disks, disk] };
  await vm.saveProcess({ ...record, spec, rounds: { ...record.rounds, [disk.id]: round } });
  vm.emit({ kind: 'device', vm: vm.id, device: disk.id, change: 'added' });
}

export async function detachDisk(vm: QemuVm, id: DeviceId): Promise<void> {
  const qmp = vm.connection('detach a disk of');
  const disk = diskOf(vm, id);
  if (!canChangeLive(disk))
    throw new HostError('SPEC_UNSUPPORTED', `disk ${id} of ${vm.id} is on IDE, which has no hot plug`);
  await unplug(vm, qmp, id);
  const record = running(vm);
  await qmp.execute('blockdev-del', { 'node-name': rootNode(id) });
  await qmp.execute('blockdev-del', { 'node-name': dialNode(id, record.rounds[id] ?? 0) });
  const spec = { ...record.spec, disks: record.spec.disks.filter((one) => one.id !== id) };
  await vm.saveProcess({ ...record, spec });
  vm.emit({ kind: 'device', vm: vm.id, device: id, change: 'removed' });
}

/** Asks the guest and waits for QEMU to say that the device is gone. */
async function unplug(vm: QemuVm, qmp: QmpClient, id: DeviceId): Promise<void> {
  const name = `disk-${id}`;
  const { unplugMs } = vm.host.timing;
  await new Promise<void>((resolve, reject) => {
    const finish = (error?: unknown): void => {
      clearTimeout(timer);
      stop();
      if (error === undefined) resolve();
      else reject(error as Error);
    };
    const stop = qmp.onEvent((event) => {
      if (event.name === 'DEVICE_DELETED' && event.data.device === name) finish();
      if (event.name === 'DEVICE_UNPLUG_GUEST_ERROR' && event.data.device === name) {
        finish(new HostError('DEVICE_BUSY', `the guest of ${vm.id} refuses to let go of disk ${id}`));
      }
    });
    const timer = setTimeout(
      () =>
        finish(
          new HostError('DEVICE_BUSY', `the guest of ${vm.id} did not let go of disk ${id} within ${unplugMs} ms`),
        ),
      unplugMs,
    );
    void qmp.closed.then((reason) => finish(reason));
    qmp.execute('device_del', { id: name }).catch(finish);
  });
}

/** New node, then the raw node over it is reopened between two requests of the guest, then the old node goes. */
export async function swapDisk(vm: QemuVm, id: DeviceId, uri: string): Promise<void> {
  const qmp = vm.connection('swap a disk of');
  const disk = diskOf(vm, id);
  const record = running(vm);
  const before = record.rounds[id] ?? 0;
  const round = nextRound(record, id);
  await blockdevAdd(qmp, nbdNode(id, round, uri, disk.isReadOnly, vm.host.argv.nbd), id);
  try {
    await qmp.execute('blockdev-reopen', { options: [rawNode(id, round, disk.isReadOnly)] });
  } catch (error) {
    await qmp.execute('blockdev-del', { 'node-name': dialNode(id, round) }).catch(() => undefined);
    throw error;
  }
  const spec = { ...record.spec, disks: record.spec.disks.map((one) => (one.id === id ? { ...one, uri } : one)) };
  await vm.saveProcess({ ...record, spec, rounds: { ...record.rounds, [id]: round } });
  // The old service may be gone for good; its node is not worth failing for.
  await qmp.execute('blockdev-del', { 'node-name': dialNode(id, before) }).catch(() => undefined);
  vm.emit({ kind: 'device', vm: vm.id, device: id, change: 'swapped' });
}

/**
 * NBD tells a size in its handshake and never again, so the disk is dialled anew; `block_resize` then only hands on what
 * the new connection heard (QEMU block/nbd.c, `nbd_co_truncate`: it cannot grow the export itself).
 */
export async function resizeDisk(vm: QemuVm, id: DeviceId, sizeBytes: number): Promise<void> {
  const { uri } = diskOf(vm, id);
  await swapDisk(vm, id, uri);
  await vm.connection('resize a disk of').execute('block_resize', { 'node-name': rootNode(id), size: sizeBytes });
  vm.emit({ kind: 'device', vm: vm.id, device: id, change: 'resized' });
}

export async function changeMedium(vm: QemuVm, id: DeviceId, uri: string | undefined): Promise<void> {
  const qmp = vm.connection('change a CD of');
  const record = running(vm);
  const held = record.spec.cds.find((cd) => cd.id === id);
  if (held === undefined) throw new HostError('DEVICE_NOT_FOUND', `${vm.id} has no CD drive ${id}`);
  const drive = { id: `cd-${id}` };
  const round = nextRound(record, id);
  const nodes = uri === undefined ? [] : mediumNodes(id, round, uri, vm.host.argv.nbd);
  for (const node of nodes) await blockdevAdd(qmp, node, id);
  await qmp.execute('blockdev-open-tray', { ...drive, force: true });
  if (held.uri !== undefined) {
    await qmp.execute('blockdev-remove-medium', drive);
    const old = record.rounds[id] ?? 0;
    for (const node of [mediumNode(id, old), dialNode(id, old)]) {
      await qmp.execute('blockdev-del', { 'node-name': node }).catch(() => undefined);
    }
  }
  if (uri !== undefined) await qmp.execute('blockdev-insert-medium', { ...drive, 'node-name': mediumNode(id, round) });
  await qmp.execute('blockdev-close-tray', drive);
  const cds = record.spec.cds.map((cd) => (cd.id === id ? { id, ...(uri === undefined ? {} : { uri }) } : cd));
  await vm.saveProcess({ ...record, spec: { ...record.spec, cds }, rounds: { ...record.rounds, [id]: round } });
}

async function blockdevAdd(
  qmp: QmpClient,
  node: Parameters<typeof qmp.execute<'blockdev-add'>>[1],
  id: DeviceId,
): Promise<void> {
  try {
    await qmp.execute('blockdev-add', node);
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'VM_REFUSED') throw error;
    throw new HostError('DISK_UNREACHABLE', `disk ${id}: ${error.message}`, { cause: error });
  }
}

function diskOf(vm: QemuVm, id: DeviceId): DiskSpec {
  const disk = running(vm).spec.disks.find((one) => one.id === id);
  if (disk === undefined) throw new HostError('DEVICE_NOT_FOUND', `${vm.id} has no disk ${id}`);
  return disk;
}

function running(vm: QemuVm): ProcessRecord {
  if (vm.process === undefined) throw vm.wrongState('change a device of');
  return vm.process;
}

function nextRound(record: ProcessRecord, id: DeviceId): number {
  return (record.rounds[id] ?? 0) + 1;
}
