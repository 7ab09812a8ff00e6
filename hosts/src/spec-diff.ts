/**
 * The difference between the spec that a host holds and the one it is given. PURE. A driver acts on what it can change in
 * a running VM; the rest waits for the next start.
 */
import type { SpecChange } from './driver.ts';
import type { CdSpec, DiskSpec, VmSpec } from './spec.ts';

const FIELDS = [
  'machine',
  'firmware',
  'vcpus',
  'memoryMiB',
  'video',
  'serial',
  'agent',
  'rng',
  'tpm',
  'tablet',
] as const;

/** What of a running VM the driver can change. */
export interface LiveChanges {
  readonly disk: (disk: DiskSpec) => boolean;
  readonly cd: boolean;
}

/** `held` undefined: the VM is new. `live` undefined: it does not run, so everything takes effect at the next start. */
export function diffSpecs(held: VmSpec | undefined, wanted: VmSpec, live: LiveChanges | undefined): SpecChange[] {
  if (held === undefined) return [{ what: 'vm', change: 'add', effect: 'next-start' }];
  const changes: SpecChange[] = [];
  if (held.name !== wanted.name) changes.push({ what: 'name', change: 'change', effect: 'now' });
  for (const field of FIELDS) {
    if (held[field] !== wanted[field]) changes.push({ what: field, change: 'change', effect: 'next-start' });
  }
  const disksNow = (before: DiskSpec | undefined, after: DiskSpec | undefined): boolean =>
    live !== undefined &&
    [before, after].every((disk) => disk === undefined || live.disk(disk) || onlyUriDiffers(before, after));
  changes.push(...diffDevices('disk', held.disks, wanted.disks, disksNow));
  const cdsNow = (before: CdSpec | undefined, after: CdSpec | undefined): boolean =>
    live?.cd === true && before !== undefined && after !== undefined;
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
  return before !== undefined && after !== undefined && before.bus === after.bus && before.readOnly === after.readOnly;
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
