/** Storages: each a folder of disks that one disk service owns. The first is the data folder's. */
import { z } from 'zod';
import { namedPageQuery, pageOf } from './page.ts';
import { plainText } from './plain-text.ts';
import { route } from './route.ts';

export const STORAGE_LIMITS = { storages: 32, sweptAtOnce: 1000 } as const;

export const StorageState = z.enum(['connecting', 'connected', 'unreachable']);
export type StorageState = z.infer<typeof StorageState>;

const StorageName = plainText(64);

export const Storage = z.object({
  id: z.string(),
  name: z.string(),
  state: StorageState,
  reason: z.string().nullable(),
  /** What its disk service said of it lately; null while it does not answer. */
  info: z.object({ version: z.string(), freeBytes: z.number().int(), openDisks: z.number().int() }).nullable(),
  diskCount: z.number().int(),
  /** What the disks occupy, images aside. */
  storedBytes: z.number().int(),
  /** Open disks whose storage fails now: their VMs wait. */
  faultedCount: z.number().int(),
  /** Disks that cannot be opened. */
  brokenCount: z.number().int(),
  /** Disks and snapshots that belong to nobody who is there, as last looked for. */
  orphanCount: z.number().int(),
  createdAt: z.iso.datetime(),
  revision: z.number().int(),
});
export type Storage = z.infer<typeof Storage>;

export const StorageCreate = z.object({
  /** Part of the ids of its disks, so it never changes. */
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be a-z, 0-9 and dashes, at most 32'),
  name: StorageName,
  /** The control socket of its disk service, on the gateway's machine. */
  socketPath: z
    .string()
    .max(107)
    .regex(/^\/[^\p{Cc}]+$/u, 'must be an absolute path'),
});
export type StorageCreate = z.infer<typeof StorageCreate>;

export const StorageEdit = z.object({ name: StorageName.optional() });
export type StorageEdit = z.infer<typeof StorageEdit>;

export const StorageOrphan = z.object({
  diskId: z.string(),
  /** Null: the whole disk. */
  snapshotId: z.string().nullable(),
  name: z.string(),
  /** `vm:…`, `job:…`, `pool:…`: whose it was. */
  owner: z.string(),
  storedBytes: z.number().int(),
  createdAt: z.iso.datetime(),
  why: z.string(),
  /** remove: it goes. release: it becomes nobody's, and what it holds is kept. */
  remedy: z.enum(['remove', 'release']),
});
export type StorageOrphan = z.infer<typeof StorageOrphan>;

export const StorageParams = z.object({ storageId: z.string().max(64) });
const access = { right: 'settings' } as const;

export const listStorages = route({
  id: 'storage.list',
  method: 'get',
  path: '/storages',
  summary: 'Lists storages, how full they are and what fails there',
  access,
  query: namedPageQuery,
  reply: pageOf(Storage),
});
export const getStorage = route({
  id: 'storage.get',
  method: 'get',
  path: '/storages/{storageId}',
  summary: 'Shows one storage',
  access,
  params: StorageParams,
  reply: Storage,
});
export const createStorage = route({
  id: 'storage.create',
  method: 'post',
  path: '/storages',
  summary: 'Adds a storage, the folder of a disk service that runs already, and connects to it',
  access,
  body: StorageCreate,
  reply: Storage,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS'],
});
export const editStorage = route({
  id: 'storage.edit',
  method: 'patch',
  path: '/storages/{storageId}',
  summary: 'Renames a storage',
  access,
  params: StorageParams,
  body: StorageEdit,
  reply: Storage,
  errors: ['ALREADY_EXISTS', 'CHANGED_MEANWHILE'],
});
export const deleteStorage = route({
  id: 'storage.delete',
  method: 'delete',
  path: '/storages/{storageId}',
  summary: 'Forgets a storage that no VM has a disk in; what lies there stays',
  access,
  params: StorageParams,
  status: 204,
  errors: ['CONFLICT'],
});
export const listOrphans = route({
  id: 'storage.orphans',
  method: 'get',
  path: '/storages/{storageId}/orphans',
  summary: 'Looks for disks and snapshots that belong to nobody who is there; changes nothing',
  access,
  params: StorageParams,
  reply: z.object({ items: z.array(StorageOrphan) }),
  errors: ['UNAVAILABLE'],
});
/** Each is looked at once more before it goes: what has got an owner meanwhile stays, and is left out of the reply. */
export const sweepStorage = route({
  id: 'storage.sweep',
  method: 'post',
  path: '/storages/{storageId}/sweep',
  summary: 'Removes or releases the orphans that are named, as the list of them said',
  access,
  params: StorageParams,
  body: z.object({
    orphans: z
      .array(z.object({ diskId: z.string().max(128), snapshotId: z.string().max(64).nullable().default(null) }))
      .min(1)
      .max(STORAGE_LIMITS.sweptAtOnce),
  }),
  reply: z.object({
    swept: z.array(StorageOrphan),
    kept: z.array(StorageOrphan.pick({ diskId: true, snapshotId: true, why: true })),
  }),
  errors: ['UNAVAILABLE'],
});

/** Live events (events.ts): kind `changed`, data the whole new Storage; `removed`, without data. */
export const STORAGE_TOPIC = 'storage';
