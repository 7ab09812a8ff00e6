/** Repositories, what lies in them, jobs and their runs. */
import type { StoreMigration } from './migration.ts';

export const backups: StoreMigration = {
  name: '0400-backups',
  up: async (db) => {
    await db.schema
      .createTable('repositories')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('place', 'text', (c) => c.notNull())
      .addColumn('secret', 'text')
      .addColumn('own_id', 'text', (c) => c.notNull().unique())
      .addColumn('form', 'text', (c) => c.notNull())
      .addColumn('compression', 'text', (c) => c.notNull())
      .addColumn('is_encrypted', 'integer', (c) => c.notNull())
      .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(1))
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema
      .createTable('restore_points')
      .addColumn('repository_id', 'text', (c) => c.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('vm_id', 'text', (c) => c.notNull())
      .addColumn('point_id', 'text', (c) => c.notNull())
      .addColumn('vm_name', 'text', (c) => c.notNull())
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('consistency', 'text', (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('disks', 'text', (c) => c.notNull())
      .addColumn('definition', 'text', (c) => c.notNull())
      .addColumn('stored_bytes', 'bigint', (c) => c.notNull())
      .addColumn('job_id', 'text')
      .addColumn('kept_until', 'bigint')
      .addColumn('problem', 'text')
      .addColumn('pinned', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('verified_at', 'bigint')
      .addColumn('damage', 'text')
      .addPrimaryKeyConstraint('restore_points_key', ['repository_id', 'vm_id', 'point_id'])
      .execute();
    await db.schema.createIndex('restore_points_by_vm').on('restore_points').columns(['vm_id', 'created_at']).execute();
    await db.schema
      .createTable('backup_anchors')
      .addColumn('repository_id', 'text', (c) => c.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('vm_id', 'text', (c) => c.notNull())
      .addColumn('disk_id', 'text', (c) => c.notNull())
      .addColumn('snapshot_id', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('backup_anchors_key', ['repository_id', 'disk_id', 'snapshot_id'])
      .execute();
    await db.schema
      .createTable('backup_jobs')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('repository_id', 'text', (c) => c.notNull().references('repositories.id'))
      .addColumn('is_enabled', 'integer', (c) => c.notNull())
      .addColumn('schedule', 'text')
      .addColumn('time_zone', 'text', (c) => c.notNull())
      .addColumn('selection', 'text', (c) => c.notNull())
      .addColumn('retention', 'text')
      .addColumn('due_seen', 'bigint', (c) => c.notNull())
      .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(1))
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema
      .createTable('backup_runs')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('job_id', 'text')
      .addColumn('repository_id', 'text', (c) => c.notNull().references('repositories.id').onDelete('cascade'))
      .addColumn('vm_id', 'text', (c) => c.notNull())
      .addColumn('vm_name', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('point_id', 'text')
      .addColumn('kind', 'text')
      .addColumn('data_bytes', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('error', 'text')
      .addColumn('started_at', 'bigint', (c) => c.notNull())
      .addColumn('ended_at', 'bigint')
      .execute();
    await db.schema.createIndex('backup_runs_by_start').on('backup_runs').column('started_at').execute();
  },
};
