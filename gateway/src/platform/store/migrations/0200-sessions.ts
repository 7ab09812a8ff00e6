/** Sessions, and what became of them. */
import type { StoreMigration } from './migration.ts';

export const sessions: StoreMigration = {
  name: '0200-sessions',
  up: async (db) => {
    await db.schema
      .createTable('sessions')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('desktop_id', 'text', (c) => c.notNull())
      .addColumn('desktop_name', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull())
      .addColumn('user_name', 'text', (c) => c.notNull())
      .addColumn('mode', 'text', (c) => c.notNull())
      .addColumn('joined_id', 'text')
      .addColumn('address', 'text')
      .addColumn('policy', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('ended_by', 'text')
      .addColumn('created_at', 'bigint', (c) => c.notNull())
      .addColumn('live_at', 'bigint')
      .addColumn('ended_at', 'bigint')
      .addColumn('bytes_in', 'bigint', (c) => c.notNull())
      .addColumn('bytes_out', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('sessions_created').on('sessions').columns(['created_at', 'id']).execute();
    await db.schema.createIndex('sessions_user').on('sessions').columns(['user_id', 'created_at']).execute();
  },
};
