/**
 * Taking a restore point away without harming those that stand on it: what they need of it becomes their own first. New
 * objects beside the old ones, then a manifest that names them, then the old ones go; a kill at any point leaves restore
 * points that read the same, and at most rubbish.
 */
import { randomBytes } from 'node:crypto';
import type { OperationOptions } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import { withClaim } from './claims.ts';
import type { Manifest, PointDisk } from './manifest.ts';
import { openPointDisk, PointDiskReader } from './point-disk.ts';
import type { PointRef, Repository } from './repository.ts';
import { sectorsOf } from './sectors-of.ts';
import { StoredDisk } from './stored-disk.ts';
import { linkTo } from './take.ts';
import { writeDisk } from './write-disk.ts';

/** Removes a restore point; those that stand on it get what they need of it. Errors: SEALED while it, or one of them, has to be kept. */
export async function dropPoint(
  repository: Repository,
  point: PointRef,
  options: OperationOptions = {},
): Promise<void> {
  const manifest = await repository.manifest(point);
  const children = await childrenOf(repository, point);
  const now = Date.now();
  for (const { id, keptUntil } of [manifest, ...children]) {
    if (keptUntil !== null && now < Date.parse(keptUntil))
      throw new VhdError('SEALED', `restore point ${id} has to be kept until ${keptUntil}`);
  }
  for (const child of children) await takeIn(repository, child, manifest, options);
  await repository.removePoint(point);
}

/** Makes a restore point stand alone: a full one, put together from those below it. */
export async function makeFull(repository: Repository, point: PointRef, options: OperationOptions = {}): Promise<void> {
  const manifest = await repository.manifest(point);
  for (const disk of manifest.disks) {
    if (disk.parent === null) continue;
    const reader = await openPointDisk(repository, point, disk.diskId);
    await rewrite(repository, point, disk, reader, undefined, options);
  }
}

/** The restore points that stand on this one. */
async function childrenOf(repository: Repository, { vmId, pointId }: PointRef): Promise<readonly Manifest[]> {
  const children: Manifest[] = [];
  for await (const other of repository.points(vmId)) {
    if (other.pointId <= pointId) continue; // Names begin with the time: nobody stands on a younger one.
    const manifest = await repository.manifest(other);
    if (manifest.disks.some(({ parent }) => parent?.pointId === pointId)) children.push(manifest);
  }
  return children;
}

async function takeIn(
  repository: Repository,
  child: Manifest,
  base: Manifest,
  options: OperationOptions,
): Promise<void> {
  const vmId = child.vm.id;
  const point = { vmId, pointId: child.id };
  for (const disk of child.disks) {
    if (disk.parent?.pointId !== base.id) continue;
    const { parent } = disk;
    const below = base.disks.find((one) => one.diskId === disk.diskId && one.identity === parent.identity);
    if (below === undefined)
      throw new VhdError('DAMAGED', `${base.id} is not the restore point that ${child.id} was made on: it stays`);
    const links = [
      await StoredDisk.open(repository, point, disk),
      await StoredDisk.open(repository, { vmId, pointId: base.id }, below),
    ];
    await rewrite(repository, point, disk, new PointDiskReader(`${child.id} with ${base.id}`, links), below, options);
  }
}

/** Writes a disk of a restore point anew, with what `from` has, over the parent that `below` has. */
async function rewrite(
  repository: Repository,
  point: PointRef,
  disk: PointDisk,
  from: PointDiskReader,
  below: PointDisk | undefined,
  options: OperationOptions,
): Promise<void> {
  const parent = below?.parent ?? null;
  const grand = parent === null ? undefined : await repository.manifest({ vmId: point.vmId, pointId: parent.pointId });
  const grandDisk = grand?.disks.find((one) => one.diskId === disk.diskId && one.identity === parent?.identity);
  if (parent !== null && grandDisk === undefined)
    throw new VhdError('DAMAGED', `restore point ${parent.pointId} is gone or another: nothing was changed`);
  const stable = disk.file.replace(/\.(vhd|box)$/, '').replace(/\.[0-9a-f]{8}$/, '');
  const { createdAt } = await repository.manifest(point);
  await withClaim(repository.store, point.pointId, async () => {
    const written = await writeDisk(repository, sectorsOf(from, parent !== null), {
      ...options,
      point,
      name: `${stable}.${randomBytes(4).toString('hex')}`,
      identity: disk.identity,
      now: new Date(createdAt),
      ...(grand === undefined || grandDisk === undefined
        ? {}
        : { parent: await linkTo(repository, point.vmId, grand, grandDisk) }),
    });
    const isRenamed = written.form === 'vhd' && repository.store.rename !== undefined;
    const next: PointDisk = {
      ...disk,
      ...written,
      kind: parent === null ? 'full' : 'increment',
      parent,
      ...(isRenamed ? { file: `${stable}.vhd`, pending: written.file } : { pending: null }),
    };
    const manifest = await repository.manifest(point);
    const disks = manifest.disks.map((one) => (one.diskId === disk.diskId ? next : one));
    await repository.putManifest({ ...manifest, disks }, { isReplacing: true });
    if (isRenamed) await settleName(repository, point, next);
    const kept = new Set([next.file, next.pending, next.index]);
    for (const object of [disk.file, disk.index])
      if (!kept.has(object)) await repository.store.remove(repository.keyOf(point, object));
  });
}

/** Gives a VHD that was written anew the name that its children know. */
export async function settleName(repository: Repository, point: PointRef, { file, pending }: PointDisk): Promise<void> {
  const { store } = repository;
  if (pending === null || store.rename === undefined) return;
  const [from, to] = [repository.keyOf(point, pending), repository.keyOf(point, file)];
  if ((await store.stat(from)) === undefined) return;
  const before = await store.stat(to);
  await store.rename(from, to, before?.modifiedAt ?? new Date());
}
