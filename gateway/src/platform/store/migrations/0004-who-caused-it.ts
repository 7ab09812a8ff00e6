/**
 * Who caused what: the network that began a sign-in, who made a one-time link, the devices that an account has signed in
 * from; when a browser's session last proved who sits there; and what names are searched by.
 */
import type { Kysely } from 'kysely';
import { searchKey } from '../../../../api/text.ts';
import type { StoreMigration } from './migration.ts';

export const whoCausedIt: StoreMigration = {
  name: '0004-who-caused-it',
  up: async (db) => {
    await db.schema.alterTable('ceremonies').addColumn('source', 'text').execute();
    await db.schema.createIndex('ceremonies_source').on('ceremonies').column('source').execute();
    await db.schema.alterTable('one_time_links').addColumn('made_by', 'text').execute();
    await db.schema.alterTable('browser_sessions').addColumn('proved_at', 'bigint').execute();
    await db.schema
      .createTable('devices')
      .addColumn('secret_hash', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull().references('users.id').onDelete('cascade'))
      .addColumn('used_at', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('devices_key', ['secret_hash', 'user_id'])
      .execute();
    await db.schema.createIndex('devices_user').on('devices').column('user_id').execute();
    await searchable(db);
  },
};

async function searchable(kysely: Kysely<unknown>): Promise<void> {
  const db = kysely as Kysely<{
    users: { id: string; name: string; display_name: string; search_key: string };
    groups: { id: string; name: string; search_key: string };
  }>;
  for (const table of ['users', 'groups'] as const)
    await db.schema
      .alterTable(table)
      .addColumn('search_key', 'text', (c) => c.notNull().defaultTo(''))
      .execute();
  for (const user of await db.selectFrom('users').select(['id', 'name', 'display_name']).execute()) {
    const key = searchKey(`${user.name} ${user.display_name}`);
    await db.updateTable('users').set({ search_key: key }).where('id', '=', user.id).execute();
  }
  for (const group of await db.selectFrom('groups').select(['id', 'name']).execute())
    await db
      .updateTable('groups')
      .set({ search_key: searchKey(group.name) })
      .where('id', '=', group.id)
      .execute();
}
