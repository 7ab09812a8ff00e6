/** Backups, put together: what main.ts opens. */

import { BackupDisks } from './disks/backup-disks.ts';
import { Jobs, type JobsOptions } from './jobs/jobs.ts';
import { Catalog } from './points/catalog.ts';
import { Points, type PointsOptions } from './points/points.ts';
import { Repositories, type RepositoriesOptions } from './repositories/repositories.ts';
import { Restores, type RestoresOptions } from './restore/restores.ts';
import type { Protection } from './routes.ts';
import { Backups, type BackupsOptions } from './runs/backups.ts';
import type { RunWorker } from './work/run-worker.ts';

export interface ProtectionOptions
  extends Pick<BackupsOptions, 'gateway' | 'hosts' | 'vmStore'>,
    Pick<RepositoriesOptions, 'db' | 'vault' | 'now'>,
    Pick<RestoresOptions, 'vms' | 'tasks'>,
    Pick<PointsOptions, 'exportFolder'>,
    Pick<JobsOptions, 'log'> {
  readonly work: RunWorker;
  readonly storages: ConstructorParameters<typeof BackupDisks>[0];
  readonly snapshots: ConstructorParameters<typeof BackupDisks>[1];
}

export function protectionFeature(options: ProtectionOptions): Protection {
  const repositories = new Repositories(options);
  const catalog = new Catalog(options.db, repositories);
  const disks = new BackupDisks(options.storages, options.snapshots);
  const parts = { ...options, repositories, catalog, disks };
  const points = new Points(parts);
  const backups = new Backups(parts);
  const restores = new Restores(parts);
  const jobs = new Jobs({ ...parts, points, backups });
  return { repositories, catalog, points, backups, restores, jobs };
}
