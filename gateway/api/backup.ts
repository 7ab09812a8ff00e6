/** Backups: repositories, restore points, runs, and jobs that make them. */
import { z } from 'zod';
import { namedPageQuery, pageOf, pageQuery } from './page.ts';
import { plainText } from './plain-text.ts';
import { route } from './route.ts';
import { Task } from './task.ts';
import { VmName, VmParams } from './vm.ts';

export const BACKUP_LIMITS = {
  repositories: 32,
  jobs: 256,
  vmsOfAJob: 1000,
  pathChars: 1024,
  secretChars: 1024,
} as const;

const Name = plainText(64);

const s3Name = (limit: number) =>
  z
    .string()
    .min(1)
    .max(limit)
    .regex(/^[^\p{Cc}\s]+$/u, 'must not hold spaces');

/** Where a repository is: a folder of the gateway's machine, its own or a mounted share; or a bucket of an S3 server. */
export const RepositoryPlace = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('folder'),
    path: z
      .string()
      .max(BACKUP_LIMITS.pathChars)
      .regex(/^\/[^\p{Cc}]*[^\p{Cc}/]$/u, 'must be an absolute path')
      .refine((path) => !path.split('/').includes('..'), 'must not hold ..'),
  }),
  z.object({
    kind: z.literal('s3'),
    bucket: s3Name(63),
    /** What the names of all objects begin with. */
    prefix: s3Name(256).optional(),
    /** `https://s3.example.org:9000`; Amazon's for the region where not given. */
    endpoint: s3Name(256).optional(),
    region: s3Name(64).optional(),
    accessKeyId: s3Name(256).optional(),
  }),
]);
export type RepositoryPlace = z.infer<typeof RepositoryPlace>;

export const Repository = z.object({
  id: z.string(),
  name: z.string(),
  place: RepositoryPlace,
  /** vhd: plain VHDs that any tool opens where they lie. container: their pieces, which can be compressed and encrypted. */
  form: z.enum(['vhd', 'container']),
  compression: z.enum(['none', 'zstd']),
  isEncrypted: z.boolean(),
  /** As it was last looked at. */
  pointCount: z.number().int(),
  storedBytes: z.number().int(),
  createdAt: z.iso.datetime(),
  revision: z.number().int(),
});
export type Repository = z.infer<typeof Repository>;

export const RepositoryCreate = z.object({
  name: Name,
  place: RepositoryPlace,
  /** open: one that is there already, of this or another gateway. create: an empty place becomes one. */
  how: z.enum(['create', 'open']).default('create'),
  /** container where not given and it is compressed or encrypted, else vhd. */
  form: z.enum(['vhd', 'container']).optional(),
  compression: z.enum(['none', 'zstd']).default('none'),
  /** Encrypts it, or opens one that is encrypted. Who loses it has lost the backups. */
  passphrase: z.string().min(8).max(BACKUP_LIMITS.secretChars).optional(),
  /** To the access key of a bucket. It is never shown again. */
  secretAccessKey: z.string().min(1).max(BACKUP_LIMITS.secretChars).optional(),
});
export type RepositoryCreate = z.infer<typeof RepositoryCreate>;

export const RepositoryParams = z.object({ repositoryId: z.string().max(64) });

/** application: applications had finished what they were at. file-system: as after a shutdown. crash: as after a power cut. */
export const PointConsistency = z.enum(['application', 'file-system', 'crash']);

export const RestorePoint = z.object({
  id: z.string(),
  repositoryId: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  /** The instant that it holds. */
  createdAt: z.iso.datetime(),
  consistency: PointConsistency,
  /** Why it is so. */
  reason: z.string(),
  disks: z.array(
    z.object({
      diskId: z.string(),
      name: z.string(),
      sizeBytes: z.number().int(),
      kind: z.enum(['full', 'increment']),
      /** Why all of it was taken. */
      reason: z.string().nullable(),
      /** Content that is in this restore point. */
      dataBytes: z.number().int(),
      /** The restore point that it stands on. */
      parentId: z.string().nullable(),
    }),
  ),
  storedBytes: z.number().int(),
  jobId: z.string().nullable(),
  /** Until then nobody can remove it. */
  keptUntil: z.iso.datetime().nullable(),
  /** Retention does not remove it. */
  isPinned: z.boolean(),
  /** ok: all of it was read and is what was stored. damaged: it is not. unread: its manifest cannot be read. */
  health: z.enum(['unverified', 'ok', 'damaged', 'unread']),
  verifiedAt: z.iso.datetime().nullable(),
  /** What is wrong with it. */
  problems: z.array(z.string()),
});
export type RestorePoint = z.infer<typeof RestorePoint>;

const PointParams = RepositoryParams.extend({
  vmId: z.string().max(128),
  pointId: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
});

/** How many restore points of each kind stay; a period that has none counts none. */
export const Retention = z
  .object({
    last: z.number().int().min(0).max(1000).default(0),
    hourly: z.number().int().min(0).max(1000).default(0),
    daily: z.number().int().min(0).max(1000).default(0),
    weekly: z.number().int().min(0).max(1000).default(0),
    monthly: z.number().int().min(0).max(1000).default(0),
    yearly: z.number().int().min(0).max(100).default(0),
  })
  .refine((kept) => 0 < Object.values(kept).reduce((sum, count) => sum + count, 0), 'must keep something');
export type Retention = z.infer<typeof Retention>;

/** Which VMs: all, or those that are named by id or whose name holds a text. */
export const Selection = z.object({
  all: z.boolean().default(false),
  vmIds: z.array(z.string().max(64)).max(BACKUP_LIMITS.vmsOfAJob).default([]),
  /** A part of the name. */
  nameHolds: z.string().max(64).optional(),
});
export type Selection = z.infer<typeof Selection>;

export const BackupJob = z.object({
  id: z.string(),
  name: z.string(),
  repositoryId: z.string(),
  isEnabled: z.boolean(),
  /** Cron: minute, hour, day of month, month, day of week. Null: only by hand. */
  schedule: z.string().nullable(),
  timeZone: z.string(),
  selection: Selection,
  retention: Retention.nullable(),
  nextRunAt: z.iso.datetime().nullable(),
  /** Of its last run of any VM. */
  lastRun: z.object({ endedAt: z.iso.datetime(), state: z.enum(['done', 'failed']) }).nullable(),
  revision: z.number().int(),
});
export type BackupJob = z.infer<typeof BackupJob>;

export const BackupJobCreate = z.object({
  name: Name,
  repositoryId: z.string().max(64),
  isEnabled: z.boolean().default(true),
  schedule: z.string().max(128).nullable().default(null),
  /** IANA name. */
  timeZone: z.string().max(64).default('UTC'),
  selection: Selection,
  retention: Retention.nullable().default(null),
});
export type BackupJobCreate = z.infer<typeof BackupJobCreate>;

export const BackupJobEdit = BackupJobCreate.omit({ repositoryId: true }).partial();
export type BackupJobEdit = z.infer<typeof BackupJobEdit>;

export const BackupRun = z.object({
  id: z.string(),
  jobId: z.string().nullable(),
  repositoryId: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  pointId: z.string().nullable(),
  kind: z.enum(['full', 'increment']).nullable(),
  /** Content that it took. */
  dataBytes: z.number().int(),
  error: z.string().nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});
export type BackupRun = z.infer<typeof BackupRun>;

const JobParams = z.object({ jobId: z.string().max(64) });
const settings = { right: 'settings' } as const;
const backup = { right: 'backup' } as const;

export const listRepositories = route({
  id: 'repository.list',
  method: 'get',
  path: '/repositories',
  summary: 'Lists repositories of restore points',
  access: backup,
  query: namedPageQuery,
  reply: pageOf(Repository),
});
export const getRepository = route({
  id: 'repository.get',
  method: 'get',
  path: '/repositories/{repositoryId}',
  summary: 'Shows one repository',
  access: backup,
  params: RepositoryParams,
  reply: Repository,
});
export const createRepository = route({
  id: 'repository.create',
  method: 'post',
  path: '/repositories',
  summary: 'Adds a repository: an empty place becomes one, or one that is there is opened',
  access: settings,
  body: RepositoryCreate,
  reply: Repository,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS', 'UNPROCESSABLE', 'TOO_MANY'],
});
export const forgetRepository = route({
  id: 'repository.forget',
  method: 'delete',
  path: '/repositories/{repositoryId}',
  summary: 'Forgets a repository that no job uses; what lies there stays',
  access: settings,
  params: RepositoryParams,
  status: 204,
  errors: ['CONFLICT'],
});
export const refreshRepository = route({
  id: 'repository.refresh',
  method: 'post',
  path: '/repositories/{repositoryId}/refresh',
  summary: 'Looks at what lies in a repository: restore points of other gateways appear, what is gone goes',
  access: backup,
  params: RepositoryParams,
  reply: Repository,
  errors: ['UNAVAILABLE', 'UNPROCESSABLE'],
});
export const sweepRepository = route({
  id: 'repository.sweep',
  method: 'post',
  path: '/repositories/{repositoryId}/sweep',
  summary: 'Removes what killed runs left in a repository; with dryRun it only says what',
  access: settings,
  params: RepositoryParams,
  body: z.object({ dryRun: z.boolean().default(false) }),
  reply: z.object({ objects: z.array(z.string()), bytes: z.number().int() }),
  errors: ['UNAVAILABLE'],
});

export const replicateRepository = route({
  id: 'repository.replicate',
  method: 'post',
  path: '/repositories/{repositoryId}/replicate',
  summary: 'Copies the restore points that another repository lacks into it; each is checked as it is read',
  access: backup,
  params: RepositoryParams,
  body: z.object({ toRepositoryId: z.string().max(64) }),
  reply: Task,
  status: 202,
  creates: true,
  errors: ['CONFLICT'],
});

export const listRestorePoints = route({
  id: 'restore-point.list',
  method: 'get',
  path: '/restore-points',
  summary: 'Lists restore points of VMs that the caller may back up or restore, newest first',
  access: 'signed-in',
  query: pageQuery.extend({ vmId: z.string().max(128).optional(), repositoryId: z.string().max(64).optional() }),
  reply: pageOf(RestorePoint),
});
export const getRestorePoint = route({
  id: 'restore-point.get',
  method: 'get',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}',
  summary: 'Shows one restore point',
  access: backup,
  params: PointParams,
  reply: RestorePoint,
});
export const editRestorePoint = route({
  id: 'restore-point.edit',
  method: 'patch',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}',
  summary: 'Pins a restore point, so that retention keeps it, or lets it go',
  access: backup,
  params: PointParams,
  body: z.object({ isPinned: z.boolean() }),
  reply: RestorePoint,
});
export const deleteRestorePoint = route({
  id: 'restore-point.delete',
  method: 'delete',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}',
  summary: 'Removes a restore point; what others need of it becomes theirs first',
  access: settings,
  params: PointParams,
  reply: Task,
  status: 202,
  errors: ['CONFLICT'],
});
export const verifyRestorePoint = route({
  id: 'restore-point.verify',
  method: 'post',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}/verify',
  summary: 'Reads a restore point and compares it with what was stored; a sample of it, or all',
  access: backup,
  params: PointParams,
  body: z.object({
    /** The part that is read, from 0 to 1. */
    sample: z.number().min(0.001).max(1).default(1),
  }),
  reply: Task,
  status: 202,
});
export const restoreRestorePoint = route({
  id: 'restore-point.restore',
  method: 'post',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}/restore',
  summary: 'Makes a new VM with the disks of a restore point: copied, or at once from where they lie',
  access: { right: 'restore' },
  params: PointParams,
  body: z.object({
    name: VmName,
    /** The host it shall run on; the one of the VM, or the only one, where not given. */
    hostId: z.string().max(64).optional(),
    /**
     * copy: its disks are its own. now: they stand on the restore point where it lies, and it can start at once; only from
     * a folder of plain VHDs.
     */
    how: z.enum(['copy', 'now']).default('copy'),
    isStarted: z.boolean().default(false),
  }),
  reply: Task,
  status: 202,
  creates: true,
  errors: ['ALREADY_EXISTS', 'CONFLICT', 'NOT_SUPPORTED', 'NO_SPACE'],
});
export const exportRestorePoint = route({
  id: 'restore-point.export',
  method: 'post',
  path: '/repositories/{repositoryId}/points/{vmId}/{pointId}/export',
  summary: 'Lays out a restore point, and all that it stands on, as plain VHDs in the folder of exports',
  access: settings,
  params: PointParams,
  reply: Task,
  status: 202,
});

export const backUpVm = route({
  id: 'backup.run',
  method: 'post',
  path: '/vms/{vmId}/backups',
  summary: 'Makes a restore point of a VM now: all its disks at one instant, only what has changed since the last',
  access: { right: 'backup', on: 'desktop', by: 'vmId' },
  params: VmParams,
  body: z.object({
    repositoryId: z.string().max(64),
    /** Take everything, whatever has changed. */
    isFull: z.boolean().default(false),
  }),
  reply: Task,
  status: 202,
  creates: true,
  errors: ['CONFLICT', 'TOO_MANY'],
});
export const listBackupRuns = route({
  id: 'backup.runs',
  method: 'get',
  path: '/backup-runs',
  summary: 'Lists runs, newest first',
  access: backup,
  query: pageQuery.extend({ vmId: z.string().max(128).optional(), jobId: z.string().max(64).optional() }),
  reply: pageOf(BackupRun),
});

export const listBackupJobs = route({
  id: 'backup-job.list',
  method: 'get',
  path: '/backup-jobs',
  summary: 'Lists backup jobs, with their next and last run',
  access: backup,
  query: namedPageQuery,
  reply: pageOf(BackupJob),
});
export const getBackupJob = route({
  id: 'backup-job.get',
  method: 'get',
  path: '/backup-jobs/{jobId}',
  summary: 'Shows one backup job',
  access: backup,
  params: JobParams,
  reply: BackupJob,
});
export const createBackupJob = route({
  id: 'backup-job.create',
  method: 'post',
  path: '/backup-jobs',
  summary: 'Adds a backup job',
  access: settings,
  body: BackupJobCreate,
  reply: BackupJob,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS', 'UNPROCESSABLE', 'TOO_MANY'],
});
export const editBackupJob = route({
  id: 'backup-job.edit',
  method: 'patch',
  path: '/backup-jobs/{jobId}',
  summary: 'Changes a backup job',
  access: settings,
  params: JobParams,
  body: BackupJobEdit,
  reply: BackupJob,
  errors: ['ALREADY_EXISTS', 'UNPROCESSABLE', 'CHANGED_MEANWHILE'],
});
export const deleteBackupJob = route({
  id: 'backup-job.delete',
  method: 'delete',
  path: '/backup-jobs/{jobId}',
  summary: 'Deletes a backup job; its restore points stay',
  access: settings,
  params: JobParams,
  status: 204,
});
export const runBackupJob = route({
  id: 'backup-job.run',
  method: 'post',
  path: '/backup-jobs/{jobId}/run',
  summary: 'Runs a backup job now; a VM whose run of it still goes on is left out',
  access: backup,
  params: JobParams,
  reply: z.object({ tasks: z.array(Task) }),
  status: 202,
  errors: ['TOO_MANY'],
});

/** What retention keeps and what it would remove, with the reason of each. */
export const RetentionVerdict = z.object({
  point: RestorePoint,
  /** Why it stays: "daily 2026-11-27", "pinned"; null: it goes. */
  keptFor: z.string().nullable(),
});
export type RetentionVerdict = z.infer<typeof RetentionVerdict>;

export const pruneBackupJob = route({
  id: 'backup-job.prune',
  method: 'post',
  path: '/backup-jobs/{jobId}/prune',
  summary: 'Applies what a job keeps: says what stays and why, and unless dryRun removes the rest as a task',
  access: settings,
  params: JobParams,
  body: z.object({ dryRun: z.boolean().default(false) }),
  reply: z.object({ verdicts: z.array(RetentionVerdict), task: Task.nullable() }),
  status: 202,
  errors: ['CONFLICT'],
});
