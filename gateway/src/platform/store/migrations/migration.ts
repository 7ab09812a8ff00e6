/** One step of the schema. */
import type { Kysely } from 'kysely';

export interface StoreMigration {
  readonly name: string;
  readonly up: (db: Kysely<unknown>) => Promise<void>;
}
