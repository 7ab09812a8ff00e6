/** What came of a task, beside how it ended. */
import type { StoreMigration } from './migration.ts';

export const taskResults: StoreMigration = {
  name: '0101-task-results',
  up: async (db) => {
    await db.schema.alterTable('tasks').addColumn('result', 'text').execute();
  },
};
