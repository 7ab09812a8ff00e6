/**
 * What somebody obtained from the API, in words that a person can compare: which fields came with something in them, whose
 * things are in them, or how it was refused. Pure.
 */
import type { Route } from '../../../gateway/api/route.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type: string;
}

/** Ids of things, and what the table calls them. */
export type Names = ReadonlyMap<string, string>;

/** One caller's outcome: two callers with the same words obtained the same. */
export type Said =
  | { readonly kind: 'refused'; readonly how: string }
  | { readonly kind: 'obtained'; readonly fields: readonly string[]; readonly things: readonly string[] };

/** `access` with an object answers 404 to who may not know of it; elsewhere a 404 means that somebody was let in. */
export function saidOf(route: Route, { status, text, type }: Answer, names: Names): Said {
  if (status < 300) return obtained(type, text, names);
  const code = codeOf(text) ?? '';
  const isAboutObject = typeof route.access === 'object' && 'on' in route.access;
  const isHidden = status === 404 && isAboutObject && /"detail":"there is no /.test(text);
  if (status === 401 || status === 403) return { kind: 'refused', how: `refused (${code})` };
  if (isHidden) return { kind: 'refused', how: 'not told that there is one' };
  return { kind: 'refused', how: `let in (${status} ${code})` };
}

function obtained(type: string, text: string, names: Names): Said {
  if (!type.includes('json')) return { kind: 'obtained', fields: text === '' ? [] : [type], things: [] };
  const values: unknown[] = type.includes('ndjson')
    ? text
        .split('\n')
        .filter(Boolean)
        .map((line): unknown => JSON.parse(line))
    : [JSON.parse(text)];
  const fields = new Set<string>();
  for (const value of values) collect(value, '', fields);
  return { kind: 'obtained', fields: [...fields].toSorted(), things: thingsIn(text, names) };
}

/** Whose things are in the text. */
export function thingsIn(text: string, names: Names): string[] {
  return [...new Set([...names].filter(([id]) => text.includes(id)).map(([, name]) => name))].toSorted();
}

/** The paths that hold something: what is null, empty or absent was not obtained. Rights are named one by one. */
function collect(value: unknown, path: string, fields: Set<string>): void {
  if (value === null || value === undefined || value === '') return;
  if (Array.isArray(value)) {
    const isList = value.every((item) => typeof item === 'string');
    if (isList && /(^|\.)(rights|roles|scopes)$/.test(path)) {
      for (const item of value as string[]) fields.add(`${path}=${item}`);
    } else for (const item of value) collect(item, `${path}[]`, fields);
  } else if (typeof value === 'object') {
    for (const [key, part] of Object.entries(value)) collect(part, path === '' ? key : `${path}.${key}`, fields);
  } else fields.add(path);
}

function codeOf(text: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(text)?.[1];
}

const WIDTH = 120;

/** Callers of the table: alike ones have a family, and a short name in it. */
export interface Listed {
  readonly name: string;
  readonly family?: string | undefined;
  readonly short?: string | undefined;
}

/** One call as lines of the table: callers with the same outcome together, those who obtained something first. */
export function section(title: string, callers: readonly Listed[], outcomes: ReadonlyMap<string, Said>): string {
  const all = new Set([...outcomes.values()].flatMap((said) => (said.kind === 'obtained' ? said.fields : [])));
  const groups = new Map<string, Listed[]>();
  for (const caller of callers) {
    const words = wordsOf(outcomes.get(caller.name) as Said, all);
    groups.set(words, [...(groups.get(words) ?? []), caller]);
  }
  const ranked = [...groups].toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const crowd = ranked.reduce((most, one) => (most[1].length < one[1].length ? one : most))[0];
  const lines = ranked.map(([words, of]) =>
    wrapped(`${words}:`, words === crowd ? othersOf(ranked.length) : listOf(of)),
  );
  return [title, ...(all.size === 0 ? [] : [wrapped('fields:', [...all].toSorted().join(' '))]), ...lines].join('\n');
}

/** The largest group is whoever the others are not. */
const othersOf = (groups: number): string => (groups === 1 ? 'everybody' : 'everybody else');

function listOf(callers: readonly Listed[]): string {
  const families = new Map<string, string[]>();
  for (const { name, family = name, short = '' } of callers)
    families.set(family, [...(families.get(family) ?? []), short]);
  return [...families].map(([family, shorts]) => `${family} ${shorts.join(' ')}`.trim()).join(', ');
}

function wordsOf(said: Said, all: ReadonlySet<string>): string {
  if (said.kind === 'refused') return said.how;
  if (all.size === 0) return 'done';
  if (said.fields.length === 0) return 'nothing';
  const missing = [...all].filter((field) => !said.fields.includes(field)).toSorted();
  const things = said.things.length === 0 ? 'it' : said.things.join(' + ');
  if (missing.length === 0) return `all of ${things}`;
  const isMost = missing.length <= said.fields.length;
  return isMost ? `${things}, without ${missing.join(' ')}` : `${things}, only ${said.fields.toSorted().join(' ')}`;
}

/** What was obtained, then what was refused. */
function rank(words: string): number {
  return ['let in', 'not told', 'refused'].findIndex((start) => words.startsWith(start)) + 1;
}

function wrapped(head: string, text: string): string {
  const lines: string[] = [];
  let line = ' ';
  for (const word of `${head} ${text}`.split(' ')) {
    if (WIDTH < line.length + 1 + word.length) {
      lines.push(line);
      line = '     ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
