/** The API of backups. */
import * as api from '../../api/backup.ts';
import { GatewayError } from '../errors.ts';
import { type BoundRoute, bind } from '../platform/api/bind.ts';
import { can, type Principal } from '../platform/rights/rights.ts';
import { pageByName } from '../platform/store/page.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Catalog } from './points/catalog.ts';
import type { Points } from './points/points.ts';
import type { Repositories } from './repositories/repositories.ts';
import type { Restores } from './restore/restores.ts';
import type { Backups } from './runs/backups.ts';

export interface Protection {
  readonly repositories: Repositories;
  readonly catalog: Catalog;
  readonly points: Points;
  readonly backups: Backups;
  readonly restores: Restores;
  readonly jobs: Jobs;
}

export function protectionRoutes({ repositories, catalog, points, backups, restores, jobs }: Protection): BoundRoute[] {
  return [
    bind(api.listRepositories, async ({ query }) => pageByName(await repositories.list(), query)),
    bind(api.getRepository, async ({ params, etag }) => {
      const repository = await repositories.get(params.repositoryId);
      etag(repository.revision);
      return repository;
    }),
    bind(api.createRepository, async ({ body, note, header }) => {
      note({ name: body.name, place: body.place, how: body.how });
      const made = await repositories.create(body);
      if (body.how === 'open') await catalog.refresh(made.id);
      header('Location', `/api/v1/repositories/${made.id}`);
      return repositories.get(made.id);
    }),
    bind(api.forgetRepository, async ({ params, note }) => {
      note({ name: (await repositories.require(params.repositoryId)).name });
      await repositories.forget(params.repositoryId);
    }),
    bind(api.refreshRepository, async ({ params }) => {
      await catalog.refresh(params.repositoryId);
      return repositories.get(params.repositoryId);
    }),
    bind(api.sweepRepository, async ({ params, body, note }) => {
      const { objects, bytes } = await repositories.order(params.repositoryId, 'sweep', { isDryRun: body.dryRun });
      note({ objects: objects.length, bytes, dryRun: body.dryRun });
      return { objects: [...objects], bytes };
    }),

    bind(api.replicateRepository, async ({ params, body, principal, note }) => {
      note({ to: body.toRepositoryId });
      return points.replicate(params.repositoryId, body.toRepositoryId, principal.userId);
    }),

    bind(api.listRestorePoints, async ({ query, principal }) => {
      const all = await catalog.list(query);
      const seen = all.filter(({ vmId }) => mayUse(principal, vmId));
      return pageOfTimes(seen, query);
    }),
    bind(api.getRestorePoint, async ({ params }) => catalog.get(params)),
    bind(api.editRestorePoint, async ({ params, body, note }) => {
      await catalog.require(params);
      await catalog.pin(params, body.isPinned);
      note({ pinned: body.isPinned });
      return catalog.get(params);
    }),
    bind(api.deleteRestorePoint, async ({ params, principal }) => points.remove(params, principal.userId)),
    bind(api.verifyRestorePoint, async ({ params, body, principal }) =>
      points.verify(params, body.sample, principal.userId),
    ),
    bind(api.restoreRestorePoint, async ({ params, body, principal, note }) => {
      note({ name: body.name, how: body.how });
      return restores.restore(params, body, principal);
    }),
    bind(api.exportRestorePoint, async ({ params, principal }) => points.layOut(params, principal.userId)),

    bind(api.backUpVm, async ({ params, body, principal, note }) => {
      note({ repository: body.repositoryId });
      return backups.run(params.vmId, body, principal.userId);
    }),
    bind(api.listBackupRuns, async ({ query }) => pageOfTimes(await backups.list(query), query)),

    bind(api.listBackupJobs, async ({ query }) => pageByName(await jobs.list(), query)),
    bind(api.getBackupJob, async ({ params, etag }) => {
      const job = await jobs.get(params.jobId);
      etag(job.revision);
      return job;
    }),
    bind(api.createBackupJob, async ({ body, note, header }) => {
      note({ name: body.name });
      const job = await jobs.create(body);
      header('Location', `/api/v1/backup-jobs/${job.id}`);
      return job;
    }),
    bind(api.editBackupJob, async ({ params, body, ifMatch, etag }) => {
      ifMatch((await jobs.get(params.jobId)).revision);
      const job = await jobs.edit(params.jobId, body);
      etag(job.revision);
      return job;
    }),
    bind(api.deleteBackupJob, async ({ params, note }) => {
      note({ name: (await jobs.get(params.jobId)).name });
      await jobs.remove(params.jobId);
    }),
    bind(api.runBackupJob, async ({ params, principal }) => ({
      tasks: await jobs.run(params.jobId, principal.userId),
    })),
    bind(api.pruneBackupJob, async ({ params, body, principal, note }) => {
      const verdicts = await jobs.judge(params.jobId);
      const task = body.dryRun ? null : await jobs.prune(params.jobId, verdicts, principal.userId);
      note({ removed: verdicts.filter(({ keptFor }) => keptFor === null).length, dryRun: body.dryRun });
      return { verdicts, task };
    }),
  ];
}

const mayUse = (principal: Principal, vmId: string): boolean =>
  can(principal, 'backup', { desktopId: vmId }) || can(principal, 'restore', { desktopId: vmId });

/** A page of a list that is sorted already: the cursor is how many came before. */
function pageOfTimes<T>(
  items: readonly T[],
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): { items: T[]; next: string | undefined } {
  const from = cursor === undefined ? 0 : Number(cursor);
  if (!Number.isSafeInteger(from) || from < 0) throw new GatewayError('UNPROCESSABLE', 'the cursor is none of ours');
  const page = items.slice(from, from + limit);
  return { items: page, next: from + limit < items.length ? String(from + limit) : undefined };
}
