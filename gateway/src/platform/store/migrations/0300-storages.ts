/** Storages: rows of their own. The one of the data folder is added by the gateway at its start. */
import type { StoreMigration } from './migration.ts';

export const storages: StoreMigration = {
  name: '0300-storages',
  up: async (db) => {
    await db.schema
      .createTable('storages')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull().unique())
      .addColumn('socket_path', 'text', (c) => c.unique())
      .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(1))
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .execute();
  },
};
