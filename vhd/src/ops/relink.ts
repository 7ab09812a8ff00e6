/** Gives a differencing image another parent, or the same one at another place, in one journaled step. */
import { relinkPatch } from '../formats/vhd/relink.ts';
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
  parentUuid: string,
  storage: Storage,
): readonly JournalStep[] {
  const file = storage.open(child, 'read');
  try {
    const patch = relinkPatch(file, parentLink(child, parent, parentUuid, storage));
    return patchSteps({ do: 'patch', file: child, ...patch }, storage);
  } finally {
    void file.close();
  }
}
