/** Gives a differencing image another parent, or the same one at another place, in one journaled step. */
import { lookInto } from '../formats/open.ts';
import type { Storage } from '../storage/storage.ts';
import { parentLink } from './create.ts';
import { type JournalStep, patchSteps } from './journal.ts';

/**
 * The steps that make `child` a child of `parent`. Nothing is written yet. A sealed child is sealed again at the end.
 * Errors: NO_PARENT where `child` is not differencing, NOT_FOUND, NOT_VHD.
 */
export function relinkSteps(
  child: string,
  parent: string,
  parentIdentity: string,
  storage: Storage,
): readonly JournalStep[] {
  const link = parentLink(child, parent, parentIdentity, storage);
  const { identity, ...patch } = lookInto(child, storage, (file, format) => format.relink(file, link));
  return patchSteps({ do: 'patch', file: child, uuid: identity, ...patch }, storage);
}
