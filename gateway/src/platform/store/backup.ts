/**
 * Backup and restore of the gateway's own state: every row of every table as JSON lines, gzipped, in one consistent read.
 * It knows no database's own format, so a backup of SQLite can be restored into PostgreSQL.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { finished, pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Kysely, sql, type Transaction } from 'kysely';
import { GatewayError } from '../../errors.ts';
import type { Store } from './store.ts';

const FORMAT = 'oriel-gateway-backup';
const FORMAT_VERSION = 1;
const LIMITS = { rowsPerRead: 1_000, rowsPerWrite: 50 } as const;

interface Head {
  readonly format: string;
  readonly version: number;
  readonly at: string;
  /** The schema that the rows fit. */
  readonly migrations: readonly string[];
}
interface Row {
  readonly table: string;
  readonly row: Readonly<Record<string, unknown>>;
}
interface Tail {
  readonly rows: number;
}

type AnyDatabase = Record<string, Record<string, unknown>>;

/** Writes a backup to a new file that only its owner can read; nothing is left of one that fails. */
export async function backupStore(store: Store, file: string, now: number): Promise<{ readonly rows: number }> {
  const unfinished = `${file}.unfinished`;
  const zip = createGzip();
  const out = createWriteStream(unfinished, { mode: 0o600, flags: 'wx', flush: true });
  const done = finished(out);
  done.catch(() => undefined); // Awaited below; a failure before that must not be unhandled.
  zip.pipe(out);
  try {
    const put = async (value: unknown): Promise<void> => {
      if (!zip.write(`${JSON.stringify(value)}\n`)) await Promise.race([once(zip, 'drain'), done]);
    };
    const rows = await readAll(store, now, put);
    await put({ rows } satisfies Tail);
    zip.end();
    await done;
    await rename(unfinished, file);
    return { rows };
  } catch (cause) {
    out.destroy();
    await rm(unfinished, { force: true });
    throw new GatewayError('UNPROCESSABLE', `cannot write the backup to ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function readAll(store: Store, now: number, put: (value: unknown) => Promise<void>): Promise<number> {
  const db = store.db as unknown as Kysely<AnyDatabase>;
  const transaction = db.transaction();
  const consistent = store.kind === 'postgres' ? transaction.setIsolationLevel('repeatable read') : transaction;
  return consistent.execute(async (tx) => {
    await put({
      format: FORMAT,
      version: FORMAT_VERSION,
      at: new Date(now).toISOString(),
      migrations: await migrationsOf(tx),
    } satisfies Head);
    let count = 0;
    for (const table of await tablesOf(tx, store.kind)) {
      // By row place: every table is small enough to be read in pieces, and inside one transaction nothing moves.
      for (let offset = 0; ; offset += LIMITS.rowsPerRead) {
        const rows = await tx
          .selectFrom(table)
          .selectAll()
          .orderBy(sql`1`)
          .orderBy(sql`2`)
          .limit(LIMITS.rowsPerRead)
          .offset(offset)
          .execute();
        for (const row of rows) await put({ table, row } satisfies Row);
        count += rows.length;
        if (rows.length < LIMITS.rowsPerRead) break;
      }
    }
    return count;
  });
}

/** Replaces everything in the store with the backup, or changes nothing. The gateway must not be running. */
export async function restoreStore(store: Store, file: string): Promise<{ readonly rows: number }> {
  const db = store.db as unknown as Kysely<AnyDatabase>;
  return db.transaction().execute(async (tx) => {
    const tables = await tablesOf(tx, store.kind);
    const known = new Set(tables);
    for (const table of tables.toReversed()) await tx.deleteFrom(table).execute();
    let head: Head | undefined;
    let tail: Tail | undefined;
    let rows = 0;
    let batch: Row[] = [];
    const flush = async (): Promise<void> => {
      const [first] = batch;
      if (first !== undefined)
        await tx
          .insertInto(first.table)
          .values(batch.map(({ row }) => row))
          .execute();
      rows += batch.length;
      batch = [];
    };
    for await (const entry of entriesOf(file)) {
      if (head === undefined) {
        head = entry as Head;
        checkHead(head, await migrationsOf(tx), file);
        continue;
      }
      if ('rows' in (entry as object)) {
        tail = entry as Tail;
        continue;
      }
      const row = entry as Row;
      if (!known.has(row.table))
        throw new GatewayError('UNPROCESSABLE', `the backup has a table ${row.table} that this version does not know`);
      if (batch[0]?.table !== row.table || LIMITS.rowsPerWrite <= batch.length) await flush();
      batch.push(row);
    }
    await flush();
    if (tail?.rows !== rows) throw new GatewayError('UNPROCESSABLE', `${file} is cut off: it ends after ${rows} rows`);
    return { rows };
  });
}

async function* entriesOf(file: string): AsyncGenerator {
  const gunzip = createGunzip();
  const read = pipeline(createReadStream(file), gunzip);
  read.catch(() => undefined); // Awaited below; until then a failure shows as the end of the lines.
  try {
    for await (const line of createInterface({ input: gunzip, crlfDelay: Number.POSITIVE_INFINITY }))
      yield JSON.parse(line) as unknown;
    await read;
  } catch (cause) {
    throw new GatewayError('UNPROCESSABLE', `${file} cannot be read as a backup: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function checkHead(head: Head, migrations: readonly string[], file: string): void {
  if (head.format !== FORMAT || head.version !== FORMAT_VERSION)
    throw new GatewayError('UNPROCESSABLE', `${file} is not a backup of the gateway`);
  const unknown = head.migrations.filter((name) => !migrations.includes(name));
  if (0 < unknown.length)
    throw new GatewayError(
      'UNPROCESSABLE',
      `the backup is of a newer version (${unknown[0]}): restore it with that one`,
    );
  const missing = migrations.filter((name) => !head.migrations.includes(name));
  if (0 < missing.length)
    throw new GatewayError(
      'UNPROCESSABLE',
      `the backup is of an older version (before ${missing[0]}): restore it with that one, then upgrade`,
    );
}

async function migrationsOf(tx: Transaction<AnyDatabase>): Promise<string[]> {
  const rows = await tx.selectFrom('kysely_migration').select('name').orderBy('name').execute();
  return rows.map((row) => String(row['name']));
}

/** Our tables, each after those it refers to. */
async function tablesOf(tx: Transaction<AnyDatabase>, kind: Store['kind']): Promise<string[]> {
  const all = (await tx.introspection.getTables())
    .map((table) => table.name)
    .filter((name) => !name.startsWith('kysely_'));
  const refers = new Map<string, Set<string>>(all.map((name) => [name, new Set()]));
  const references =
    kind === 'sqlite'
      ? sql<{
          table: string;
          to: string;
        }>`select m.name as "table", f."table" as "to" from sqlite_master m, pragma_foreign_key_list(m.name) f where m.type = 'table'`
      : sql<{
          table: string;
          to: string;
        }>`select c.conrelid::regclass::text as "table", c.confrelid::regclass::text as "to" from pg_constraint c where c.contype = 'f'`;
  for (const { table, to } of (await references.execute(tx)).rows) if (table !== to) refers.get(table)?.add(to);
  const sorted: string[] = [];
  while (sorted.length < all.length) {
    const next = all
      .filter((name) => !sorted.includes(name))
      .find((name) => [...(refers.get(name) ?? [])].every((to) => sorted.includes(to)));
    if (next === undefined) throw new GatewayError('INTERNAL', 'the tables refer to each other in a circle');
    sorted.push(next);
  }
  return sorted;
}
