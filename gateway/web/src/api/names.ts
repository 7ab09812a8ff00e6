/**
 * The gateway's messages name things by their ids; a person knows them by their names. What this page has been told of has
 * a name; what it has not is "such" or "this".
 */

import { text as catalogue } from '../text/text.ts';

const words = catalogue.api.names;

/** Ids of VMs (UUIDs) and of everything else (16 letters and digits, of which one at least is a digit). */
const ID = '(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-z]*[2-9])[a-kmnp-z2-9]{16})';
const NONE_OF = new RegExp(`\\bno (\\w+) (${ID})\\b`, 'g');
const ONE_OF = new RegExp(`\\b(?:(the|a) )?(\\w+) (${ID})\\b`, 'g');
const ANY = new RegExp(`\\b${ID}\\b`, 'g');

/** Pure. `nameOf` gives nothing for what it does not know. */
export function withNames(text: string, nameOf: (id: string) => string | undefined): string {
  return text
    .replaceAll(NONE_OF, (_, kind: string, id: string) => {
      const name = nameOf(id);
      return name === undefined ? words.noSuch(kind) : words.no(kind, name);
    })
    .replaceAll(ONE_OF, (_, article: string | undefined, kind: string, id: string) => {
      const name = nameOf(id);
      if (name !== undefined) return `${article === undefined ? '' : `${article} `}${kind} ${name}`;
      return KINDS.has(kind) ? words.this(kind) : `${kind} ${words.it}`;
    })
    .replaceAll(ANY, (id) => nameOf(id) ?? words.it);
}

/** Words before an id that say what it is; any other word is part of the sentence. */
const KINDS: ReadonlySet<string> = new Set([
  'desktop',
  'session',
  'VM',
  'disk',
  'image',
  'template',
  'snapshot',
  'checkpoint',
  'host',
  'storage',
  'user',
  'group',
  'task',
  'assignment',
  'join',
]);

const DEPTH = 5;

/** The name of the thing with that id, in whatever answers of the API are at hand. Pure. */
export function nameIn(data: unknown, id: string, depth: number = DEPTH): string | undefined {
  if (typeof data !== 'object' || data === null || depth === 0) return undefined;
  const one = data as Readonly<Record<string, unknown>>;
  for (const [key, name] of [
    ['id', 'name'],
    ['desktopId', 'desktopName'],
    ['userId', 'userName'],
    ['hostId', 'hostName'],
  ] as const) {
    if (one[key] === id && typeof one[name] === 'string' && one[name] !== '') return one[name];
  }
  for (const value of Object.values(one)) {
    const found = nameIn(value, id, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
