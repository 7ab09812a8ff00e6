/**
 * Copying restore points into a second repository: only those that are missing there, oldest first, each whole before it is
 * there. Every byte is checked as it is read. The second may be of another form, with another key: what is copied is what the
 * disks hold, not how it is stored.
 */
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { isVhdError } from '../errors.ts';
import { withClaim } from './claims.ts';
import type { Manifest, PointDisk } from './manifest.ts';
import { openPointDisk, PointDiskReader } from './point-disk.ts';
import type { PointRef, Repository } from './repository.ts';
import { sectorsOf } from './sectors-of.ts';
import { StoredDisk } from './stored-disk.ts';
import { linkTo } from './take.ts';
import { writeDisk } from './write-disk.ts';

export interface Replicated {
  /** Restore points that were copied. */
  readonly copied: readonly string[];
  /** Those that could not be read, and why: the others are copied all the same. */
  readonly damaged: readonly { readonly pointId: string; readonly message: string }[];
}

/** Copies what is missing of a VM, or of all. Begun again, it goes on where it was. Errors: CANCELLED, those of the stores. */
export async function replicate(
  from: Repository,
  to: Repository,
  { vmId, ...options }: OperationOptions & { readonly vmId?: string } = {},
): Promise<Replicated> {
  const there = new Set<string>();
  for await (const { vmId: vm, pointId } of to.points(vmId)) there.add(`${vm}/${pointId}`);
  const missing: PointRef[] = [];
  for await (const point of from.points(vmId)) if (!there.has(`${point.vmId}/${point.pointId}`)) missing.push(point);
  const copied: string[] = [];
  const damaged: { pointId: string; message: string }[] = [];
  for (const [at, point] of missing.entries()) {
    throwIfCancelled(options.signal);
    options.onProgress?.({ doneBytes: at, totalBytes: missing.length });
    try {
      await withClaim(to.store, point.pointId, () => copyPoint(from, to, point, options));
      copied.push(point.pointId);
    } catch (error) {
      if (!isVhdError(error, 'DAMAGED', 'NOT_FOUND')) throw error;
      damaged.push({ pointId: point.pointId, message: error.message });
    }
  }
  return { copied, damaged };
}

async function copyPoint(from: Repository, to: Repository, point: PointRef, options: OperationOptions): Promise<void> {
  const manifest = await from.manifest(point);
  const keptUntil = manifest.keptUntil === null ? {} : { keptUntil: new Date(manifest.keptUntil) };
  const disks: PointDisk[] = [];
  try {
    for (const disk of manifest.disks) {
      const base = await baseIn(to, point, disk);
      const reader =
        base === undefined
          ? await openPointDisk(from, point, disk.diskId) // What it stands on is not there: all of it.
          : new PointDiskReader(disk.file, [await StoredDisk.open(from, point, disk)]);
      const { signal } = options;
      const written = await writeDisk(to, sectorsOf(reader, base !== undefined), {
        ...(signal === undefined ? {} : { signal }),
        ...keptUntil,
        point,
        name: disk.file.replace(/\.(vhd|box)$/, '').replace(/\.[0-9a-f]{8}$/, ''),
        identity: disk.identity,
        now: new Date(manifest.createdAt),
        ...(base === undefined ? {} : { parent: await linkTo(to, point.vmId, base.manifest, base.disk) }),
      });
      const kind = base === undefined ? 'full' : 'increment';
      disks.push({ ...disk, ...written, kind, parent: base === undefined ? null : disk.parent, pending: null });
    }
    await to.putManifest({ ...manifest, disks });
  } catch (error) {
    await to.removePoint(point).catch(() => undefined); // Rubbish anyhow; less of it is better.
    throw error;
  }
}

/** What the disk stands on, where the other repository has it as well. */
async function baseIn(
  to: Repository,
  { vmId }: PointRef,
  { diskId, parent }: PointDisk,
): Promise<{ readonly manifest: Manifest; readonly disk: PointDisk } | undefined> {
  if (parent === null) return undefined;
  try {
    const manifest = await to.manifest({ vmId, pointId: parent.pointId });
    const disk = manifest.disks.find((one) => one.diskId === diskId && one.identity === parent.identity);
    return disk === undefined ? undefined : { manifest, disk };
  } catch (error) {
    if (isVhdError(error, 'NOT_FOUND', 'DAMAGED')) return undefined;
    throw error;
  }
}
