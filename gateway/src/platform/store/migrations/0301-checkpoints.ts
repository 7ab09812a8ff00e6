/** Checkpoints of VMs. */
import type { StoreMigration } from './migration.ts';

export const checkpoints: StoreMigration = {
  name: '0301-checkpoints',
  up: async (db) => {
    await db.schema
      .createTable('checkpoints')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('vm_id', 'text', (c) => c.notNull().references('vms.id').onDelete('cascade'))
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('parent_id', 'text')
      .addColumn('consistency', 'text', (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('has_memory', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('made_by', 'text')
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('checkpoints_vm').on('checkpoints').column('vm_id').execute();
    await db.schema
      .createTable('checkpoint_disks')
      .addColumn('checkpoint_id', 'text', (c) => c.notNull().references('checkpoints.id').onDelete('cascade'))
      .addColumn('disk_id', 'text', (c) => c.notNull())
      .addColumn('snapshot_id', 'text', (c) => c.notNull())
      .addColumn('device_id', 'text', (c) => c.notNull())
      .addColumn('bus', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('checkpoint_disks_key', ['checkpoint_id', 'device_id'])
      .execute();
    await db.schema
      .createTable('vm_checkpoint')
      .addColumn('vm_id', 'text', (c) => c.primaryKey().references('vms.id').onDelete('cascade'))
      .addColumn('checkpoint_id', 'text', (c) => c.notNull().references('checkpoints.id').onDelete('cascade'))
      .execute();
  },
};
