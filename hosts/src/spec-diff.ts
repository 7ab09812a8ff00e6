/**
 * The difference between the spec that a host holds and the one it is given. PURE. A driver acts on what it can change in
 * a running VM; the rest waits for the next start.
 */
import type { SpecChange } from './driver.ts';
import type { CdSpec, DiskSpec, VmSpec } from './spec.ts';

/** By their names for people, who read them as what waits for the next start. */
const FIELDS: Readonly<Record<string, keyof VmSpec>> = {
  machine: 'machine',
  firmware: 'firmware',
  vcpus: 'vcpus',
  memoryMiB: 'memoryMiB',
  video: 'video',
  serial: 'hasSerial',
  agent: 'hasAgent',
  rng: 'hasRng',
  tpm: 'hasTpm',
  tablet: 'hasTablet',
};

/** What of a running VM the driver can change. */
export interface LiveChanges {
  readonly isDiskLive: (disk: DiskSpec) => boolean;
  readonly canChangeCd: boolean;
}

/** `held` undefined: the VM is new. `live` undefined: it does not run, so everything takes effect at the next start. */
export function diffSpecs(held: VmSpec | undefined, wanted: VmSpec, live: LiveChanges | undefined): SpecChange[] {
  if (held === undefined) return [{ what: 'vm', change: 'add', effect: 'next-start' }];
  const changes: SpecChange[] = [];
  if (held.name !== wanted.name) changes.push({ what: 'name', change: 'change', effect: 'now' });
  for (const [what, field] of Object.entries(FIELDS)) {
    if (held[field] !== wanted[field]) changes.push({ what, change: 'change', effect: 'next-start' });
  }
  const disksNow = (before: DiskSpec | undefined, after: DiskSpec | undefined): boolean =>
    live !== undefined &&
    [before, after].every((disk) => disk === undefined || live.isDiskLive(disk) || onlyUriDiffers(before, after));
  changes.push(...diffDevices('disk', held.disks, wanted.disks, disksNow));
  const cdsNow = (before: CdSpec | undefined, after: CdSpec | undefined): boolean =>
    live?.canChangeCd === true && before !== undefined && after !== undefined;
  changes.push(...diffDevices('cd', held.cds, wanted.cds, cdsNow));
  changes.push(...diffDevices('nic', held.nics, wanted.nics, () => false));
  return changes;
}

/** The fields in which the VM that runs differs from its definition. */
export function pendingRestart(running: VmSpec, defined: VmSpec): readonly string[] {
  if (running === defined) return [];
  return diffSpecs(running, defined, undefined)
    .map((change) => change.what)
    .filter((what) => what !== 'name');
}

export function onlyUriDiffers(before: DiskSpec | undefined, after: DiskSpec | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  return before.bus === after.bus && before.isReadOnly === after.isReadOnly;
}

function diffDevices<Device extends { readonly id: string }>(
  kind: string,
  held: readonly Device[],
  wanted: readonly Device[],
  isLive: (before: Device | undefined, after: Device | undefined) => boolean,
): SpecChange[] {
  const changes: SpecChange[] = [];
  const effect = (before: Device | undefined, after: Device | undefined): SpecChange['effect'] =>
    isLive(before, after) ? 'now' : 'next-start';
  for (const before of held) {
    const after = wanted.find((one) => one.id === before.id);
    if (after === undefined) {
      changes.push({ what: `${kind}:${before.id}`, change: 'remove', effect: effect(before, undefined) });
    } else if (JSON.stringify(before) !== JSON.stringify(after)) {
      changes.push({ what: `${kind}:${before.id}`, change: 'change', effect: effect(before, after) });
    }
  }
  for (const after of wanted) {
    if (held.every((one) => one.id !== after.id)) {
      changes.push({ what: `${kind}:${after.id}`, change: 'add', effect: effect(undefined, after) });
    }
  }
  return changes;
}
