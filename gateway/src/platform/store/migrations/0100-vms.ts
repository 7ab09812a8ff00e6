/** Hosts, VMs, their disks and logs, and tasks. */
import type { Kysely } from 'kysely';
import type { StoreMigration } from './migration.ts';

export const vms: StoreMigration = {
  name: '0100-vms',
  up: async (db) => {
    await hostsAndVms(db);
    await tasks(db);
  },
};

async function hostsAndVms(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('hosts')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('config', 'text', (c) => c.notNull())
    .addColumn('maintenance', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(1))
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('vms')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('host_id', 'text', (c) => c.notNull().references('hosts.id'))
    .addColumn('wanted', 'text', (c) => c.notNull())
    .addColumn('wanted_at', 'bigint', (c) => c.notNull())
    .addColumn('force', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('deleting', 'text')
    .addColumn('hardware', 'text', (c) => c.notNull())
    .addColumn('cd_image_id', 'text')
    .addColumn('generation', 'integer', (c) => c.notNull().defaultTo(1))
    .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(1))
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('updated_at', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema.createIndex('vms_host').on('vms').column('host_id').execute();
  await db.schema
    .createTable('vm_disks')
    .addColumn('disk_id', 'text', (c) => c.primaryKey())
    .addColumn('vm_id', 'text', (c) => c.notNull().references('vms.id').onDelete('cascade'))
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('bus', 'text', (c) => c.notNull())
    .addUniqueConstraint('vm_disks_device', ['vm_id', 'device_id'])
    .execute();
  await db.schema
    .createTable('vm_log')
    .addColumn('vm_id', 'text', (c) => c.notNull().references('vms.id').onDelete('cascade'))
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('event', 'text', (c) => c.notNull())
    .addColumn('message', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('vm_log_key', ['vm_id', 'seq'])
    .execute();
}

async function tasks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('tasks')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('title', 'text', (c) => c.notNull())
    .addColumn('target_type', 'text')
    .addColumn('target_id', 'text')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('progress', 'double precision')
    .addColumn('step', 'text', (c) => c.notNull())
    .addColumn('can_cancel', 'integer', (c) => c.notNull())
    .addColumn('cancelling', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('started_by', 'text')
    .addColumn('payload', 'text', (c) => c.notNull())
    .addColumn('error_code', 'text')
    .addColumn('error_message', 'text')
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('ended_at', 'bigint')
    .execute();
  await db.schema.createIndex('tasks_state').on('tasks').column('state').execute();
  await db.schema.createIndex('tasks_created').on('tasks').column('created_at').execute();
}
