/** What is said where no parent was found: which names were looked for, where, and what to do. */
import { VhdError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import type { StoredParent } from '../image/parent-link.ts';
import { namesOf, type ParentPlace } from './parent-places.ts';

/** Why a place does not have the parent. */
export interface Refusal {
  readonly place: ParentPlace;
  readonly why: 'not there' | 'outside' | 'mismatch';
  /** For `mismatch` and a link that leads out: what is there. */
  readonly detail?: string;
}

/** So many places are named; an image may state as many as it likes. */
const MOST_NAMED = 8;

/**
 * PARENT_MISMATCH where something of that name is there, PARENT_OUTSIDE where the way to it from the child leads out of the
 * folders that may be read, and else PARENT_NOT_FOUND.
 */
export function parentRefusal(child: Image, stored: StoredParent, refusals: readonly Refusal[]): VhdError {
  const whatToDo = `--parents FOLDER names a folder to search; oriel vhd rebase ${child.path} --parent FILE --unsafe ties it to a file that was moved or renamed`;
  const mismatch = refusals.find(({ why }) => why === 'mismatch');
  if (mismatch !== undefined)
    return new VhdError('PARENT_MISMATCH', `parent of ${child.path}: ${shown(mismatch.detail ?? '')}. ${whatToDo}`);
  const names = namesOf(stored).map(shown).join(', ') || 'without a name';
  const missing = refusals.filter(({ why }) => why === 'not there').map(({ place }) => shown(place.path));
  const outside = refusals.filter(({ why }) => why === 'outside').map(outsideOf);
  const parts = [
    `the parent of ${child.path} was not found (${names}, identity ${stored.identity})`,
    ...(missing.length === 0 ? [] : [`not there: ${listed(missing)}`]),
    ...(outside.length === 0 ? [] : [`not looked at, outside of the folders that may be read: ${listed(outside)}`]),
  ];
  const code = isOutside(refusals) ? 'PARENT_OUTSIDE' : 'PARENT_NOT_FOUND';
  return new VhdError(code, `${parts.join('; ')}. ${whatToDo}`);
}

/** Where a relative path leads to a place that may be looked at, absolute ones are of a machine or a folder of before. */
function isOutside(refusals: readonly Refusal[]): boolean {
  const ofKind = (kind: ParentPlace['kind']): readonly Refusal[] => refusals.filter(({ place }) => place.kind === kind);
  const decisive = 0 < ofKind('relative').length ? ofKind('relative') : [...ofKind('absolute'), ...ofKind('remote')];
  return 0 < decisive.length && decisive.every(({ why }) => why === 'outside');
}

/** The path as the image has it, and what it is here where that is another text. */
function outsideOf({ place, detail }: Refusal): string {
  if (detail !== undefined) return shown(detail);
  return place.kind === 'relative' ? `${shown(place.written)} (${shown(place.path)})` : shown(place.written);
}

function listed(names: readonly string[]): string {
  const more = MOST_NAMED < names.length ? `, and ${names.length - MOST_NAMED} more` : '';
  return `${names.slice(0, MOST_NAMED).join(', ')}${more}`;
}

/** Text out of a file that anybody may have written: no control characters reach a terminal. */
const shown = (text: string): string => text.replaceAll(/\p{Cc}/gu, '\u{fffd}').slice(0, 512);
