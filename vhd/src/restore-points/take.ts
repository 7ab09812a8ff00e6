/**
 * Making a restore point from disks that are served read-only. What has changed since the last one is asked of the chain
 * itself; where it cannot tell, all of a disk is taken, and the manifest says why.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { OperationOptions } from '../copy/options.ts';
import { isVhdError } from '../errors.ts';
import type { ParentLink } from '../image/parent-link.ts';
import { connectNbd, type NbdClient } from '../nbd/client.ts';
import { changesContext, changesOf, tellsChanges, wholeOf } from './capture.ts';
import { withClaim } from './claims.ts';
import { MANIFEST_VERSION, type Manifest, type PointConsistency, type PointDisk } from './manifest.ts';
import { MAX_POINT_LINKS } from './point-disk.ts';
import { newPointId, type PointRef, type Repository } from './repository.ts';
import { keyOfDisk } from './stored-disk.ts';
import { writeDisk } from './write-disk.ts';

/** A disk to take: a snapshot of it that is served. */
export interface DiskToTake {
  readonly diskId: string;
  readonly name: string;
  readonly deviceId: string;
  readonly bus: string;
  /** The snapshot, where it stays for the next run to ask what has changed since. */
  readonly snapshotId: string | null;
  /** Where it is served: `nbd+unix:///…`. */
  readonly uri: string;
}

export interface PointToTake {
  readonly vm: Manifest['vm'];
  /** The instant of the snapshots. */
  readonly createdAt: Date;
  readonly consistency: PointConsistency;
  readonly madeBy: Manifest['madeBy'];
  readonly keptUntil: Date | null;
  readonly disks: readonly DiskToTake[];
  /** Take all of every disk, whatever has changed. */
  readonly isFull?: boolean;
}

/** The name of the objects of a disk: what people call it, and what tells it from others of that name. */
function objectName({ name, diskId }: DiskToTake): string {
  const words = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40);
  const id = createHash('sha256').update(diskId).digest('hex').slice(0, 8);
  return words === '' ? `disk-${id}` : `${words}-${id}`;
}

/** Errors: CANCELLED, those of NBD and of the store. Nothing that looks like a restore point is left then. */
export async function takePoint(
  repository: Repository,
  input: PointToTake,
  options: OperationOptions = {},
): Promise<Manifest> {
  const point = { vmId: input.vm.id, pointId: newPointId(input.createdAt) };
  return withClaim(repository.store, point.pointId, async () => {
    const before = await lastPoint(repository, input.vm.id);
    if (before !== undefined && isOf(before, input)) return before; // A run that was cut off after its last step.
    const clients: NbdClient[] = [];
    try {
      for (const disk of input.disks) {
        const snapshotId = diskBefore(before, disk)?.snapshotId;
        const contexts = snapshotId === null || snapshotId === undefined ? [] : [changesContext(snapshotId)];
        clients.push(
          await connectNbd(disk.uri, { contexts, ...(options.signal === undefined ? {} : { signal: options.signal }) }),
        );
      }
      const disks: PointDisk[] = [];
      for (const [i, disk] of input.disks.entries()) {
        const client = clients[i];
        if (client === undefined) continue;
        disks.push(await takeDisk(repository, point, disk, client, { ...options, input, before }));
      }
      const manifest: Manifest = {
        version: MANIFEST_VERSION,
        id: point.pointId,
        vm: input.vm,
        createdAt: input.createdAt.toISOString(),
        consistency: input.consistency,
        madeBy: input.madeBy,
        keptUntil: input.keptUntil?.toISOString() ?? null,
        disks,
      };
      await repository.putManifest(manifest);
      return manifest;
    } catch (error) {
      await removeQuietly(repository, point);
      throw error;
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });
}

/** True where it was made from the same snapshots. */
function isOf(manifest: Manifest, { disks }: PointToTake): boolean {
  if (manifest.disks.length !== disks.length) return false;
  return disks.every(({ diskId, snapshotId }) => {
    const same = manifest.disks.find((disk) => disk.diskId === diskId);
    return snapshotId !== null && same?.snapshotId === snapshotId;
  });
}

interface Taking extends OperationOptions {
  readonly input: PointToTake;
  readonly before: Manifest | undefined;
}

async function takeDisk(
  repository: Repository,
  point: PointRef,
  disk: DiskToTake,
  client: NbdClient,
  { input, before, ...options }: Taking,
): Promise<PointDisk> {
  const earlier = diskBefore(before, disk);
  const reason = input.isFull === true ? 'all of it was asked for' : await whyFull(repository, before, earlier, client);
  const isIncrement = reason === undefined && earlier !== undefined && before !== undefined;
  const identity = randomUUID();
  const written = await writeDisk(
    repository,
    isIncrement ? changesOf(client, earlier.snapshotId ?? '') : wholeOf(client),
    {
      ...options,
      point,
      name: objectName(disk),
      identity,
      now: input.createdAt,
      ...(isIncrement ? { parent: await linkTo(repository, point.vmId, before, earlier) } : {}),
      ...(input.keptUntil === null ? {} : { keptUntil: input.keptUntil }),
    },
  );
  const { uri: _uri, ...told } = disk;
  return {
    ...told,
    sizeBytes: client.sizeBytes,
    identity,
    kind: isIncrement ? 'increment' : 'full',
    reason: reason ?? null,
    parent: isIncrement ? { pointId: before.id, identity: earlier.identity } : null,
    pending: null,
    ...written,
  };
}

/** Why all of a disk has to be taken; `undefined` where its changes are enough. */
async function whyFull(
  repository: Repository,
  before: Manifest | undefined,
  earlier: PointDisk | undefined,
  client: NbdClient,
): Promise<string | undefined> {
  if (before === undefined) return 'the first restore point of the VM';
  if (earlier === undefined) return `the last restore point (${before.id}) has no such disk`;
  if (earlier.sizeBytes !== client.sizeBytes)
    return `its size has changed from ${earlier.sizeBytes} to ${client.sizeBytes} bytes`;
  if (earlier.snapshotId === null || !tellsChanges(client, earlier.snapshotId))
    return `the snapshot of the last restore point (${before.id}) is not in its chain any more`;
  const links = await chainLength(repository, before, earlier);
  if (links === undefined) return `a restore point that the last one (${before.id}) stands on is gone`;
  return links < MAX_POINT_LINKS ? undefined : `the last restore point stands on ${links} others`;
}

/** Restore points that a disk of one stands on, itself counted; `undefined` where one is gone or another. */
async function chainLength(repository: Repository, manifest: Manifest, disk: PointDisk): Promise<number | undefined> {
  let at = disk;
  for (let links = 1; ; links++) {
    const { parent } = at;
    if (parent === null) return links;
    try {
      const below = await repository.manifest({ vmId: manifest.vm.id, pointId: parent.pointId });
      const found = below.disks.find((one) => one.diskId === disk.diskId && one.identity === parent.identity);
      if (found === undefined) return undefined;
      at = found;
    } catch (error) {
      if (isVhdError(error, 'NOT_FOUND', 'DAMAGED')) return undefined;
      throw error;
    }
  }
}

const diskBefore = (before: Manifest | undefined, { diskId }: DiskToTake): PointDisk | undefined =>
  before?.disks.find((disk) => disk.diskId === diskId);

/** The newest restore point of a VM whose manifest can be read. */
async function lastPoint(repository: Repository, vmId: string): Promise<Manifest | undefined> {
  const points: PointRef[] = [];
  for await (const point of repository.points(vmId)) points.push(point);
  for (const point of points.reverse()) {
    try {
      return await repository.manifest(point);
    } catch (error) {
      if (!isVhdError(error, 'DAMAGED', 'NOT_FOUND', 'UNSUPPORTED')) throw error;
    }
  }
  return undefined;
}

/** How the VHD of an increment names its parent: beside it, as `export` lays them out. */
export async function linkTo(
  repository: Repository,
  vmId: string,
  { id, createdAt }: Manifest,
  disk: PointDisk,
): Promise<ParentLink> {
  const { store } = repository;
  const name = disk.file.replace(/\.box$/, '.vhd');
  const stored =
    disk.form === 'vhd' ? await store.stat(await keyOfDisk(repository, { vmId, pointId: id }, disk)) : undefined;
  return {
    identity: disk.identity,
    name,
    relativePath: `../${id}/${name}`,
    absolutePath: `${store.folder ?? ''}/points/${vmId}/${id}/${name}`,
    modified: stored?.modifiedAt ?? new Date(createdAt),
  };
}

/** What a failed run leaves is rubbish anyhow; less of it is better. */
async function removeQuietly(repository: Repository, point: PointRef): Promise<void> {
  await repository.removePoint(point).catch(() => undefined);
}
