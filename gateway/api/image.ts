/** What is done with the content of the library: looked at, made smaller, copied, written as other formats, taken away. */
import { z } from 'zod';
import { DISK_LIMITS, Disk, DiskName, DiskParams, DiskSize } from './disk.ts';
import { route } from './route.ts';
import { Task } from './task.ts';

/** The library is the gateway's own: who keeps it holds `settings`. */
const access = { right: 'settings' } as const;

const DiskDescription = z
  .string()
  .max(DISK_LIMITS.descriptionChars)
  .regex(/^(\P{Cc}|[\t\n\r])*$/u, 'must not hold control characters');

/** What is left out stays. */
export const DiskDescribe = z.object({ name: DiskName.optional(), description: DiskDescription.optional() });
export type DiskDescribe = z.infer<typeof DiskDescribe>;

/**
 * What a check found, in words. `error`: content is lost or wrong, or nothing opens it. `warning`: the content is right, but
 * another program, or the next power cut, may see it otherwise. `note`: worth knowing.
 */
export const Finding = z.object({
  code: z.string(),
  severity: z.enum(['error', 'warning', 'note']),
  /** The link of a chain that it is about; a file name without its folder. */
  file: z.string(),
  /** The check's own words, about this very place. */
  message: z.string(),
  meaning: z.string(),
  whatToDo: z.string(),
  isRepairable: z.boolean(),
});
export type Finding = z.infer<typeof Finding>;

/** The `result` of a task `disk.check`; of `disk.repair`, what is left after it. */
export const CheckResult = z.object({
  findings: z.array(Finding),
  /** Beyond those listed. */
  moreCount: z.number().int(),
  /** False where the disk was open: its newest link is in change and was left out. */
  isWhole: z.boolean(),
});
export type CheckResult = z.infer<typeof CheckResult>;

/** The `result` of a task `disk.compact`. */
export const CompactResult = z.object({
  storedBytesBefore: z.number().int(),
  storedBytesAfter: z.number().int(),
});

/** A VHD that holds what is not zero; one of full size; one of the sizes that Azure takes; and what other hypervisors read. */
export const ExportFormat = z.enum(['vhd', 'vhd-fixed', 'vhd-azure', 'raw', 'qcow2', 'vmdk', 'vhdx', 'vdi']);
export type ExportFormat = z.infer<typeof ExportFormat>;

/** A file that waits to be downloaded, and goes by itself. The `result` of a task `disk.export` is one. */
export const ExportedFile = z.object({
  id: z.string(),
  storageId: z.string(),
  fileName: z.string(),
  format: ExportFormat,
  sizeBytes: z.number().int(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type ExportedFile = z.infer<typeof ExportedFile>;

/** A disc image for CD drives: a plain file in the folder of discs, by its name. */
export const Disc = z.object({ name: z.string(), sizeBytes: z.number().int(), modifiedAt: z.iso.datetime() });
export type Disc = z.infer<typeof Disc>;

/** A folder of the gateway's machine, and what lies in it. */
export const ImportFolder = z.object({
  folder: z.string(),
  files: z.array(z.object({ name: z.string(), sizeBytes: z.number().int(), modifiedAt: z.iso.datetime() })),
});

const ExportParams = z.object({ exportId: z.string().max(128) });
const DiscParams = z.object({ discName: z.string().max(255) });

/** A task on one image, disk or snapshot. */
function work<Id extends string, B extends z.ZodType>(id: Id, summary: string, body: B) {
  return route({
    id: `disk.${id}`,
    method: 'post',
    path: `/disks/{diskId}/${id}`,
    summary,
    access,
    params: DiskParams,
    body,
    reply: Task,
    status: 202,
    errors: ['CONFLICT', 'BUSY', 'UNPROCESSABLE', 'NO_SPACE'],
  });
}

export const describeDisk = route({
  id: 'disk.describe',
  method: 'patch',
  path: '/disks/{diskId}',
  summary: 'Renames an image, template, disk or snapshot, or says what it is',
  access,
  params: DiskParams,
  body: DiskDescribe,
  reply: Disk,
});
export const diskFamily = route({
  id: 'disk.family',
  method: 'get',
  path: '/disks/{diskId}/family',
  summary: 'Lists all that hangs together with an image, disk or snapshot: what it stands on, and who stands on that',
  access,
  params: DiskParams,
  /** Parents before their children. */
  reply: z.object({ items: z.array(Disk), isCut: z.boolean() }),
});
export const checkDisk = work(
  'check',
  'Looks for damage; the result of the task says what was found, what it means and what to do',
  z.object({
    /** Reads the data too. */
    deep: z.boolean().default(false),
  }),
);
export const repairDisk = work('repair', 'Mends in an image what can be mended without guessing', z.object({}));
export const compactDisk = work(
  'compact',
  'Gives back the space of zeros: of an image that nothing stands on, or of the newest link of a disk whose VM is off',
  z.object({}),
);
export const resizeImage = work(
  'resize',
  'Gives an image another size; smaller only where nothing but zeros is cut off',
  z.object({
    sizeBytes: DiskSize,
    /** Must be said to make it smaller. */
    shrink: z.boolean().default(false),
  }),
);
export const copyDisk = work(
  'copy',
  'Makes an image of its own of what an image, a snapshot, or a disk whose VM is off holds',
  z.object({ name: DiskName, kind: z.enum(['image', 'template']).default('image') }),
);
export const exportDisk = work(
  'export',
  'Writes an image, a snapshot, or a disk whose VM is off as a file to download',
  z.object({ format: ExportFormat.default('vhd') }),
);
export const rebaseDisk = work(
  'rebase',
  'Puts a disk on another image that holds the same; the contents are compared first',
  z.object({ imageId: z.string().max(128) }),
);
export const mergeSnapshot = route({
  id: 'snapshot.merge',
  method: 'post',
  path: '/disks/{diskId}/snapshots/{snapshotId}/merge',
  summary: 'Folds a snapshot down into the one before it, which it replaces',
  access,
  params: DiskParams.extend({ snapshotId: z.string().max(128) }),
  reply: Task,
  status: 202,
  errors: ['CONFLICT', 'BUSY'],
});
export const listExports = route({
  id: 'export.list',
  method: 'get',
  path: '/exports',
  summary: 'Lists the files that wait to be downloaded, newest first',
  access,
  reply: z.object({ items: z.array(ExportedFile) }),
});
export const downloadExport = route({
  id: 'export.download',
  method: 'get',
  path: '/exports/{exportId}',
  summary: 'Downloads an exported file; a part of it with Range',
  access,
  params: ExportParams,
  produces: 'application/octet-stream',
  audited: true,
});
export const deleteExport = route({
  id: 'export.delete',
  method: 'delete',
  path: '/exports/{exportId}',
  summary: 'Deletes an exported file before its time',
  access,
  params: ExportParams,
  status: 204,
});
export const listImportFiles = route({
  id: 'disk.import-files',
  method: 'get',
  path: '/import-files',
  summary: 'Lists the files that can be imported, and says which folder of the gateway they lie in',
  access,
  reply: ImportFolder,
});
/** Who may put a disc into a drive has to see which there are. */
export const listDiscs = route({
  id: 'disc.list',
  method: 'get',
  path: '/discs',
  summary: 'Lists the disc images for CD drives, and says which folder of the gateway they lie in',
  access: { right: 'attach' },
  reply: z.object({ folder: z.string(), items: z.array(Disc) }),
});
export const deleteDisc = route({
  id: 'disc.delete',
  method: 'delete',
  path: '/discs/{discName}',
  summary: 'Deletes a disc image that is in no drive',
  access,
  params: DiscParams,
  status: 204,
  errors: ['CONFLICT'],
});
