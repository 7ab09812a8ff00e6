/** Checks of what a peer sent as JSON: each takes a value and its name, and gives the value back with its type. Pure. */
import { isAbsolute } from 'node:path';
import { VhdError } from '../../errors.ts';
import { checkId, checkOwner, type Owner } from './ids.ts';

export type Fields = Readonly<Record<string, unknown>>;
export type Check<T> = (value: unknown, name: string) => T;

export const NAME_CHARS = 128;
export const DESCRIPTION_CHARS = 2000;
export const PATH_CHARS = 4096;
const MAX_BYTES = 64 * 2 ** 40;

export const wrong = (name: string, wanted: string): never => {
  throw new VhdError('USAGE', `${name} must be ${wanted}`);
};
export const object: Check<Fields> = (value, name) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : wrong(name, 'an object');
export const text =
  (chars: number): Check<string> =>
  (value, name) =>
    typeof value === 'string' && 0 < value.length && value.length <= chars && !value.includes('\0')
      ? value
      : wrong(name, `a text of at most ${chars} characters`);
export const id: Check<string> = (value, name) => checkId(text(40)(value, name));
export const bytes: Check<number> = (value, name) =>
  Number.isSafeInteger(value) && 0 < (value as number) && (value as number) <= MAX_BYTES
    ? (value as number)
    : wrong(name, `a number of bytes up to ${MAX_BYTES}`);
export const count: Check<number> = (value, name) =>
  Number.isSafeInteger(value) && 0 <= (value as number) ? (value as number) : wrong(name, 'a whole number from 0');
export const flag: Check<boolean> = (value, name) =>
  typeof value === 'boolean' ? value : wrong(name, 'true or false');
export const oneOf =
  <T extends string>(...words: readonly T[]): Check<T> =>
  (value, name) =>
    words.find((word) => word === value) ?? wrong(name, words.join(' or '));

export const absolutePath: Check<string> = (value, name) => {
  const path = text(PATH_CHARS)(value, name);
  return isAbsolute(path) ? path : wrong(name, 'an absolute path');
};

/** Text that becomes no file name: the name of an operation, which whoever asks makes up. */
export const operation: Check<string> = (value, name) => {
  const given = text(128)(value, name);
  return /^[A-Za-z0-9._:/-]+$/.test(given) ? given : wrong(name, 'letters, digits and ._:/- only');
};
export const owner: Check<Owner> = (value, name) => checkOwner(text(81)(value, name));
export const ownerOrNobody: Check<Owner | null> = (value, name) => (value === null ? null : owner(value, name));

/** Text that may be empty. */
export const words =
  (chars: number): Check<string> =>
  (value, name) =>
    value === '' ? '' : text(chars)(value, name);

/** An optional field: present in the result only where it was sent. */
export function optional<K extends string, T>(fields: Fields, name: K, check: Check<T>): { readonly [P in K]?: T } {
  const value = fields[name];
  return value === undefined ? {} : ({ [name]: check(value, name) } as { readonly [P in K]?: T });
}

export function onlyId(fields: Fields): { readonly id: string } {
  return { id: id(fields['id'], 'id') };
}
