/**
 * Backup jobs: which VMs, when, where to, and what stays. A time that went by while nobody was there counts once; a VM whose
 * run still goes on is left out, and has its turn at the next time.
 */
import type { Kysely } from 'kysely';
import {
  BACKUP_LIMITS,
  type BackupJob,
  type BackupJobCreate,
  type BackupJobEdit,
  type RestorePoint,
  Retention,
  Selection,
} from '../../../api/backup.ts';
import type { Task } from '../../../api/task.ts';
import { searchKey } from '../../../api/text.ts';
import type { StoredVm, VmStore } from '../../compute/vms/vm-store.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import type { Database } from '../../platform/store/database.ts';
import { uniqueOr } from '../../platform/store/store.ts';
import type { BackupJobRow } from '../../platform/store/tables/backups.ts';
import { iso } from '../../platform/store/time.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import type { Catalog, PointKey } from '../points/catalog.ts';
import type { Points } from '../points/points.ts';
import type { Repositories } from '../repositories/repositories.ts';
import { retain } from '../retention/retention.ts';
import type { Backups } from '../runs/backups.ts';
import { nextTime, requireSchedule } from './schedule.ts';

export interface JobsOptions {
  readonly db: Kysely<Database>;
  readonly repositories: Repositories;
  readonly catalog: Catalog;
  readonly points: Points;
  readonly backups: Backups;
  readonly vmStore: VmStore;
  readonly tasks: Tasks;
  readonly log: Logger;
  readonly now: () => number;
}

/** How often it is looked whether a job is due. */
const LOOK_EVERY_MS = 15_000;

interface PrunePayload {
  readonly keys: readonly PointKey[];
}

export interface Judged {
  readonly point: RestorePoint;
  readonly keptFor: string | null;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #pruning: TaskKind<PrunePayload>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: JobsOptions) {
    this.#options = options;
    this.#pruning = {
      kind: 'backup.prune',
      needs: 'backup',
      lane: 'backup',
      canCancel: true,
      onRestart: 'resume',
      run: async ({ keys }, { signal, progress }) => {
        const kept: string[] = [];
        for (const [at, key] of keys.entries()) {
          progress(at / keys.length, `removing restore point ${key.pointId}`);
          await options.points.drop(key, signal).catch((error: unknown) => kept.push(requireConflict(error)));
        }
        if (0 < kept.length) throw new GatewayError('CONFLICT', kept.join('; '));
      },
    };
    options.tasks.register(this.#pruning);
    options.backups.onRan = (jobId, vmId) => this.#ran(jobId, vmId);
  }

  /** Looks for what is due, now and from then on. */
  start(): void {
    const look = (): void => void (this.#looking = this.#looking.then(() => this.look()));
    this.#timer = setInterval(look, LOOK_EVERY_MS);
    this.#timer.unref();
    look();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async list(): Promise<BackupJob[]> {
    const rows = await this.#options.db.selectFrom('backup_jobs').selectAll().orderBy('name').execute();
    return Promise.all(rows.map((row) => this.#viewOf(row)));
  }

  async get(id: string): Promise<BackupJob> {
    return this.#viewOf(await this.#require(id));
  }

  async create(asked: BackupJobCreate): Promise<BackupJob> {
    const { db, repositories, now } = this.#options;
    requireSchedule(asked.schedule, asked.timeZone);
    await repositories.require(asked.repositoryId);
    const { count } = await db
      .selectFrom('backup_jobs')
      .select((e) => e.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    if (BACKUP_LIMITS.jobs <= Number(count))
      throw new GatewayError('TOO_MANY', `there are ${count} backup jobs already`);
    const row: BackupJobRow = {
      id: newId(),
      name: asked.name,
      repository_id: asked.repositoryId,
      is_enabled: asked.isEnabled ? 1 : 0,
      schedule: asked.schedule,
      time_zone: asked.timeZone,
      selection: JSON.stringify(asked.selection),
      retention: asked.retention === null ? null : JSON.stringify(asked.retention),
      due_seen: now(),
      revision: 1,
      created_at: now(),
    };
    await db
      .insertInto('backup_jobs')
      .values(row)
      .execute()
      .catch(uniqueOr(`there is a backup job ${asked.name} already`));
    return this.#viewOf(row);
  }

  async edit(id: string, change: BackupJobEdit): Promise<BackupJob> {
    const { db, now } = this.#options;
    const before = await this.#require(id);
    const schedule = change.schedule === undefined ? before.schedule : change.schedule;
    const timeZone = change.timeZone ?? before.time_zone;
    requireSchedule(schedule, timeZone);
    const row: BackupJobRow = {
      ...before,
      name: change.name ?? before.name,
      is_enabled: change.isEnabled === undefined ? before.is_enabled : change.isEnabled ? 1 : 0,
      schedule,
      time_zone: timeZone,
      selection: change.selection === undefined ? before.selection : JSON.stringify(change.selection),
      retention:
        change.retention === undefined ? before.retention : change.retention && JSON.stringify(change.retention),
      // A schedule begins when it is given: what an older one missed is not made up for.
      due_seen:
        schedule === before.schedule && timeZone === before.time_zone && before.is_enabled === 1
          ? before.due_seen
          : now(),
      revision: before.revision + 1,
    };
    await db
      .updateTable('backup_jobs')
      .set(row)
      .where('id', '=', id)
      .execute()
      .catch(uniqueOr(`there is a backup job ${row.name} already`));
    return this.#viewOf(row);
  }

  async remove(id: string): Promise<void> {
    await this.#require(id);
    await this.#options.db.deleteFrom('backup_jobs').where('id', '=', id).execute();
  }

  /** Of all VMs that it is about. Those whose run still goes on, or that have no disk, are left out. */
  async run(id: string, startedBy: string | null): Promise<Task[]> {
    const { backups, vmStore, log } = this.#options;
    const job = await this.#require(id);
    const tasks: Task[] = [];
    for (const vm of await this.#selected(job)) {
      if (vm.disks.length === 0 || vm.deleting !== undefined) continue;
      if (await backups.isRunning(vm.id, job.repository_id)) {
        await vmStore.log(vm.id, 'warn', 'backup-left-out', `job ${job.name}: its last run still goes on`);
        continue;
      }
      try {
        tasks.push(await backups.run(vm.id, { repositoryId: job.repository_id, isFull: false, jobId: id }, startedBy));
      } catch (error) {
        log.warn({ err: error, job: id, vm: vm.id }, 'backup-not-started');
        await vmStore.log(vm.id, 'error', 'backup-failed', `job ${job.name}: ${(error as Error).message}`);
      }
    }
    return tasks;
  }

  /** Starts what is due. One time for all that have gone by since it was looked last. */
  async look(): Promise<void> {
    const { db, log, now } = this.#options;
    try {
      for (const job of await db.selectFrom('backup_jobs').selectAll().where('is_enabled', '=', 1).execute()) {
        const due = nextTime(job.schedule, job.time_zone, job.due_seen);
        if (due === undefined || now() < due) continue;
        // Before the runs, and once: a gateway that is killed among them begins none of them twice.
        const { numUpdatedRows } = await db
          .updateTable('backup_jobs')
          .set({ due_seen: now() })
          .where('id', '=', job.id)
          .where('due_seen', '=', job.due_seen)
          .executeTakeFirstOrThrow();
        if (numUpdatedRows === 0n) continue;
        await this.run(job.id, null);
      }
    } catch (error) {
      log.error({ err: error }, 'backup-schedule-failed');
    }
  }

  /** What stays of a job's restore points and why. Errors: CONFLICT where it keeps everything. */
  async judge(id: string, vmId?: string): Promise<Judged[]> {
    const { catalog, now } = this.#options;
    const job = await this.#require(id);
    if (job.retention === null)
      throw new GatewayError('CONFLICT', `backup job ${job.name} keeps everything: give it a retention first`);
    const kept = Retention.parse(JSON.parse(job.retention));
    const points = await catalog.list({ jobId: id, repositoryId: job.repository_id, vmId });
    const judged: Judged[] = [];
    for (const vm of new Set(points.map((point) => point.vmId))) {
      const ofVm = points.filter((point) => point.vmId === vm);
      const facts = ofVm.map((point) => ({
        id: point.id,
        createdAt: Date.parse(point.createdAt),
        isPinned: point.isPinned,
        keptUntil: point.keptUntil === null ? null : Date.parse(point.keptUntil),
        isGood: point.health === 'ok' || point.health === 'unverified',
      }));
      for (const { id: pointId, keptFor } of retain(facts, kept, { timeZone: job.time_zone, now: now() })) {
        const point = ofVm.find((one) => one.id === pointId);
        if (point !== undefined) judged.push({ point, keptFor: keptFor ?? null });
      }
    }
    return judged;
  }

  /** Removes what does not stay, oldest first: each merge moves as little as can be. */
  async prune(id: string, judged: readonly Judged[], startedBy: string | null): Promise<Task | null> {
    const { tasks } = this.#options;
    const { name } = await this.#require(id);
    const keys = judged
      .filter(({ keptFor }) => keptFor === null)
      .map(({ point }) => ({ repositoryId: point.repositoryId, vmId: point.vmId, pointId: point.id }))
      .toSorted((a, b) => (a.pointId < b.pointId ? -1 : 1));
    if (keys.length === 0) return null;
    const title = `remove ${keys.length} restore points that job ${name} does not keep`;
    return tasks.start({ kind: this.#pruning, title, startedBy, payload: { keys } });
  }

  async #ran(jobId: string, vmId: string): Promise<void> {
    const row = await this.#options.db
      .selectFrom('backup_jobs')
      .select('retention')
      .where('id', '=', jobId)
      .executeTakeFirst();
    if (row === undefined || row.retention === null) return;
    await this.prune(jobId, await this.judge(jobId, vmId), null);
  }

  async #selected(job: BackupJobRow): Promise<StoredVm[]> {
    const { all, vmIds, nameHolds } = Selection.parse(JSON.parse(job.selection));
    const named = new Set(vmIds);
    const part = nameHolds === undefined || nameHolds === '' ? undefined : searchKey(nameHolds);
    return (await this.#options.vmStore.all()).filter(
      ({ id, name }) => all || named.has(id) || (part !== undefined && searchKey(name).includes(part)),
    );
  }

  async #require(id: string): Promise<BackupJobRow> {
    const row = await this.#options.db.selectFrom('backup_jobs').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no backup job ${id}`);
    return row;
  }

  async #viewOf(row: BackupJobRow): Promise<BackupJob> {
    const last = await this.#options.db
      .selectFrom('backup_runs')
      .select(['state', 'ended_at'])
      .where('job_id', '=', row.id)
      .where('ended_at', 'is not', null)
      .orderBy('ended_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    const next =
      row.is_enabled === 1
        ? nextTime(row.schedule, row.time_zone, Math.max(row.due_seen, this.#options.now()))
        : undefined;
    return {
      id: row.id,
      name: row.name,
      repositoryId: row.repository_id,
      isEnabled: row.is_enabled === 1,
      schedule: row.schedule,
      timeZone: row.time_zone,
      selection: Selection.parse(JSON.parse(row.selection)),
      retention: row.retention === null ? null : Retention.parse(JSON.parse(row.retention)),
      nextRunAt: next === undefined ? null : iso(next),
      lastRun:
        last === undefined || last.ended_at === null
          ? null
          : { endedAt: iso(last.ended_at), state: last.state === 'done' ? 'done' : 'failed' },
      revision: row.revision,
    };
  }
}

/** Why a restore point has to stay: the others go all the same. */
function requireConflict(error: unknown): string {
  if (error instanceof GatewayError && error.code === 'CONFLICT') return error.message;
  throw error;
}
