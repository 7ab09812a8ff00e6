/** Desktops as things of their own, with the policy of their sessions; policies of the layers below them. */
import { sql } from 'kysely';
import type { StoreMigration } from './migration.ts';

export const desktops: StoreMigration = {
  name: '0202-desktops',
  up: async (db) => {
    await db.schema
      .createTable('desktops')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('vm_id', 'text', (c) => c.unique().references('vms.id').onDelete('cascade'))
      .addColumn('policy', 'text', (c) => c.notNull().defaultTo('{}'))
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
    // What exists keeps its id: assignments, sessions and links name it.
    await sql`insert into desktops (id, kind, vm_id, policy, created_at)
      select id, 'vm', id, session_rules, created_at from vms`.execute(db);
    await db.schema.alterTable('vms').dropColumn('session_rules').execute();
    await db.schema
      .createTable('policies')
      .addColumn('layer', 'text', (c) => c.notNull())
      .addColumn('subject_id', 'text', (c) => c.notNull())
      .addColumn('rules', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('policies_key', ['layer', 'subject_id'])
      .execute();
    // What takes a session up after a restart of the gateway.
    for (const column of ['via', 'is_by_consent'] as const) {
      const type = column === 'via' ? 'text' : 'integer';
      await db.schema.alterTable('sessions').addColumn(column, type).execute();
    }
  },
};
