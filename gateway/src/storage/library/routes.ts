/** The API of the library. */
import {
  createDisk,
  createSnapshot,
  deleteDisk,
  deleteSnapshot,
  getDisk,
  growDisk,
  importImage,
  listDisks,
  listSnapshots,
  revertDisk,
  sealDisk,
} from '../../../api/disk.ts';
import {
  checkDisk,
  compactDisk,
  copyDisk,
  deleteDisc,
  deleteExport,
  describeDisk,
  diskFamily,
  downloadExport,
  exportDisk,
  listDiscs,
  listExports,
  listImportFiles,
  mergeSnapshot,
  rebaseDisk,
  repairDisk,
  resizeImage,
} from '../../../api/image.ts';
import { type BoundRoute, bind, bindRaw } from '../../platform/api/bind.ts';
import { pageByName } from '../../platform/store/page.ts';
import { type Discs, plainFiles } from './discs.ts';
import type { Exports } from './exports.ts';
import type { ImageWork } from './image-work.ts';
import type { Library } from './library.ts';
import type { DiskWork } from './work.ts';

export function diskRoutes(library: Library, work: DiskWork): BoundRoute[] {
  return [
    bind(listDisks, async ({ query }) => {
      const { items, unreachable } = await library.list(query.kind, query.storage);
      const wanted = query.vm === undefined ? items : items.filter((disk) => disk.vm?.id === query.vm);
      return { ...pageByName(wanted, query), unreachable };
    }),
    bind(getDisk, async ({ params }) => await library.get(params.diskId)),
    bind(createDisk, async ({ body, note, header }) => {
      const disk = await library.make(body.name, body.source, body.storageId);
      note({ disk: disk.id, name: disk.name });
      header('Location', `/api/v1/disks/${disk.id}`);
      return disk;
    }),
    bind(deleteDisk, async ({ params }) => {
      await library.delete(params.diskId);
      return undefined;
    }),
    bind(importImage, async ({ body, principal, note }) => {
      note({ file: body.file, name: body.name });
      return await work.importImage(body, principal.userId);
    }),
    bind(sealDisk, async ({ params }) => await library.seal(params.diskId)),
    bind(growDisk, async ({ params, body, principal, note }) => {
      note({ sizeBytes: body.sizeBytes });
      return await work.grow(params.diskId, body.sizeBytes, principal.userId);
    }),
    bind(revertDisk, async ({ params, principal }) => await work.revert(params.diskId, principal.userId)),
    bind(listSnapshots, async ({ params }) => ({ items: await library.snapshots(params.diskId) })),
    bind(createSnapshot, async ({ params, body, note }) => {
      const snapshot = await library.snapshot(params.diskId, body.name);
      note({ snapshot: snapshot.id, name: snapshot.name });
      return snapshot;
    }),
    bind(deleteSnapshot, async ({ params, principal, note }) => {
      note({ snapshot: params.snapshotId });
      return await work.deleteSnapshot(params.diskId, params.snapshotId, principal.userId);
    }),
  ];
}

/** What is done with the content of the library. */
export function imageRoutes(library: Library, work: ImageWork, exports: Exports): BoundRoute[] {
  return [
    bind(describeDisk, async ({ params, body, note }) => {
      note(body);
      return await library.describe(params.diskId, body);
    }),
    bind(diskFamily, async ({ params }) => await library.family(params.diskId)),
    bind(
      checkDisk,
      async ({ params, body, principal }) => await work.check(params.diskId, body.deep, principal.userId),
    ),
    bind(repairDisk, async ({ params, principal }) => await work.repair(params.diskId, principal.userId)),
    bind(compactDisk, async ({ params, principal }) => await work.compact(params.diskId, principal.userId)),
    bind(resizeImage, async ({ params, body, principal, note }) => {
      note({ sizeBytes: body.sizeBytes });
      return await work.resize(params.diskId, body.sizeBytes, body.shrink, principal.userId);
    }),
    bind(copyDisk, async ({ params, body, principal, note }) => {
      note({ name: body.name });
      return await work.copy(params.diskId, body.name, body.kind, principal.userId);
    }),
    bind(exportDisk, async ({ params, body, principal, note }) => {
      note({ format: body.format });
      return await work.exportAs(params.diskId, body.format, principal.userId);
    }),
    bind(rebaseDisk, async ({ params, body, principal, note }) => {
      note({ image: body.imageId });
      return await work.rebase(params.diskId, body.imageId, principal.userId);
    }),
    bind(mergeSnapshot, async ({ params, principal }) => {
      return await work.mergeDown(params.diskId, params.snapshotId, principal.userId);
    }),
    bind(listExports, async () => ({ items: await exports.list() })),
    bindRaw(downloadExport, async ({ params, incoming, note }, response) => {
      const { fileName, sizeBytes } = await exports.download(params.exportId, incoming, response);
      note({ fileName, sizeBytes });
    }),
    bind(deleteExport, async ({ params }) => await exports.remove(params.exportId)),
  ];
}

/** The folders of the gateway's machine that admins lay files in. */
export function folderRoutes(importFolder: string, discs: Discs): BoundRoute[] {
  return [
    bind(listImportFiles, async () => ({ folder: importFolder, files: plainFiles(importFolder) })),
    bind(listDiscs, async () => ({ folder: discs.folder, items: discs.list() })),
    bind(deleteDisc, async ({ params }) => await discs.remove(params.discName)),
  ];
}
