/**
 * Wrong usage of the library, said as that: what is handed in is looked at by its kind before anything is done with it.
 * Options are called the same in every call, so one table says what each has to be.
 */
import { VhdError } from './errors.ts';

interface Kind {
  readonly is: (value: unknown) => boolean;
  /** How it is called in a sentence. */
  readonly text: string;
}

const has = (value: unknown, ...calls: readonly string[]): boolean =>
  typeof value === 'object' &&
  value !== null &&
  calls.every((call) => typeof (value as Record<string, unknown>)[call] === 'function');

const isPath = (value: unknown): boolean => typeof value === 'string' && value !== '' && !value.includes('\0');

const PATH: Kind = { is: isPath, text: 'the path of a file' };
const WORD: Kind = { is: (value) => typeof value === 'string', text: 'a word' };
const BYTES: Kind = { is: (value) => typeof value === 'number' && Number.isFinite(value), text: 'a number of bytes' };
const CALL: Kind = { is: (value) => typeof value === 'function', text: 'a function' };
const FLAG: Kind = { is: (value) => typeof value === 'boolean', text: 'true or false' };
const OBJECT: Kind = { is: (value) => has(value) && !Array.isArray(value), text: 'an object' };
const DISK: Kind = { is: (value) => has(value, 'read', 'extents', 'close'), text: 'an open disk' };

const KINDS: Readonly<Record<string, Kind>> = {
  sizeBytes: BYTES,
  blockBytes: BYTES,
  grainBytes: BYTES,
  parent: PATH,
  as: PATH,
  into: PATH,
  to: WORD,
  from: WORD,
  format: WORD,
  type: WORD,
  uuid: {
    is: (value) => typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
    text: 'a UUID',
  },
  now: { is: (value) => value instanceof Date && !Number.isNaN(value.getTime()), text: 'a date' },
  storage: { is: (value) => has(value, 'open', 'stat', 'resolve'), text: 'a storage' },
  policy: {
    is: (value) => {
      if (!OBJECT.is(value)) return false;
      const { folders } = value as { readonly folders?: unknown };
      return folders === undefined || (Array.isArray(folders) && folders.every(isPath));
    },
    text: 'an object whose folders are a list of paths',
  },
  signal: { is: (value) => has(value, 'addEventListener'), text: 'an AbortSignal' },
  onProgress: CALL,
  onNote: CALL,
  serve: CALL,
};

/** What a call was handed. */
export interface Handed {
  readonly paths?: Readonly<Record<string, unknown>>;
  readonly disks?: Readonly<Record<string, unknown>>;
  readonly options?: unknown;
  /** Options that cannot be left out. */
  readonly needs?: readonly string[];
}

/** Errors: USAGE, with what the call takes and what it got. */
export function checkUsage(call: string, { paths = {}, disks = {}, options, needs = [] }: Handed): void {
  for (const [name, value] of Object.entries(paths)) check(call, name, value, PATH);
  for (const [name, value] of Object.entries(disks)) check(call, name, value, DISK);
  if (options === undefined && needs.length === 0) return;
  check(call, 'options', options, OBJECT);
  const given = options as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(given)) {
    const kind = KINDS[name] ?? (/^is[A-Z]/.test(name) ? FLAG : undefined);
    if (kind !== undefined && value !== undefined) check(call, name, value, kind);
  }
  for (const name of needs)
    if (given[name] === undefined) throw new VhdError('USAGE', `${call} needs ${name}: ${KINDS[name]?.text ?? 'it'}`);
}

function check(call: string, name: string, value: unknown, kind: Kind): void {
  if (kind.is(value)) return;
  throw new VhdError('USAGE', `${call}: ${name} is ${shown(value)}, and has to be ${kind.text}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number') return JSON.stringify(value);
  return value === null || value === undefined ? String(value) : `of type ${typeof value}`;
}
