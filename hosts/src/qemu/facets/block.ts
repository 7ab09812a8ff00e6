/** The block facet: changes to a running VM that its definition follows, so that the next start has the same disks. */
import { HostError } from '../../errors.ts';
import type { DeviceId } from '../../ids.ts';
import { type DiskInput, type VmSpec, vmSpec } from '../../spec.ts';
import { assignPorts } from '../verbs/apply.ts';
import { attachDisk, changeMedium, detachDisk, swapDisk } from '../verbs/hotplug.ts';
import type { QemuVm } from '../vm/vm.ts';

export async function attachHeldDisk(vm: QemuVm, input: DiskInput): Promise<void> {
  const held = vm.known('attach a disk to');
  if (held.spec.disks.some((disk) => disk.id === input.id)) {
    throw new HostError('SPEC_INVALID', `${vm.id} has a disk ${input.id} already`);
  }
  const spec = vmSpec({ ...held.spec, disks: [...held.spec.disks, input] });
  const disk = spec.disks.at(-1) as VmSpec['disks'][number];
  // First the definition, which says in which port the disk goes; back to what it was where the disk does not come.
  await vm.saveDefinition({ ...held, spec, ports: assignPorts(held.ports, vm, spec) });
  try {
    await attachDisk(vm, disk);
  } catch (error) {
    await vm.saveDefinition(held);
    throw error;
  }
}

export async function detachHeldDisk(vm: QemuVm, id: DeviceId): Promise<void> {
  await detachDisk(vm, id);
  await edit(vm, (spec) => ({ ...spec, disks: spec.disks.filter((disk) => disk.id !== id) }));
}

export async function swapHeldDisk(vm: QemuVm, id: DeviceId, uri: string): Promise<void> {
  await swapDisk(vm, id, uri);
  await edit(vm, (spec) => ({ ...spec, disks: spec.disks.map((disk) => (disk.id === id ? { ...disk, uri } : disk)) }));
}

export async function changeHeldCd(vm: QemuVm, id: DeviceId, uri: string | undefined): Promise<void> {
  await changeMedium(vm, id, uri);
  const medium = uri === undefined ? {} : { uri };
  await edit(vm, (spec) => ({ ...spec, cds: spec.cds.map((cd) => (cd.id === id ? { id, ...medium } : cd)) }));
}

async function edit(vm: QemuVm, change: (spec: VmSpec) => VmSpec): Promise<void> {
  const held = vm.known('change');
  const spec = change(held.spec);
  await vm.saveDefinition({ ...held, spec, ports: assignPorts(held.ports, vm, spec) });
}
