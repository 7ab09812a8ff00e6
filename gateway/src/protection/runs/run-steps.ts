/**
 * A run as steps of a plan: the snapshots, the copy, and then the chain is as long as before. After a kill at any moment
 * the next gateway goes on with that step: a restore point that is there already is found by the snapshots it was made of.
 */
import type { AgentFacet, VmId, VmObservation } from '@oriel/hosts';
import type { Kysely } from 'kysely';
import { type Worth, whileFrozen } from '../../compute/checkpoints/consistency.ts';
import type { DiskPoint } from '../../compute/checkpoints/ports.ts';
import type { Owner } from '../../compute/vms/ports.ts';
import type { Database } from '../../platform/store/database.ts';
import type { PlanStep } from '../../platform/tasks/plan.ts';
import type { BackupDisks } from '../disks/backup-disks.ts';
import type { Catalog } from '../points/catalog.ts';
import type { Repositories } from '../repositories/repositories.ts';

export interface RunDisk {
  readonly diskId: string;
  readonly deviceId: string;
  readonly bus: string;
}

export interface RunState {
  readonly runId: string;
  readonly repositoryId: string;
  readonly jobId: string | null;
  readonly isFull: boolean;
  readonly vm: { readonly id: string; readonly name: string; readonly definition: unknown };
  readonly disks: readonly RunDisk[];
  /** Learnt on the way. */
  readonly points?: readonly DiskPoint[];
  readonly worth?: Worth;
  readonly createdAt?: string;
  readonly made?: { readonly pointId: string; readonly kind: 'full' | 'increment'; readonly dataBytes: number };
}

export interface RunDeps {
  readonly db: Kysely<Database>;
  readonly repositories: Repositories;
  readonly catalog: Catalog;
  readonly disks: BackupDisks;
  readonly look: (vmId: string) => Promise<{
    readonly id: VmId;
    readonly seen: VmObservation | undefined;
    readonly agent: AgentFacet | undefined;
  }>;
  readonly now: () => number;
  /** It is done: what its job keeps is looked at. */
  readonly ran: (jobId: string, vmId: string) => Promise<void>;
  readonly gateway: { readonly name: string; readonly version: string };
}

/** A freeze of an earlier gateway is no longer known to have held. */
const UNKNOWN: Worth = {
  consistency: 'crash',
  reason: 'the gateway ended while it was taken: whether the guest was frozen is not known',
};

/** The snapshots that stay for the next run belong to the backups of the VM in that repository. */
export const anchorOwner = (repositoryId: string): Owner => `job:backup-${repositoryId}`;

export function runSteps(deps: RunDeps): readonly PlanStep<RunState>[] {
  const { disks, db, now } = deps;
  return [
    {
      name: 'taking snapshots of its disks',
      do: async ({ runId, repositoryId, vm, disks: plugged }) => {
        const ids = plugged.map(({ diskId }) => diskId);
        const before = await disks.taken(ids, runId);
        if (before.length === ids.length)
          return { points: before, worth: UNKNOWN, createdAt: new Date(now()).toISOString() };
        const { id, seen, agent } = await deps.look(vm.id);
        let points: readonly DiskPoint[] = [];
        let createdAt = '';
        const worth = await whileFrozen(id, seen, agent, async () => {
          createdAt = new Date(now()).toISOString();
          points = await disks.snapshot(ids, `backup ${createdAt}`, anchorOwner(repositoryId), runId);
        });
        return { points, worth, createdAt };
      },
      undo: async ({ runId, disks: plugged, made }) => {
        if (made !== undefined) return; // It is what the next run starts from.
        for (const point of await disks.taken(
          plugged.map(({ diskId }) => diskId),
          runId,
        ))
          await disks.dropSnapshot(point);
      },
    },
    {
      name: 'copying what has changed',
      do: (state, context) => copy(state, deps, context),
    },
    {
      name: 'folding the last run’s snapshots away',
      do: async ({ repositoryId, vm, points = [] }, { signal }) => {
        const fresh = new Set(points.map(({ snapshotId }) => snapshotId));
        for (const anchor of await anchorsOf(db, repositoryId, vm.id)) {
          if (fresh.has(anchor.snapshotId)) continue;
          // A checkpoint, or a disk that goes on from it, stands on it: it goes with a later run.
          if (!(await disks.dropSnapshot(anchor, signal))) continue;
          await db
            .deleteFrom('backup_anchors')
            .where('repository_id', '=', repositoryId)
            .where('snapshot_id', '=', anchor.snapshotId)
            .where('disk_id', '=', anchor.diskId)
            .execute();
        }
      },
    },
    {
      name: 'noting it',
      do: async ({ jobId, vm, runId, made }) => {
        await db
          .updateTable('backup_runs')
          .set({
            state: 'done',
            ended_at: now(),
            point_id: made?.pointId ?? null,
            kind: made?.kind ?? null,
            data_bytes: made?.dataBytes ?? 0,
          })
          .where('id', '=', runId)
          .execute();
        if (jobId !== null) await deps.ran(jobId, vm.id);
      },
    },
  ];
}

async function copy(
  { repositoryId, jobId, isFull, vm, disks: plugged, points = [], worth = UNKNOWN, createdAt = '' }: RunState,
  { db, repositories, catalog, disks, gateway }: RunDeps,
  { signal, progress }: Parameters<PlanStep<RunState>['do']>[1],
): Promise<Partial<RunState>> {
  const served: DiskPoint[] = [];
  try {
    const asked = [];
    for (const point of points) {
      const { deviceId, bus } = plugged.find(({ diskId }) => diskId === point.diskId) ?? { deviceId: '', bus: '' };
      const uri = await disks.serveSnapshot(point);
      served.push(point);
      // In a file name of the repository, and in manifests that others read: no reference to our storages.
      const diskId = point.diskId.replaceAll(/[^A-Za-z0-9._-]/g, '.');
      asked.push({ diskId, name: await disks.nameOf(point.diskId), deviceId, bus, snapshotId: point.snapshotId, uri });
    }
    const manifest = await repositories.order(
      repositoryId,
      'take',
      {
        point: {
          vm,
          createdAt,
          keptUntil: null,
          consistency: { level: worth.consistency, reason: worth.reason },
          madeBy: { gateway: gateway.name, version: gateway.version, job: jobId },
          disks: asked,
          isFull,
        },
      },
      { signal, onProgress: (fraction) => progress(fraction, 'copying what has changed') },
    );
    await db.transaction().execute(async (trx) => {
      for (const { diskId, snapshotId } of points)
        await trx
          .insertInto('backup_anchors')
          .values({ repository_id: repositoryId, vm_id: vm.id, disk_id: diskId, snapshot_id: snapshotId })
          .onConflict((c) => c.doNothing())
          .execute();
    });
    await catalog.note(repositoryId, manifest);
    const kind = manifest.disks.some((disk) => disk.kind === 'full') ? 'full' : 'increment';
    const dataBytes = manifest.disks.reduce((sum, disk) => sum + disk.dataBytes, 0);
    return { made: { pointId: manifest.id, kind, dataBytes } };
  } finally {
    for (const point of served) await disks.releaseSnapshot(point);
  }
}

async function anchorsOf(db: Kysely<Database>, repositoryId: string, vmId: string): Promise<readonly DiskPoint[]> {
  const rows = await db
    .selectFrom('backup_anchors')
    .selectAll()
    .where('repository_id', '=', repositoryId)
    .where('vm_id', '=', vmId)
    .execute();
  return rows.map(({ disk_id, snapshot_id }) => ({ diskId: disk_id, snapshotId: snapshot_id }));
}
