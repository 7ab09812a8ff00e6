/** The API of storages. */
import {
  createStorage,
  deleteStorage,
  editStorage,
  getStorage,
  listOrphans,
  listStorages,
  sweepStorage,
} from '../../../api/storage.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { pageByName } from '../../platform/store/page.ts';
import type { Storages } from './storages.ts';
import type { Sweeper } from './sweeper.ts';

export function storageRoutes(storages: Storages, sweeper: Sweeper): BoundRoute[] {
  return [
    bind(listStorages, async ({ query }) => pageByName(storages.list(), query)),
    bind(getStorage, async ({ params, etag }) => {
      const storage = storages.get(params.storageId);
      etag(storage.revision);
      return storage;
    }),
    bind(createStorage, async ({ body, note, header }) => {
      note({ storage: body.id, name: body.name });
      const storage = await storages.create(body);
      header('Location', `/api/v1/storages/${storage.id}`);
      return storage;
    }),
    bind(editStorage, async ({ params, body, ifMatch, etag }) => {
      ifMatch(storages.get(params.storageId).revision);
      const storage = await storages.edit(params.storageId, body);
      etag(storage.revision);
      return storage;
    }),
    bind(deleteStorage, async ({ params, note }) => {
      note({ name: storages.get(params.storageId).name });
      await storages.remove(params.storageId);
      return undefined;
    }),
    bind(listOrphans, async ({ params }) => ({ items: await sweeper.look(params.storageId) })),
    bind(sweepStorage, async ({ params, body, note }) => {
      const done = await sweeper.sweep(params.storageId, body.orphans);
      note({ swept: done.swept.map(({ diskId }) => diskId), kept: done.kept.length });
      return done;
    }),
  ];
}
