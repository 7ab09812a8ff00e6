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
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { pageByName } from '../../platform/store/page.ts';
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
