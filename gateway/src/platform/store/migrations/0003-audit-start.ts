/** Where the audit log begins, once old lines were let go. */
import type { StoreMigration } from './migration.ts';

export const auditStart: StoreMigration = {
  name: '0003-audit-start',
  up: async (db) => {
    await db.schema
      .createTable('audit_start')
      .addColumn('id', 'integer', (c) => c.primaryKey())
      .addColumn('seq', 'bigint', (c) => c.notNull())
      .addColumn('hash', 'text', (c) => c.notNull())
      .execute();
  },
};
