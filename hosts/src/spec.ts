/**
 * What a VM shall be: plain data that survives JSON, the same for every hypervisor. `vmSpec` fills the defaults and
 * refuses what no driver could make; what one driver cannot make is refused by that driver from its capabilities.
 */
import { HostError } from './errors.ts';
import { type DeviceId, deviceId, type VmId, vmId } from './ids.ts';

export type DiskBus = 'virtio-blk' | 'virtio-scsi' | 'ide';
export type Firmware = 'bios' | 'uefi';
export type VideoCard = 'std' | 'virtio' | 'none';
export type MachineFamily = 'pc' | 'q35';

/** A disk is a URI to dial, never a path: `nbd+unix:///<export>?socket=<absolute path>`. */
export interface DiskSpec {
  readonly id: DeviceId;
  readonly uri: string;
  readonly bus: DiskBus;
  readonly isReadOnly: boolean;
}

/** A CD drive. Without a URI the tray is empty. An image may also be `file:///absolute/path.iso` on the host. */
export interface CdSpec {
  readonly id: DeviceId;
  readonly uri?: string;
}

export type NicSpec =
  | { readonly id: DeviceId; readonly kind: 'user'; readonly mac?: string }
  | { readonly id: DeviceId; readonly kind: 'bridge'; readonly bridge: string; readonly mac?: string }
  | { readonly id: DeviceId; readonly kind: 'tap'; readonly tap: string; readonly mac?: string };

export interface VmSpec {
  readonly id: VmId;
  /** For people. Any text up to 128 characters without control characters; never part of a path or a command. */
  readonly name: string;
  /** Grows with every edit. A driver that has seen a higher one answers SPEC_STALE. */
  readonly generation: number;
  /** A family; the driver pins the exact version when it defines the VM and keeps it from then on. */
  readonly machine: MachineFamily;
  readonly firmware: Firmware;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** In boot order; the first bootable one wins after the CD drives that hold an image. */
  readonly disks: readonly DiskSpec[];
  readonly cds: readonly CdSpec[];
  readonly nics: readonly NicSpec[];
  readonly video: VideoCard;
  readonly hasSerial: boolean;
  readonly hasAgent: boolean;
  readonly hasRng: boolean;
  readonly hasTpm: boolean;
  readonly hasTablet: boolean;
}

/** What a caller writes: everything but id and name may be left out, ids are plain strings. */
export interface VmSpecInput {
  readonly id: string;
  readonly name?: string;
  readonly generation?: number;
  readonly machine?: MachineFamily;
  readonly firmware?: Firmware;
  readonly vcpus?: number;
  readonly memoryMiB?: number;
  readonly disks?: readonly DiskInput[];
  readonly cds?: readonly { readonly id: string; readonly uri?: string | undefined }[];
  readonly nics?: readonly NicInput[];
  readonly video?: VideoCard;
  readonly hasSerial?: boolean;
  readonly hasAgent?: boolean;
  readonly hasRng?: boolean;
  readonly hasTpm?: boolean;
  readonly hasTablet?: boolean;
}

export interface DiskInput {
  readonly id: string;
  readonly uri: string;
  readonly bus?: DiskBus;
  readonly isReadOnly?: boolean;
}

export type NicInput =
  | { readonly id: string; readonly kind: 'user'; readonly mac?: string | undefined }
  | { readonly id: string; readonly kind: 'bridge'; readonly bridge: string; readonly mac?: string | undefined }
  | { readonly id: string; readonly kind: 'tap'; readonly tap: string; readonly mac?: string | undefined };

export const SPEC_LIMITS = {
  nameChars: 128,
  vcpus: 256,
  memoryMiB: 16_777_216,
  disks: 24,
  cds: 4,
  nics: 8,
  uriChars: 1024,
} as const;

/** The spec with every default filled in, or SPEC_INVALID that names the field. */
export function vmSpec(input: VmSpecInput): VmSpec {
  const id = vmId(input.id);
  const name = input.name ?? id;
  if (name.length < 1 || SPEC_LIMITS.nameChars < name.length || /\p{Cc}/u.test(name)) {
    throw invalid('name', name);
  }
  const spec: VmSpec = {
    id,
    name,
    generation: whole('generation', input.generation ?? 1, 1, Number.MAX_SAFE_INTEGER),
    machine: oneOf('machine', input.machine ?? 'q35', ['pc', 'q35']),
    firmware: oneOf('firmware', input.firmware ?? 'bios', ['bios', 'uefi']),
    vcpus: whole('vcpus', input.vcpus ?? 1, 1, SPEC_LIMITS.vcpus),
    memoryMiB: whole('memoryMiB', input.memoryMiB ?? 256, 1, SPEC_LIMITS.memoryMiB),
    disks: atMost('disks', input.disks ?? [], SPEC_LIMITS.disks).map(disk),
    cds: atMost('cds', input.cds ?? [], SPEC_LIMITS.cds).map(cd),
    nics: atMost('nics', input.nics ?? [], SPEC_LIMITS.nics).map(nic),
    video: oneOf('video', input.video ?? 'std', ['std', 'virtio', 'none']),
    hasSerial: flag('hasSerial', input.hasSerial ?? true),
    hasAgent: flag('hasAgent', input.hasAgent ?? true),
    hasRng: flag('hasRng', input.hasRng ?? true),
    hasTpm: flag('hasTpm', input.hasTpm ?? false),
    hasTablet: flag('hasTablet', input.hasTablet ?? true),
  };
  const ids = [...spec.disks, ...spec.cds, ...spec.nics].map((device) => device.id);
  const twice = ids.find((one, at) => ids.indexOf(one) < at);
  if (twice !== undefined) throw new HostError('SPEC_INVALID', `device id ${twice} is used twice`);
  return spec;
}

/** The two halves of an `nbd+unix` URI, or SPEC_INVALID. Spec: nbd/doc/uri.md. */
export function parseNbdUri(uri: string): { readonly socketPath: string; readonly exportName: string } {
  if (SPEC_LIMITS.uriChars < uri.length) throw invalid('disk uri', `${uri.slice(0, 80)}…`);
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const socketPath = url?.searchParams.get('socket');
  if (url?.protocol !== 'nbd+unix:' || url.host !== '' || socketPath === null || socketPath === undefined) {
    throw invalid('disk uri', uri);
  }
  if (!socketPath.startsWith('/') || socketPath.includes('\0')) throw invalid('socket of the disk uri', socketPath);
  return { socketPath, exportName: decoded(url.pathname.replace(/^\//, ''), uri) };
}

/** The path of a `file:///` URI, or undefined where the URI is of another kind. */
export function parseFileUri(uri: string): string | undefined {
  if (!uri.startsWith('file:///') || SPEC_LIMITS.uriChars < uri.length) return undefined;
  const path = decoded(new URL(uri).pathname, uri);
  return path.includes('\0') ? undefined : path;
}

function decoded(text: string, uri: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new HostError('SPEC_INVALID', `uri ${uri} is not well escaped`, { cause });
  }
}

function disk(input: DiskInput): DiskSpec {
  parseNbdUri(input.uri);
  return {
    id: deviceId(input.id),
    uri: input.uri,
    bus: oneOf('disk bus', input.bus ?? 'virtio-blk', ['virtio-blk', 'virtio-scsi', 'ide']),
    isReadOnly: flag('isReadOnly', input.isReadOnly ?? false),
  };
}

function cd(input: { readonly id: string; readonly uri?: string | undefined }): CdSpec {
  const id = deviceId(input.id);
  if (input.uri === undefined) return { id };
  if (parseFileUri(input.uri) === undefined) parseNbdUri(input.uri);
  return { id, uri: input.uri };
}

const MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/;
/** What the kernel takes as the name of a network interface, without the characters that QEMU options use. */
const INTERFACE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;

function nic(input: NicInput): NicSpec {
  const id = deviceId(input.id);
  if (input.mac !== undefined && !MAC.test(input.mac)) throw invalid('mac', input.mac);
  const mac = input.mac === undefined ? {} : { mac: input.mac };
  switch (input.kind) {
    case 'user':
      return { id, kind: 'user', ...mac };
    case 'bridge':
      if (!INTERFACE.test(input.bridge)) throw invalid('bridge', input.bridge);
      return { id, kind: 'bridge', bridge: input.bridge, ...mac };
    case 'tap':
      if (!INTERFACE.test(input.tap)) throw invalid('tap', input.tap);
      return { id, kind: 'tap', tap: input.tap, ...mac };
  }
}

function whole(field: string, value: number, from: number, to: number): number {
  if (!Number.isSafeInteger(value) || value < from || to < value) throw invalid(field, value);
  return value;
}

function flag(field: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw invalid(field, value);
  return value;
}

function oneOf<T extends string>(field: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw invalid(field, value);
  return value;
}

function atMost<T>(field: string, list: readonly T[], max: number): readonly T[] {
  if (!Array.isArray(list) || max < list.length) throw invalid(field, `${list.length} entries, at most ${max}`);
  return list;
}

function invalid(field: string, value: unknown): HostError {
  return new HostError('SPEC_INVALID', `${field} ${JSON.stringify(value)} is not valid`);
}
