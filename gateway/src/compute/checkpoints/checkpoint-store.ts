/** The rows of checkpoints. */
import type { Kysely, Transaction } from 'kysely';
import type { VmDisk } from '../../../api/vm.ts';
import type { Database } from '../../platform/store/database.ts';
import type { CheckpointDiskRow, CheckpointRow } from '../../platform/store/tables/checkpoints.ts';
import type { DiskPoint } from './ports.ts';

/** A disk of a checkpoint, and where it was plugged in. */
export interface PluggedPoint extends DiskPoint {
  readonly deviceId: string;
  readonly bus: string;
}

export interface StoredCheckpoint {
  readonly row: CheckpointRow;
  readonly disks: readonly PluggedPoint[];
  readonly isCurrent: boolean;
}

/** What is plugged in where. */
export interface Plugged {
  readonly diskId: string;
  readonly deviceId: string;
  readonly bus: string;
}

export class CheckpointStore {
  readonly #db: Kysely<Database>;
  readonly #now: () => number;

  constructor(db: Kysely<Database>, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /** Oldest first. */
  async of(vmId: string): Promise<StoredCheckpoint[]> {
    const rows = await this.#db
      .selectFrom('checkpoints')
      .selectAll()
      .where('vm_id', '=', vmId)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    const ids = rows.map(({ id }) => id);
    const disks =
      ids.length === 0
        ? []
        : await this.#db.selectFrom('checkpoint_disks').selectAll().where('checkpoint_id', 'in', ids).execute();
    const current = await this.current(vmId);
    return rows.map((row) => ({
      row,
      isCurrent: row.id === current,
      disks: disks.filter((disk) => disk.checkpoint_id === row.id).map(pointOf),
    }));
  }

  async current(vmId: string): Promise<string | null> {
    const row = await this.#db
      .selectFrom('vm_checkpoint')
      .select('checkpoint_id')
      .where('vm_id', '=', vmId)
      .executeTakeFirst();
    return row?.checkpoint_id ?? null;
  }

  /** Its parent is the one that the VM stood on; from now on it stands on this. Again is no change. */
  async add(row: Omit<CheckpointRow, 'created_at' | 'parent_id'>, disks: readonly PluggedPoint[]): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const before = await trx.selectFrom('checkpoints').select('id').where('id', '=', row.id).executeTakeFirst();
      if (before !== undefined) return;
      const stoodOn = await trx
        .selectFrom('vm_checkpoint')
        .select('checkpoint_id')
        .where('vm_id', '=', row.vm_id)
        .executeTakeFirst();
      const parent_id = stoodOn?.checkpoint_id ?? null;
      await trx
        .insertInto('checkpoints')
        .values({ ...row, parent_id, created_at: this.#now() })
        .execute();
      for (const { diskId, snapshotId, deviceId, bus } of disks) {
        const disk: CheckpointDiskRow = {
          checkpoint_id: row.id,
          disk_id: diskId,
          snapshot_id: snapshotId,
          device_id: deviceId,
          bus,
        };
        await trx.insertInto('checkpoint_disks').values(disk).execute();
      }
      await standOn(trx, row.vm_id, row.id);
    });
  }

  /** Its children are its parent's from then on, and so is a VM that stood on it. */
  async remove(id: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('checkpoints').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) return;
      await trx.updateTable('checkpoints').set({ parent_id: row.parent_id }).where('parent_id', '=', id).execute();
      const stands = await trx
        .selectFrom('vm_checkpoint')
        .selectAll()
        .where('checkpoint_id', '=', id)
        .executeTakeFirst();
      if (stands !== undefined) await standOn(trx, row.vm_id, row.parent_id);
      await trx.deleteFrom('checkpoints').where('id', '=', id).execute();
    });
  }

  /** The VM has these disks, and stands on that checkpoint: together or not at all. Its host is told at its next start. */
  async plug(vmId: string, disks: readonly Plugged[], checkpointId: string | null): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('vm_disks').where('vm_id', '=', vmId).execute();
      for (const { diskId, deviceId, bus } of disks) {
        await trx.insertInto('vm_disks').values({ disk_id: diskId, vm_id: vmId, device_id: deviceId, bus }).execute();
      }
      await trx
        .updateTable('vms')
        .set((e) => ({ generation: e('generation', '+', 1), revision: e('revision', '+', 1), updated_at: this.#now() }))
        .where('id', '=', vmId)
        .execute();
      await standOn(trx, vmId, checkpointId);
    });
  }

  /** By disk: the VM whose checkpoints are in it. Such a disk may be plugged in nowhere. */
  async carriers(): Promise<Map<string, string>> {
    const rows = await this.#db
      .selectFrom('checkpoint_disks')
      .innerJoin('checkpoints', 'checkpoints.id', 'checkpoint_disks.checkpoint_id')
      .select(['checkpoint_disks.disk_id', 'checkpoints.vm_id'])
      .execute();
    return new Map(rows.map(({ disk_id, vm_id }) => [disk_id, vm_id]));
  }
}

async function standOn(trx: Transaction<Database>, vmId: string, checkpointId: string | null): Promise<void> {
  await trx.deleteFrom('vm_checkpoint').where('vm_id', '=', vmId).execute();
  if (checkpointId !== null)
    await trx.insertInto('vm_checkpoint').values({ vm_id: vmId, checkpoint_id: checkpointId }).execute();
}

function pointOf(row: CheckpointDiskRow): PluggedPoint {
  return { diskId: row.disk_id, snapshotId: row.snapshot_id, deviceId: row.device_id, bus: row.bus as VmDisk['bus'] };
}
