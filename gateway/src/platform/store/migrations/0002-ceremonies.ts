/** What is half done: a challenge that waits for its passkey, a one-time-code secret that waits for its first code, a trip to the single sign-on. */
import type { StoreMigration } from './migration.ts';

export const ceremonies: StoreMigration = {
  name: '0002-ceremonies',
  up: async (db) => {
    await db.schema
      .createTable('ceremonies')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text')
      .addColumn('data', 'text', (c) => c.notNull())
      .addColumn('expires_at', 'bigint', (c) => c.notNull())
      .execute();
    await db.schema.createIndex('ceremonies_expires').on('ceremonies').column('expires_at').execute();
  },
};
