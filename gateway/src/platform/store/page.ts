/** Pages of lists by name, in the store or in memory: the cursor is the last name given, so that it survives changes. */
import { type SelectQueryBuilder, sql } from 'kysely';
import { searchKey } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import type { Database } from './database.ts';

export interface PageAsked {
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** Somewhere in the name, however it is composed, accented or written large. */
  readonly search?: string | undefined;
}

export interface NamesAsked {
  /** Somewhere in the name, however it is composed, accented or written large. */
  readonly search: string | undefined;
  readonly limit: number;
  readonly afterName: string | undefined;
}

/** For `query.$call`: the page of a table whose names are unique. */
export function byNames<Table extends 'users' | 'groups', Row>(table: Table, { search, limit, afterName }: NamesAsked) {
  return (query: SelectQueryBuilder<Database, Table, Row>): SelectQueryBuilder<Database, Table, Row> => {
    const name = sql.ref<string>(`${table}.name`);
    let page = query.orderBy(name).limit(limit);
    if (afterName !== undefined) page = page.where(name, '>', afterName);
    if (search === undefined || search === '') return page;
    const pattern = `%${searchKey(search).replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    return page.where(sql<boolean>`${sql.ref(`${table}.search_key`)} like ${pattern} escape '\\'`);
  };
}

/** `items` in any order; names need not be unique, ids are. */
export function pageByName<T extends { readonly id: string; readonly name: string }>(
  items: readonly T[],
  { limit, cursor, search = '' }: PageAsked,
): { items: T[]; next: string | undefined } {
  const wanted = searchKey(search.trim());
  const found = wanted === '' ? items : items.filter(({ name }) => searchKey(name).includes(wanted));
  const sorted = found.toSorted(byName);
  const after = cursor === undefined ? undefined : parseCursor(cursor);
  const rest = after === undefined ? sorted : sorted.filter((item) => 0 < byName(item, after));
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return { items: page, next: limit < rest.length && last !== undefined ? cursorOf(last) : undefined };
}

interface Place {
  readonly id: string;
  readonly name: string;
}

/** By code unit and not by a language's rules: the order must be the same on every machine. */
function byName(a: Place, b: Place): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}

const cursorOf = ({ name, id }: Place): string => Buffer.from(JSON.stringify([name, id])).toString('base64url');

function parseCursor(cursor: string): Place {
  try {
    const [name, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof name === 'string' && typeof id === 'string') return { name, id };
  } catch {
    // Falls through to the refusal.
  }
  throw new GatewayError('BAD_REQUEST', 'the cursor is not one of ours');
}
