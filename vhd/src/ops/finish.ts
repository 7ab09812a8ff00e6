/** Finishes operations that were cut off: SEALED-STAYS allows a commit to write, and this is how a cut one ends. */

import { openLinks } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { isVhdError } from '../errors.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { doSteps, hasJournal, readJournal, removeJournal } from './journal.ts';
import { withLocks } from './locks.ts';
import { finishMerge } from './merge.ts';

/** Where to look for journals. */
export interface FinishOptions extends OperationOptions {
  readonly policy?: ChainPolicy;
}

/**
 * Finishes what was cut off on an image and on every image below it. Returns the images that had something to finish.
 * To be called before an image is opened for writing. Errors: LOCKED (it is under way), JOURNAL, NO_SPACE, IO.
 */
export async function finishPending(name: string, options: FinishOptions = {}): Promise<readonly string[]> {
  const finished: string[] = [];
  for (;;) {
    const pending = linksOf(name, options).find(
      (link) => !finished.includes(link) && hasJournal(link, storageOf(options)),
    );
    if (pending === undefined) return finished;
    await finishOne(pending, options);
    finished.push(pending);
  }
}

async function finishOne(image: string, options: FinishOptions): Promise<void> {
  const storage = storageOf(options);
  const journal = readJournal(image, storage, options.policy);
  switch (journal?.kind) {
    case undefined:
      return;
    case 'merge':
      await finishMerge(journal.plan, options);
      return;
    case 'steps': {
      const { steps } = journal;
      await withLocks([image], storage, () => doSteps(steps, storage));
      await removeJournal(image, storage);
    }
  }
}

/** The image, and its parents as far as they can be found: a journal may be what keeps the chain from opening. */
function linksOf(name: string, options: FinishOptions): readonly string[] {
  try {
    const links = openLinks(name, chainOptions(options));
    for (const image of links) void image.close();
    return [name, ...links.slice(1).map((image) => image.path)];
  } catch (error) {
    if (isVhdError(error)) return [name];
    throw error;
  }
}
