/** What an admin lays down for the sessions on a VM. */
import type { StoreMigration } from './migration.ts';

export const sessionRules: StoreMigration = {
  name: '0201-session-rules',
  up: async (db) => {
    await db.schema
      .alterTable('vms')
      .addColumn('session_rules', 'text', (c) => c.notNull().defaultTo('{}'))
      .execute();
  },
};
