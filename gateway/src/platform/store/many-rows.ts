/**
 * Writes many rows with few statements: pieces of a few lengths, each put together (by Kysely) and prepared (by SQLite) once
 * for all. A statement for each number of rows would be made anew nearly every time, which costs as much as running it.
 */
import type { CompiledQuery, Kysely } from 'kysely';
import type { Database } from './database.ts';

const PIECES = [64, 16, 4, 1] as const;

export class ManyRows<Row extends object> {
  readonly #insert: (db: Kysely<Database>, rows: readonly Row[]) => { compile(): CompiledQuery };
  readonly #compiled = new Map<number, CompiledQuery>();

  /** For one database: what was compiled speaks its dialect. `insert` has no parameters but the values of the rows. */
  constructor(insert: (db: Kysely<Database>, rows: readonly Row[]) => { compile(): CompiledQuery }) {
    this.#insert = insert;
  }

  /** All rows have the same keys in the same order. Without a transaction around it each piece is one. */
  async write(db: Kysely<Database>, rows: readonly Row[]): Promise<void> {
    for (let at = 0; at < rows.length; ) {
      const left = rows.length - at;
      const length = PIECES.find((piece) => piece <= left) ?? 1;
      const piece = rows.slice(at, at + length);
      let compiled = this.#compiled.get(length);
      if (compiled === undefined) {
        compiled = this.#insert(db, piece).compile();
        this.#compiled.set(length, compiled);
      }
      const parameters = piece.flatMap((row) => Object.values(row) as unknown[]);
      await db.executeQuery({ ...compiled, parameters });
      at += length;
    }
  }
}
