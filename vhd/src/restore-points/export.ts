/** Restore points as a folder of plain VHDs, which other programs open without Oriel. */

import { utimesSync } from 'node:fs';
import path from 'node:path';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';
import { FolderStore } from '../objects/folder-store.ts';
import { whole } from '../objects/object-store.ts';
import { encodeManifest, type Manifest, type PointDisk } from './manifest.ts';
import { inOrder } from './ordered.ts';
import type { PointRef, Repository } from './repository.ts';
import { extentsOf, keyOfDisk, readPiece, sealingOf } from './stored-disk.ts';

const PIECES_AHEAD = 6;

/**
 * Lays out a restore point and all that it stands on under `folder`, one folder a restore point, as the VHDs name their
 * parents. Returns the paths of its own VHDs. Errors: EXISTS, NO_SPACE, DAMAGED, CANCELLED, IO.
 */
export async function exportPoint(
  repository: Repository,
  point: PointRef,
  folder: string,
  options: OperationOptions = {},
): Promise<readonly string[]> {
  const target = new FolderStore(folder);
  const manifest = await repository.manifest(point);
  const total = manifest.disks.reduce((sum, disk) => sum + disk.dataBytes, 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    options.onProgress?.({ doneBytes: done, totalBytes: Math.max(total, done) });
  };
  const laid = new Set<string>();
  const layOut = async (at: Manifest, disk: PointDisk): Promise<string> => {
    const name = disk.file.replace(/\.box$/, '.vhd');
    const key = `${at.id}/${name}`;
    if (laid.has(key)) return key;
    laid.add(key);
    const here = { vmId: at.vm.id, pointId: at.id };
    await target.put(key, vhdOf(repository, here, disk, options, onBytes), {
      isNew: true,
      lengthBytes: disk.lengthBytes,
    });
    const modified =
      disk.form === 'vhd'
        ? (await repository.store.stat(await keyOfDisk(repository, here, disk)))?.modifiedAt
        : undefined;
    // Its children say when it was changed last, and some programs look.
    const time = modified ?? new Date(at.createdAt);
    utimesSync(path.join(folder, at.id, name), time, time);
    if (disk.parent !== null) {
      const below = await repository.manifest({ vmId: at.vm.id, pointId: disk.parent.pointId });
      const base = below.disks.find((one) => one.diskId === disk.diskId && one.identity === disk.parent?.identity);
      if (base === undefined) throw new VhdError('DAMAGED', `${below.id} is not what ${at.id} stands on`);
      await layOut(below, base);
    }
    return key;
  };
  const paths: string[] = [];
  for (const disk of manifest.disks) paths.push(path.join(folder, await layOut(manifest, disk)));
  await target.put(`${manifest.id}/manifest.json`, whole(encodeManifest(manifest)), { isNew: true });
  return paths;
}

/** The parts of the VHD that a stored disk is. */
export async function* vhdOf(
  repository: Repository,
  point: PointRef,
  disk: PointDisk,
  options: OperationOptions,
  onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<Part> {
  const key = await keyOfDisk(repository, point, disk);
  const sealing = sealingOf(repository, disk, 'data');
  const pieces = inOrder(extentsOf(repository, point, disk), PIECES_AHEAD, async (extent) => ({
    extent,
    bytes: extent.storedBytes === 0 ? undefined : await readPiece(repository, key, disk, sealing, extent),
  }));
  for await (const { extent, bytes } of pieces) {
    throwIfCancelled(options.signal);
    if (bytes === undefined) continue;
    yield { offset: extent.position, bytes };
    onBytes(bytes.byteLength);
  }
}
