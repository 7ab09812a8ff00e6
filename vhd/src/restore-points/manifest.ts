/**
 * The manifest of a restore point: what it is of, what it is worth, and which objects it is made of. A restore point is
 * there when its manifest is. What comes from a repository is checked before it is believed: others write there too.
 */
import { z } from 'zod';
import { VhdError } from '../errors.ts';
import { LIMITS, SECTOR_BYTES } from '../units.ts';

export const MANIFEST_VERSION = 1;
export const MANIFEST_LIMIT_BYTES: number = 4 << 20;

/** What is known of the state that the disks were in, and why it is not better. */
export interface PointConsistency {
  readonly level: 'application' | 'file-system' | 'crash';
  readonly reason: string;
}

/** One disk of a restore point. */
export interface PointDisk {
  readonly diskId: string;
  readonly name: string;
  /** Where it was plugged in. */
  readonly deviceId: string;
  readonly bus: string;
  readonly sizeBytes: number;
  /** The snapshot of the disk that was read: what the next run looks for to copy only what has changed. */
  readonly snapshotId: string | null;
  /** Identity of the VHD: its children name it. */
  readonly identity: string;
  readonly kind: 'full' | 'increment';
  /** Why all of it was taken, where something else was expected. */
  readonly reason: string | null;
  /** The disk of another restore point of the same VM that it is the child of. */
  readonly parent: { readonly pointId: string; readonly identity: string } | null;
  /** The object, and how it is stored: a VHD as it is, or its pieces in a container. */
  readonly file: string;
  /** While a VHD is replaced by one with the same content: the new one, until it has taken the name of the old one. */
  readonly pending: string | null;
  readonly form: 'vhd' | 'container';
  readonly compression: 'none' | 'zstd';
  readonly salt: string;
  /** Of the VHD. */
  readonly lengthBytes: number;
  readonly index: string;
  readonly indexSha256: string;
  readonly extents: number;
  /** Content of the disk that is in it. */
  readonly dataBytes: number;
  /** What object and index take. */
  readonly storedBytes: number;
}

export interface Manifest {
  readonly version: 1;
  readonly id: string;
  readonly vm: { readonly id: string; readonly name: string; readonly definition?: unknown };
  /** The instant that it holds. ISO 8601. */
  readonly createdAt: string;
  readonly consistency: PointConsistency;
  /** Which gateway and job made it. */
  readonly madeBy: { readonly gateway: string; readonly version: string; readonly job: string | null };
  /** Until then it may not be removed. ISO 8601. */
  readonly keptUntil: string | null;
  readonly disks: readonly PointDisk[];
}

const Id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);
const Hex16 = z.string().regex(/^[0-9a-f]{32}$/);
const Hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const Count = z.int().nonnegative();
const Text = z.string().max(4096);

const Disk = z.object({
  diskId: Id,
  name: Text,
  deviceId: Text,
  bus: Text,
  sizeBytes: z.int().min(SECTOR_BYTES).max(LIMITS.fixedDiskBytes).multipleOf(SECTOR_BYTES),
  snapshotId: z.nullable(Id),
  identity: z.guid(),
  kind: z.enum(['full', 'increment']),
  reason: z.nullable(Text),
  parent: z.nullable(z.object({ pointId: Id, identity: z.guid() })),
  file: Id,
  pending: z.nullable(Id),
  form: z.enum(['vhd', 'container']),
  compression: z.enum(['none', 'zstd']),
  salt: Hex16,
  lengthBytes: Count,
  index: Id,
  indexSha256: Hex32,
  extents: Count,
  dataBytes: Count,
  storedBytes: Count,
});

const Schema: z.ZodType<Manifest> = z.object({
  version: z.literal(MANIFEST_VERSION),
  id: Id,
  vm: z.object({ id: Id, name: Text, definition: z.unknown() }),
  createdAt: z.iso.datetime(),
  consistency: z.object({ level: z.enum(['application', 'file-system', 'crash']), reason: Text }),
  madeBy: z.object({ gateway: Text, version: Text, job: z.nullable(Text) }),
  keptUntil: z.nullable(z.iso.datetime()),
  disks: z.array(Disk).max(64),
});

export const encodeManifest = (manifest: Manifest): Uint8Array => Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);

/** Errors: DAMAGED; UNSUPPORTED where a newer version wrote it. */
export function decodeManifest(bytes: Uint8Array, name: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new VhdError('DAMAGED', `${name} is not JSON`, { cause });
  }
  const version = (value as { readonly version?: unknown } | null)?.version;
  if (typeof version === 'number' && MANIFEST_VERSION < version)
    throw new VhdError('UNSUPPORTED', `${name} has version ${version}, this Oriel reads up to ${MANIFEST_VERSION}`);
  const parsed = Schema.safeParse(value);
  if (!parsed.success) throw new VhdError('DAMAGED', `${name}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
