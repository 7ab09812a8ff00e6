/** The library: images and templates, and the disks and snapshots of VMs. The files themselves are the disk service's. */
import { z } from 'zod';
import { namedPageQuery, pageOf } from './page.ts';
import { plainText } from './plain-text.ts';
import { route } from './route.ts';
import { Task } from './task.ts';

export const DISK_LIMITS = {
  nameChars: 64,
  descriptionChars: 2000,
  minBytes: 1 << 20,
  maxBytes: 2040 * 2 ** 30,
} as const;

/**
 * image: a VHD in the library. template: an image that clones are made from; sealed. disk: a chain whose leaf a VM
 * writes to. snapshot: a sealed link of a disk's chain.
 */
export const DiskKind = z.enum(['image', 'template', 'disk', 'snapshot']);
export type DiskKind = z.infer<typeof DiskKind>;

export const DiskName = plainText(DISK_LIMITS.nameChars).regex(/^[^/\\]+$/, 'must not hold slashes');

export const Disk = z.object({
  /** Of the first storage its own id there, of another `<storage>:<id>`. */
  id: z.string(),
  storageId: z.string(),
  name: z.string(),
  /** What somebody wrote about it. */
  description: z.string(),
  kind: DiskKind,
  /** What a guest sees. */
  sizeBytes: z.number().int(),
  /** What this link occupies on storage, without its parents. */
  storedBytes: z.number().int(),
  parentId: z.string().nullable(),
  /** Of a snapshot: the disk that it is of. */
  ofDiskId: z.string().nullable(),
  /** Links from this one to the root, itself included. */
  chainLength: z.number().int(),
  childCount: z.number().int(),
  /** SEALED-STAYS: a sealed link never changes. */
  isSealed: z.boolean(),
  /** The VM that has the disk. One disk is never two VMs'. */
  vm: z.object({ id: z.string(), name: z.string() }).nullable(),
  /** `vm:…`, `job:…`, `pool:…`: whose it is; null: nobody's. */
  owner: z.string().nullable(),
  /**
   * broken: a corrupt file, listed with what is wrong and never opened for writing. faulted: it is open, and its storage
   * fails, since when is said; its VM waits.
   */
  health: z.discriminatedUnion('state', [
    z.object({ state: z.literal('ok') }),
    z.object({ state: z.literal('broken'), code: z.string(), message: z.string() }),
    z.object({ state: z.literal('faulted'), code: z.string(), message: z.string(), since: z.iso.datetime() }),
  ]),
  createdAt: z.iso.datetime(),
});
export type Disk = z.infer<typeof Disk>;

/** Where the content of a new disk comes from. */
export const DiskSource = z.discriminatedUnion('from', [
  z.object({ from: z.literal('template'), templateId: z.string().max(128) }),
  z.object({ from: z.literal('image'), imageId: z.string().max(128) }),
  z.object({
    from: z.literal('blank'),
    sizeBytes: z.number().int().min(DISK_LIMITS.minBytes).max(DISK_LIMITS.maxBytes),
  }),
]);
export type DiskSource = z.infer<typeof DiskSource>;

export const DiskCreate = z.object({
  name: DiskName,
  source: DiskSource,
  /** For a blank one; a clone lies where its template does. The first storage where not given. */
  storageId: z.string().max(64).optional(),
});
export type DiskCreate = z.infer<typeof DiskCreate>;

export const DiskSize = z.number().int().min(DISK_LIMITS.minBytes).max(DISK_LIMITS.maxBytes);

/** `file` is a name in the data folder's `import` folder: no other path of the machine can be read. */
export const ImageImport = z.object({
  name: DiskName,
  file: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\p{Cc}/\\]+$/u, 'must be a file name without a path'),
  kind: z.enum(['image', 'template']).default('image'),
  /** Found out where not given. `raw` takes a file that does not begin as a disk does. */
  format: z.enum(['vhd', 'vhdx', 'vmdk', 'qcow2', 'vdi', 'raw']).optional(),
  /** The storage that takes it; the first where not given. */
  storageId: z.string().max(64).optional(),
});
export type ImageImport = z.infer<typeof ImageImport>;

export const SnapshotCreate = z.object({ name: DiskName });

export const DiskParams = z.object({ diskId: z.string().max(128) });
const SnapshotParams = DiskParams.extend({ snapshotId: z.string().max(128) });
/** The library is the gateway's own: who keeps it holds `settings`. */
const access = { right: 'settings' } as const;

export const listDisks = route({
  id: 'disk.list',
  method: 'get',
  path: '/disks',
  summary: 'Lists images, templates, disks and snapshots',
  access,
  query: namedPageQuery.extend({
    kind: DiskKind.optional(),
    vm: z.string().max(64).optional(),
    storage: z.string().max(64).optional(),
  }),
  /** `unreachable`: names of storages that do not answer, so that what lies there is left out. */
  reply: pageOf(Disk).extend({ unreachable: z.array(z.string()) }),
});
export const getDisk = route({
  id: 'disk.get',
  method: 'get',
  path: '/disks/{diskId}',
  summary: 'Shows one image, template, disk or snapshot',
  access,
  params: DiskParams,
  reply: Disk,
});
export const createDisk = route({
  id: 'disk.create',
  method: 'post',
  path: '/disks',
  summary: 'Makes a disk: blank, or a linked clone of a template or image',
  access,
  body: DiskCreate,
  reply: Disk,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS', 'NO_SPACE'],
});
export const deleteDisk = route({
  id: 'disk.delete',
  method: 'delete',
  path: '/disks/{diskId}',
  summary: 'Deletes a disk, image or template that nothing uses',
  access,
  params: DiskParams,
  status: 204,
  errors: ['CONFLICT'],
});
export const importImage = route({
  id: 'disk.import',
  method: 'post',
  path: '/disks/import',
  summary: 'Imports a VHD, VHDX, VMDK, qcow2 or raw file from the import folder',
  access,
  body: ImageImport,
  reply: Task,
  status: 202,
  creates: true,
  errors: ['ALREADY_EXISTS', 'NO_SPACE'],
});
export const sealDisk = route({
  id: 'disk.seal',
  method: 'post',
  path: '/disks/{diskId}/seal',
  summary: 'Makes a template of an image: it never changes again',
  access,
  params: DiskParams,
  reply: Disk,
  errors: ['CONFLICT'],
});
export const growDisk = route({
  id: 'disk.grow',
  method: 'post',
  path: '/disks/{diskId}/grow',
  summary: 'Makes a disk larger; its VM sees it at its next start',
  access,
  params: DiskParams,
  body: z.object({ sizeBytes: DiskSize }),
  reply: Task,
  status: 202,
  errors: ['UNPROCESSABLE', 'NO_SPACE'],
});
export const revertDisk = route({
  id: 'disk.revert',
  method: 'post',
  path: '/disks/{diskId}/revert',
  summary: 'Throws away what was written since the newest snapshot, or since the disk was cloned; its VM must be off',
  access,
  params: DiskParams,
  reply: Task,
  status: 202,
  errors: ['CONFLICT'],
});
export const listSnapshots = route({
  id: 'snapshot.list',
  method: 'get',
  path: '/disks/{diskId}/snapshots',
  summary: 'Lists the snapshots of a disk, newest first',
  access,
  params: DiskParams,
  reply: z.object({ items: z.array(Disk) }),
});
export const createSnapshot = route({
  id: 'snapshot.create',
  method: 'post',
  path: '/disks/{diskId}/snapshots',
  summary: 'Seals the leaf and puts a new one on it; also while the VM runs',
  access,
  params: DiskParams,
  body: SnapshotCreate,
  reply: Disk,
  status: 201,
  creates: true,
  errors: ['NO_SPACE', 'CONFLICT'],
});
export const deleteSnapshot = route({
  id: 'snapshot.delete',
  method: 'delete',
  path: '/disks/{diskId}/snapshots/{snapshotId}',
  summary: 'Folds a snapshot into its child; what the disk holds stays the same',
  access,
  params: SnapshotParams,
  reply: Task,
  status: 202,
});

/** Live events (events.ts): kind `changed`, data the whole new Disk; `removed`, without data. */
export const DISK_TOPIC = 'disk';
