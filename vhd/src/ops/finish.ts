/** Finishes operations that were cut off: SEALED-STAYS allows a commit to write, and this is how a cut one ends. */

import { findParent } from '../chain/parent.ts';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { isVhdError, VhdError } from '../errors.ts';
import { openImage } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { seal } from '../image/seal.ts';
import { DISK_LIMITS } from '../limits.ts';
import { OverlayStorage } from '../storage/overlay-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { doSteps, findPreparing, hasJournal, readJournal, removeJournal } from './journal.ts';
import { withLocks } from './locks.ts';
import { finishMerge, finishPrepared } from './merge.ts';

/** Where to look for journals. */
export interface FinishOptions extends OperationOptions {
  readonly policy?: ChainPolicy;
}

/**
 * Finishes what was cut off on an image and on every image below it. Returns the images that had something to finish.
 * To be called before an image is opened for writing. Errors: LOCKED (it is under way), JOURNAL, NO_SPACE, IO.
 */
export async function finishPending(name: string, options: FinishOptions = {}): Promise<readonly string[]> {
  checkUsage('finishPending', { paths: { name }, options });
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

/**
 * The same for a verb that changes an image and was not asked to merge: short operations are finished, a merge is not, since
 * that takes images away. Errors: IN_PROGRESS, with what can be done, and those of `finishPending`.
 */
export async function finishButMerges(name: string, options: FinishOptions = {}): Promise<void> {
  const storage = storageOf(options);
  for (const link of linksOf(name, options)) {
    const merge = pendingMerge(link, options);
    if (merge !== undefined) throw new VhdError('IN_PROGRESS', describeMerge(merge));
    if (hasJournal(link, storage)) await finishOne(link, options);
  }
}

/** A merge that was cut off: what it takes away, and whether it can still be given up. */
export interface PendingMerge {
  /** The image with the journal: the target, or before the copy has begun the lowest link that is folded. */
  readonly at: string;
  readonly target: string;
  /** What is folded into it, from the top, and goes. */
  readonly folded: readonly string[];
  /** False once everything is copied, and links and files are changed. */
  readonly canAbort: boolean;
}

/** The merge that waits on an image, on one below it, or to be begun from above into the image. Errors: JOURNAL. */
export function findPendingMerge(name: string, options: FinishOptions = {}): PendingMerge | undefined {
  for (const link of linksOf(name, options)) {
    const merge = pendingMerge(link, options);
    if (merge !== undefined) return merge;
  }
  const merge = findPreparing(name, storageOf(options), options.policy);
  return merge === undefined ? undefined : pendingMerge(merge, options);
}

/** The merge that the journal of an image tells of. Errors: JOURNAL. */
export function pendingMerge(image: string, options: FinishOptions): PendingMerge | undefined {
  const journal = readJournal(image, storageOf(options), options.policy);
  const plan = journal?.kind === 'merge' ? journal.plan : journal?.prepares;
  if (plan !== undefined)
    return { at: image, target: plan.target, folded: plan.links.map(({ file }) => file), canAbort: true };
  const steps = journal?.kind === 'steps' ? journal.steps : [];
  const removed = steps.flatMap((step) => (step.do === 'remove' ? [step.file] : []));
  return removed.length === 0 ? undefined : { at: image, target: image, folded: removed, canAbort: false };
}

/** What was cut off, and what can be done, in a sentence. */
export function describeMerge({ target, folded, canAbort }: PendingMerge): string {
  const names = folded.join(', ');
  const abort = canAbort ? ', --abort gives it up and keeps them' : '';
  return `a merge of ${names} into ${target} was cut off: oriel vhd merge ${target} --continue finishes it and removes ${names}${abort}`;
}

/**
 * Gives up a merge. The images that were to be folded stay, and what they read as. The target stays their parent, sealed,
 * with an identity of its own (see `mergeImage`): by itself it reads as something between the two.
 * Errors: IN_PROGRESS (it can only be finished), NOT_FOUND (nothing waits), LOCKED, IO.
 */
export async function abortMerge(name: string, options: FinishOptions = {}): Promise<PendingMerge> {
  const storage = storageOf(options);
  const merge = findPendingMerge(name, options);
  if (merge === undefined) throw new VhdError('NOT_FOUND', `no merge waits on ${name} or below it`);
  if (!merge.canAbort) throw new VhdError('IN_PROGRESS', describeMerge(merge));
  await withLocks([merge.target], storage, async () => {
    // One that was cut off while it began has two journals: of what prepared it, and its own.
    for (let next: PendingMerge | undefined = merge; next?.target === merge.target; ) {
      const journal = readJournal(next.at, storage, options.policy);
      if (journal?.kind === 'steps') await doSteps(journal.steps, storage); // What ties the two images belongs together.
      await removeJournal(next.at, storage);
      next = findPendingMerge(name, options);
    }
    seal(merge.target, storage);
  });
  return merge;
}

/**
 * The storage as it will be when what was cut off on an image, or below it, is done; nothing is written. What the end of a
 * merge would remove stays to be read. Errors: JOURNAL, IO.
 */
export async function seenThroughJournals(name: string, options: FinishOptions = {}): Promise<Storage> {
  const storage = storageOf(options);
  let overlay: OverlayStorage | undefined;
  const seen = new Set<string>();
  for (;;) {
    const at = overlay ?? storage;
    const links = linksOf(name, { ...options, storage: at });
    const pending = links.find((link) => !seen.has(link) && hasJournal(link, at));
    if (pending === undefined) return at;
    seen.add(pending);
    const journal = readJournal(pending, at, options.policy);
    // What a merge copies lies under what the folded links store: who reads through them sees no difference.
    if (journal?.kind !== 'steps') continue;
    overlay ??= new OverlayStorage(storage);
    await doSteps(
      journal.steps.filter((step) => step.do !== 'remove'),
      overlay,
    );
    await removeJournal(pending, overlay);
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
      const { steps, prepares } = journal;
      if (prepares !== undefined) {
        await finishPrepared({ steps, prepares }, options);
        return;
      }
      await withLocks([image], storage, () => doSteps(steps, storage));
      await removeJournal(image, storage);
    }
  }
}

/** The image, and its parents as far as they can be found: a journal may be what keeps the chain from opening. */
function linksOf(name: string, options: FinishOptions): readonly string[] {
  const found = [name];
  try {
    for (let next: string | undefined = name; next !== undefined && found.length < DISK_LIMITS.chainLinks; ) {
      next = parentOf(next, name, options);
      if (next !== undefined) found.push(next);
    }
  } catch (error) {
    if (!isVhdError(error)) throw error;
  }
  return found;
}

function parentOf(name: string, leaf: string, options: FinishOptions): string | undefined {
  const storage = storageOf(options);
  const image = openImage(name, { storage });
  try {
    if (image.parent === undefined) return undefined;
    const parent = findParent(image, image.parent, { storage, leaf, policy: options.policy ?? {} });
    return parent.isRaw ? undefined : parent.path;
  } finally {
    void image.close();
  }
}
