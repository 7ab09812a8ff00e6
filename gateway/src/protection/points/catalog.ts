/**
 * What lies in repositories, as rows: lists answer from them. A run notes what it made; the rest is found when somebody looks,
 * or when something is removed. The repository is right: what is not there is not here after the next look.
 */
import type { Manifest } from '@oriel/vhd/restore-points';
import type { Kysely } from 'kysely';
import { PointConsistency, type RestorePoint } from '../../../api/backup.ts';
import { GatewayError } from '../../errors.ts';
import type { Database } from '../../platform/store/database.ts';
import type { RestorePointRow } from '../../platform/store/tables/backups.ts';
import { iso } from '../../platform/store/time.ts';
import type { Repositories } from '../repositories/repositories.ts';
import type { Listed } from '../work/orders.ts';

/** A restore point by its name. */
export interface PointKey {
  readonly repositoryId: string;
  readonly vmId: string;
  readonly pointId: string;
}

export interface PointFilter {
  readonly vmId?: string | undefined;
  readonly repositoryId?: string | undefined;
  readonly jobId?: string | undefined;
}

type StoredDisks = RestorePoint['disks'];

export class Catalog {
  readonly #db: Kysely<Database>;
  readonly #repositories: Repositories;

  constructor(db: Kysely<Database>, repositories: Repositories) {
    this.#db = db;
    this.#repositories = repositories;
  }

  /** Newest first. */
  async list({ vmId, repositoryId, jobId }: PointFilter): Promise<RestorePoint[]> {
    let query = this.#db
      .selectFrom('restore_points')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('point_id', 'desc');
    if (vmId !== undefined) query = query.where('vm_id', '=', vmId);
    if (repositoryId !== undefined) query = query.where('repository_id', '=', repositoryId);
    if (jobId !== undefined) query = query.where('job_id', '=', jobId);
    return (await query.execute()).map(viewOf);
  }

  async get(key: PointKey): Promise<RestorePoint> {
    return viewOf(await this.require(key));
  }

  /** Errors: NOT_FOUND. */
  async require(key: PointKey): Promise<RestorePointRow> {
    const row = await this.#db.selectFrom('restore_points').selectAll().where(keyIs(key)).executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no restore point ${key.pointId}`);
    return row;
  }

  async pin(key: PointKey, isPinned: boolean): Promise<void> {
    await this.#db
      .updateTable('restore_points')
      .set({ pinned: isPinned ? 1 : 0 })
      .where(keyIs(key))
      .execute();
  }

  async noteVerified(key: PointKey, at: number, damage: readonly string[]): Promise<void> {
    const found = damage.length === 0 ? null : JSON.stringify(damage);
    await this.#db.updateTable('restore_points').set({ verified_at: at, damage: found }).where(keyIs(key)).execute();
  }

  /** One that has just been made. Again is no change. */
  async note(repositoryId: string, manifest: Manifest): Promise<void> {
    const point = { vmId: manifest.vm.id, pointId: manifest.id };
    const storedBytes = manifest.disks.reduce((sum, disk) => sum + disk.storedBytes, 0);
    const row = rowOf(repositoryId, { point, manifest, storedBytes }, undefined);
    await this.#db
      .insertInto('restore_points')
      .values(row)
      .onConflict((c) => c.doNothing())
      .execute();
  }

  /** Looks at a repository, or at what it has of one VM. Errors: UNAVAILABLE, UNPROCESSABLE. */
  async refresh(repositoryId: string, vmId?: string): Promise<void> {
    const listed = await this.#repositories.order(repositoryId, 'list', vmId === undefined ? {} : { vmId });
    await this.#db.transaction().execute(async (trx) => {
      let known = trx.selectFrom('restore_points').selectAll().where('repository_id', '=', repositoryId);
      if (vmId !== undefined) known = known.where('vm_id', '=', vmId);
      const before = new Map((await known.execute()).map((row) => [`${row.vm_id}/${row.point_id}`, row]));
      for (const one of listed) {
        const name = `${one.point.vmId}/${one.point.pointId}`;
        const row = rowOf(repositoryId, one, before.get(name));
        before.delete(name);
        await trx
          .insertInto('restore_points')
          .values(row)
          .onConflict((c) => c.columns(['repository_id', 'vm_id', 'point_id']).doUpdateSet(row))
          .execute();
      }
      for (const { vm_id, point_id } of before.values())
        await trx
          .deleteFrom('restore_points')
          .where(keyIs({ repositoryId, vmId: vm_id, pointId: point_id }))
          .execute();
    });
  }
}

const keyIs =
  ({ repositoryId, vmId, pointId }: PointKey) =>
  (e: import('kysely').ExpressionBuilder<Database, 'restore_points'>) =>
    e.and([e('repository_id', '=', repositoryId), e('vm_id', '=', vmId), e('point_id', '=', pointId)]);

function rowOf(repositoryId: string, one: Listed, before: RestorePointRow | undefined): RestorePointRow {
  const { vmId, pointId } = one.point;
  const kept = {
    pinned: before?.pinned ?? 0,
    verified_at: before?.verified_at ?? null,
    damage: before?.damage ?? null,
  };
  const key = { repository_id: repositoryId, vm_id: vmId, point_id: pointId };
  if ('problem' in one) {
    const blank = {
      vm_name: vmId,
      created_at: timeIn(pointId),
      consistency: 'crash',
      reason: '',
      disks: '[]',
      definition: 'null',
    };
    const known = before ?? { ...blank, stored_bytes: 0, job_id: null, kept_until: null };
    return { ...known, ...key, ...kept, problem: one.problem };
  }
  const { manifest, storedBytes } = one;
  const disks: StoredDisks = manifest.disks.map(({ diskId, name, sizeBytes, kind, reason, dataBytes, parent }) => ({
    diskId,
    name,
    sizeBytes,
    kind,
    reason,
    dataBytes,
    parentId: parent?.pointId ?? null,
  }));
  return {
    ...key,
    ...kept,
    vm_name: manifest.vm.name,
    created_at: Date.parse(manifest.createdAt),
    consistency: manifest.consistency.level,
    reason: manifest.consistency.reason,
    disks: JSON.stringify(disks),
    definition: JSON.stringify(manifest.vm.definition ?? null),
    stored_bytes: storedBytes,
    job_id: manifest.madeBy.job,
    kept_until: manifest.keptUntil === null ? null : Date.parse(manifest.keptUntil),
    problem: null,
  };
}

/** The instant that the name of a restore point begins with: `20261127T194500Z-…`. */
function timeIn(pointId: string): number {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(pointId);
  if (found === null) return 0;
  const [, year, month, day, hour, minute, second] = found;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) || 0;
}

function viewOf(row: RestorePointRow): RestorePoint {
  const damage = row.damage === null ? [] : (JSON.parse(row.damage) as string[]);
  return {
    id: row.point_id,
    repositoryId: row.repository_id,
    vmId: row.vm_id,
    vmName: row.vm_name,
    createdAt: iso(row.created_at),
    consistency: PointConsistency.parse(row.consistency),
    reason: row.reason,
    disks: JSON.parse(row.disks) as StoredDisks,
    storedBytes: row.stored_bytes,
    jobId: row.job_id,
    keptUntil: row.kept_until === null ? null : iso(row.kept_until),
    isPinned: row.pinned === 1,
    health: healthOf(row, damage),
    verifiedAt: row.verified_at === null ? null : iso(row.verified_at),
    problems: row.problem === null ? damage : [row.problem, ...damage],
  };
}

function healthOf(row: RestorePointRow, damage: readonly string[]): RestorePoint['health'] {
  if (row.problem !== null) return 'unread';
  if (0 < damage.length) return 'damaged';
  return row.verified_at === null ? 'unverified' : 'ok';
}
