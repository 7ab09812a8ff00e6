/** From a stored VM to what a driver is told. Pure. */
import { type VmSpec, vmSpec } from '@oriel/hosts';
import type { StoredVm } from './vm-store.ts';

/** `uris`: disk id to the URI that it is served at. The CD drive is always there, so that a disc can be put in later. */
export function specOf(vm: StoredVm, uris: ReadonlyMap<string, string>, cdUri: string | undefined): VmSpec {
  const { hardware } = vm;
  return vmSpec({
    id: vm.id,
    name: vm.name,
    generation: vm.generation,
    machine: hardware.machine,
    firmware: hardware.firmware,
    vcpus: hardware.vcpus,
    memoryMiB: hardware.memoryMiB,
    video: hardware.video,
    hasTablet: hardware.tablet,
    hasAgent: hardware.agent,
    hasTpm: hardware.tpm,
    hasSerial: true,
    disks: vm.disks.map((disk) => ({ id: disk.deviceId, uri: uriOf(uris, disk.diskId), bus: disk.bus })),
    cds: [{ id: 'cd0', uri: cdUri }],
    nics: hardware.nics.map((nic, at) => ({ id: `nic${at}`, ...nic })),
  });
}

function uriOf(uris: ReadonlyMap<string, string>, diskId: string): string {
  const uri = uris.get(diskId);
  if (uri === undefined) throw new TypeError(`disk ${diskId} has no URI`);
  return uri;
}
