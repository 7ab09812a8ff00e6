/** Proving that a restore point can still be read: every byte that was stored is read again and compared by its SHA-256. */
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { isVhdError, VhdError } from '../errors.ts';
import { EXTENT } from './extent-index.ts';
import type { Manifest, PointDisk } from './manifest.ts';
import { inOrder } from './ordered.ts';
import type { PointRef, Repository } from './repository.ts';
import { extentsOf, keyOfDisk, readPiece, sealingOf } from './stored-disk.ts';

const PIECES_AHEAD = 6;
/** BOUNDED: damage that is told of one disk; more of it says nothing more. */
const MAX_DAMAGES = 20;

/** What of a disk is not what was stored. */
export interface Damage {
  readonly pointId: string;
  readonly diskId: string;
  /** Where in the disk, in bytes; `undefined` for what lies around its content. */
  readonly range: { readonly offset: number; readonly length: number } | undefined;
  readonly message: string;
}

export interface VerifyOptions extends OperationOptions {
  /** The part of the pieces that is read, from 0 to 1; all when left out. Which ones is decided by chance. */
  readonly sample?: number;
}

/** Verifies the own objects of a restore point; those below are verified as their own. Errors: CANCELLED; IO where the store cannot be reached. */
export async function verifyPoint(
  repository: Repository,
  point: PointRef,
  options: VerifyOptions = {},
): Promise<readonly Damage[]> {
  const manifest = await repository.manifest(point);
  const damages: Damage[] = [];
  const total = manifest.disks.reduce((sum, disk) => sum + disk.storedBytes, 0);
  let done = 0;
  for (const disk of manifest.disks) {
    const found = await verifyDisk(repository, point, disk, options, (bytes) => {
      done += bytes;
      options.onProgress?.({ doneBytes: Math.min(done, total), totalBytes: total });
    });
    damages.push(...found);
    const below = await baseProblem(repository, manifest, disk);
    if (below !== undefined) damages.push(below);
  }
  return damages;
}

async function verifyDisk(
  repository: Repository,
  point: PointRef,
  disk: PointDisk,
  { sample = 1, signal }: VerifyOptions,
  onBytes: (bytes: number) => void,
): Promise<readonly Damage[]> {
  const key = await keyOfDisk(repository, point, disk);
  const sealing = sealingOf(repository, disk, 'data');
  const damages: Damage[] = [];
  const tell = (error: unknown, range: Damage['range']): void => {
    if (!isVhdError(error, 'DAMAGED', 'NOT_FOUND', 'IO')) throw error;
    damages.push({ pointId: point.pointId, diskId: disk.diskId, range, message: error.message });
  };
  const work = async (
    extent: Parameters<typeof readPiece>[4] & { readonly kind: number; readonly offset: number },
  ): Promise<void> => {
    if (extent.storedBytes === 0 || (sample < 1 && sample < Math.random())) return;
    const { kind, offset, length } = extent;
    try {
      await readPiece(repository, key, disk, sealing, extent);
    } catch (error) {
      tell(error, kind === EXTENT.structure ? undefined : { offset, length });
    }
    onBytes(extent.storedBytes);
  };
  try {
    for await (const _one of inOrder(extentsOf(repository, point, disk), PIECES_AHEAD, work)) {
      throwIfCancelled(signal);
      if (MAX_DAMAGES <= damages.length) break;
    }
  } catch (error) {
    tell(error, undefined);
  }
  return damages;
}

/** What the disk stands on has to be there, and be the one. */
async function baseProblem(repository: Repository, manifest: Manifest, disk: PointDisk): Promise<Damage | undefined> {
  if (disk.parent === null) return undefined;
  const { pointId, identity } = disk.parent;
  try {
    const below = await repository.manifest({ vmId: manifest.vm.id, pointId });
    const isThere = below.disks.some((one) => one.diskId === disk.diskId && one.identity === identity);
    if (isThere) return undefined;
    throw new VhdError('DAMAGED', `restore point ${pointId}, which it stands on, has another disk ${disk.diskId}`);
  } catch (error) {
    if (!isVhdError(error)) throw error;
    return { pointId: manifest.id, diskId: disk.diskId, range: undefined, message: error.message };
  }
}
