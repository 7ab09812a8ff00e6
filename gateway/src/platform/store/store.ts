/**
 * The gateway's own state: SQLite (WAL, synchronous=FULL: what was answered is on the disk) or PostgreSQL where a URL
 * says so. The same migrations and the same queries on both.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, type Migration, Migrator, PostgresDialect, type SqliteDatabase, SqliteDialect } from 'kysely';
import pg from 'pg';
import { GatewayError, StartError } from '../../errors.ts';
import type { Database as Tables } from './database.ts';
import { migrations } from './migrations/index.ts';

export type StoreKind = 'sqlite' | 'postgres';

export interface StoreOptions {
  /** Folder of the SQLite file. */
  readonly folder: string;
  /** `postgres://…`: PostgreSQL instead. */
  readonly databaseUrl?: string | undefined;
}

export interface Store {
  readonly kind: StoreKind;
  readonly db: Kysely<Tables>;
  close(): Promise<void>;
}

const STATEMENTS = { kept: 1_000 } as const;
const POOL = { connections: 10, connectMs: 5_000 } as const;
/** PostgreSQL's type id of int8. Our bigints are times and counts, all below 2^53. */
const INT8 = 20;

/** Opens the store and brings its schema up to date. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const kind: StoreKind = options.databaseUrl === undefined ? 'sqlite' : 'postgres';
  const db = new Kysely<Tables>({
    dialect: options.databaseUrl === undefined ? sqlite(options.folder) : postgres(options.databaseUrl),
  });
  try {
    await migrate(db);
  } catch (cause) {
    await db.destroy();
    throw cause;
  }
  return { kind, db, close: () => db.destroy() };
}

function sqlite(folder: string): SqliteDialect {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, 'gateway.db');
  try {
    // Made by us first, so that nobody else can read it; SQLite gives its side files the same mode.
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    const database = new Database(file);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma('busy_timeout = 5000');
    return new SqliteDialect({ database: withPreparedOnce(database) });
  } catch (cause) {
    throw new StartError(`cannot open ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The few hundred statements that we have are compiled once, not at each use: half of the time of a small query. */
function withPreparedOnce(database: Database.Database): SqliteDatabase {
  const prepared = new Map<string, Database.Statement>();
  return {
    prepare: (text) => {
      const known = prepared.get(text);
      if (known !== undefined) return known;
      const statement = database.prepare(text);
      // Lists of values make statements of every length: start afresh rather than keep them all.
      if (STATEMENTS.kept <= prepared.size) prepared.clear();
      prepared.set(text, statement);
      return statement;
    },
    close: () => database.close(),
  };
}

function postgres(url: string): PostgresDialect {
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8, Number);
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL.connections,
    connectionTimeoutMillis: POOL.connectMs,
    types,
  });
  // An idle connection that the server closes is replaced at the next query; without a listener it would end the process.
  pool.on('error', () => undefined);
  return new PostgresDialect({ pool });
}

async function migrate(db: Kysely<Tables>): Promise<void> {
  const known = Object.fromEntries(migrations.map(({ name, up }) => [name, { up } satisfies Migration]));
  if (Object.keys(known).length !== migrations.length) throw new StartError('two migrations have the same name');
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => known },
    // Features number theirs in ranges of their own, so a new one may sort before an old one.
    allowUnorderedMigrations: true,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  const where = failed === undefined ? 'the store cannot be brought up to date' : `migration ${failed} failed`;
  throw new StartError(`${where}: ${error instanceof Error ? error.message : 'no reason given'}`, { cause: error });
}

/** Turns a broken unique constraint into ALREADY_EXISTS; anything else goes on as it is. */
export function uniqueOr(message: string): (cause: unknown) => never {
  return (cause) => {
    const code = (cause as { code?: unknown }).code;
    if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || code === '23505') {
      throw new GatewayError('ALREADY_EXISTS', message, { cause });
    }
    throw cause;
  };
}
