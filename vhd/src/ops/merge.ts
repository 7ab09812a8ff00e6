/**
 * Folds links of a chain down into an ancestor, in place. What is copied is copied over content that the folded links
 * hide, so at every moment the chain above reads the same, and after a cut the copy can simply be done again: the
 * journal beside the target says that it has to be. Only when all of it is on stable storage are the children above
 * re-linked and the folded files removed, by steps that are in the journal before the first is done. From the first
 * moment on some journal says what is to be merged, so that a merge that was cut off at any point can be gone on with.
 *
 * SEALED-STAYS: this is the journaled commit, the one thing that may write to an image that has a child. It refuses
 * where anything but the folded links depends on an image that would change or go.
 */
import { randomUUID } from 'node:crypto';
import { ChainDisk } from '../chain/chain-disk.ts';
import { findChildren } from '../chain/children.ts';
import { openLinks } from '../chain/open.ts';
import { inParallel, SLOT_HEAD_BYTES } from '../copy/copy.ts';
import { FileWriter } from '../copy/file-writer.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { dataRanges, type Range } from '../copy/pieces.ts';
import { isZero } from '../copy/zeros.ts';
import { isVhdError, VhdError } from '../errors.ts';
import { openImage } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { Image } from '../image/image.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { SECTOR_BYTES } from '../units.ts';
import { checkUsage } from '../usage.ts';
import { identityStep } from './identify.ts';
import {
  doSteps,
  hasJournal,
  isImage,
  type JournalStep,
  type MergePlan,
  readJournal,
  removeJournal,
  runSteps,
  writeJournal,
} from './journal.ts';
import { withLocks } from './locks.ts';
import { relinkSteps } from './relink.ts';
import { resizeImage } from './resize.ts';

/** How a merge is done. */
export interface MergeOptions extends OperationOptions {
  /** The image to fold into; the parent when left out. */
  readonly into?: string;
  /** Where parents may lie, and where children are looked for, besides the folder of the image. */
  readonly policy?: ChainPolicy;
}

/** What a merge did. */
export interface MergeResult {
  /** The image that has the content now. */
  readonly target: string;
  /** The files that are gone. */
  readonly removed: readonly string[];
  /** The images that are children of the target now. */
  readonly relinked: readonly string[];
}

/**
 * Folds `name`, and the links between it and `into`, into that ancestor. Children of `name` become children of the
 * ancestor; without any, the ancestor is a leaf again and may be written to.
 * Errors: NO_PARENT, NOT_AN_ANCESTOR, HAS_CHILDREN, LOCKED, CANCELLED (before anything is changed for good), NO_SPACE, IO.
 */
export async function mergeImage(name: string, options: MergeOptions = {}): Promise<MergeResult> {
  checkUsage('mergeImage', { paths: { name }, options });
  const storage = storageOf(options);
  const plan = planMerge(name, options, storage);
  return withLocks(lockedBy(plan, storage), storage, () => carryOut(plan, options, storage));
}

async function carryOut(plan: MergePlan, options: MergeOptions, storage: Storage): Promise<MergeResult> {
  try {
    return await fold(await prepare(plan, options, storage), options, storage);
  } catch (error) {
    throw withAdvice(error, plan, storage);
  }
}

/** Who stops a merge, or runs out of space, learns what stands now and how it goes on. */
function withAdvice(error: unknown, plan: MergePlan, storage: Storage): unknown {
  const { target, links } = plan;
  const isBegun = hasJournal(target, storage) || hasJournal(lowestOf(plan), storage);
  if (!isVhdError(error) || !isBegun) return error;
  const advice = `${links[0]?.file ?? target} reads as before; oriel vhd merge ${target} --continue goes on, --abort gives up`;
  return new VhdError(error.code, `${error.message}; ${advice}`, { cause: error.cause ?? error });
}

/** Does what a merge journal says, from the start: also how a merge that was cut off is finished. Errors: as `mergeImage`. */
export async function finishMerge(plan: MergePlan, options: MergeOptions): Promise<MergeResult> {
  const storage = storageOf(options);
  return withLocks(lockedBy(plan, storage), storage, async () => {
    refuseOtherImages(plan, storage);
    const lowest = lowestOf(plan);
    const before = readJournal(lowest, storage, options.policy);
    // What prepared this merge is done: else there were no journal of the merge itself.
    if (before?.kind === 'steps' && before.prepares?.target === plan.target) await removeJournal(lowest, storage);
    return fold(plan, options, storage);
  });
}

/**
 * Goes on with a merge that was cut off before its copy. The steps of `journal`, which lies beside the lowest folded link,
 * may have been done. Errors: as `mergeImage`, JOURNAL.
 */
export async function finishPrepared(
  { steps, prepares: plan }: PreparingJournal,
  options: MergeOptions,
): Promise<MergeResult> {
  const storage = storageOf(options);
  return withLocks(lockedBy(plan, storage), storage, async () => {
    const own = readJournal(plan.target, storage, options.policy); // Of a change of its size, where that was cut off.
    if (own?.kind === 'steps') await runSteps(plan.target, own.steps, storage);
    await doSteps(steps, storage);
    refuseOtherImages(plan, storage);
    if (steps.length === 0) return carryOut(plan, options, storage);
    await begin(plan, storage);
    return fold(plan, options, storage);
  });
}

/** A journal of what has to be done before the copy of a merge. */
export interface PreparingJournal {
  readonly steps: readonly JournalStep[];
  readonly prepares: MergePlan;
}

/** A plan may have been written by anybody, and files may have been put in place of others. Errors: JOURNAL. */
function refuseOtherImages({ target, targetUuid, links }: MergePlan, storage: Storage): void {
  for (const { file, uuid } of [{ file: target, uuid: targetUuid }, ...links])
    if (!isImage(file, uuid, storage)) throw new VhdError('JOURNAL', `${file} is not the image of the journal`);
}

/** The target, and the topmost link where somebody could write to it. */
function lockedBy({ target, links }: MergePlan, storage: Storage): readonly string[] {
  const top = links[0]?.file;
  return top !== undefined && storage.stat(top)?.isWritable === true ? [target, top] : [target];
}

async function fold(plan: MergePlan, options: MergeOptions, storage: Storage): Promise<MergeResult> {
  storage.setWritable(plan.target, true);
  const children = childrenAbove(plan, options, storage);
  await copyDown(plan, options, storage);
  const steps: JournalStep[] = children.flatMap((child) => guardedRelink(child, plan, storage));
  for (const { file, uuid } of plan.links) steps.push({ do: 'remove', file, uuid });
  if (0 < children.length) steps.push({ do: 'mode', file: plan.target, uuid: plan.targetUuid, isWritable: false });
  // From here on there is no way back: the journal of the copy becomes the journal of the steps, atomically.
  await writeJournal(plan.target, { kind: 'steps', steps }, storage);
  await doSteps(steps, storage);
  await removeJournal(plan.target, storage);
  return { target: plan.target, removed: plan.links.map((link) => link.file), relinked: children };
}

/**
 * Makes the target ready for the copy. From the first copied byte on it is no longer what clones of it were made from. Those
 * that are seen are refused; for those that are not, the target gets another identity: they then fail to open, with a
 * message that names both, and do not read otherwise without a word. The journal lies beside the link that is tied to the
 * target: who comes from above finds it. Gives the plan with that identity, once its own journal lies beside the target.
 */
async function prepare(plan: MergePlan, options: MergeOptions, storage: Storage): Promise<MergePlan> {
  const lowest = lowestOf(plan);
  await writeJournal(lowest, { kind: 'steps', steps: [], prepares: plan }, storage);
  let steps: readonly JournalStep[];
  let renewed: MergePlan;
  try {
    await growTarget(plan, options, storage);
    const renewal = identityStep(plan.target, randomUUID(), storage);
    renewed = { ...plan, targetUuid: renewal.becomes };
    steps = [{ ...renewal, isGuarded: true }, ...relinkSteps(lowest, plan.target, renewal.becomes, storage)];
    await writeJournal(lowest, { kind: 'steps', steps, prepares: renewed }, storage);
  } catch (error) {
    if (!hasJournal(plan.target, storage)) await removeJournal(lowest, storage); // Nothing was begun.
    throw error;
  }
  await doSteps(steps, storage);
  await begin(renewed, storage);
  return renewed;
}

/** Hands the merge on from the journal of what prepares it to its own. */
async function begin(plan: MergePlan, storage: Storage): Promise<void> {
  await writeJournal(plan.target, { kind: 'merge', plan }, storage);
  await removeJournal(lowestOf(plan), storage);
}

/** The folded link that is a child of the target. */
function lowestOf({ links, target }: MergePlan): string {
  return links.at(-1)?.file ?? target;
}

function guardedRelink(child: string, plan: MergePlan, storage: Storage): readonly JournalStep[] {
  const steps = relinkSteps(child, plan.target, plan.targetUuid, storage);
  return steps.map((step) => (step.do === 'patch' ? { ...step, isGuarded: true } : step));
}

/** Which links go into which image, or why not. Errors: NO_PARENT, NOT_AN_ANCESTOR, HAS_CHILDREN. */
export function planMerge(name: string, options: MergeOptions, storage: Storage): MergePlan {
  const links = openLinks(name, chainOptions(options));
  try {
    if (links.length === 1) throw new VhdError('NO_PARENT', `${name} has no parent to be merged into`);
    const end = options.into === undefined ? 1 : indexOf(links, options.into, storage);
    const target = links[end];
    if (target === undefined || end < 1)
      throw new VhdError('NOT_AN_ANCESTOR', `${options.into ?? ''} is not an ancestor of ${name}`);
    for (let i = 1; i <= end; i++) refuseOthers(links[i], links[i - 1], options, storage);
    const folded = links.slice(0, end).map((image) => ({ file: storage.resolve(image.path), uuid: image.identity }));
    return { target: storage.resolve(target.path), targetUuid: target.identity, links: folded };
  } finally {
    for (const image of links) void image.close();
  }
}

/** A child that is larger than the target brings its size along. It takes effect before the copy and does no harm without it. */
async function growTarget(plan: MergePlan, options: MergeOptions, storage: Storage): Promise<void> {
  const size = sizeOf(plan.links[0]?.file ?? plan.target, storage);
  const targetSize = sizeOf(plan.target, storage);
  if (size === targetSize) return;
  const { into: _, ...rest } = options;
  await resizeImage(plan.target, { ...rest, sizeBytes: size, isShrinking: size < targetSize, isCommit: true });
}

/** Copies everything that the folded links store into the target, and syncs it. */
async function copyDown(plan: MergePlan, options: MergeOptions, storage: Storage): Promise<void> {
  const target = openImage(plan.target, { storage, isReadOnly: false, isCommit: true });
  // Only the folded links: what none of them stores is not allocated in this disk, and left alone.
  const source = new ChainDisk(plan.links.map(({ file }) => openImage(file, { storage })));
  try {
    const writer = new FileWriter(target.file);
    const pieceBytes = Math.min(target.blockBytes, PIECE_BYTES);
    const pieces = piecesOf(dataRanges(source), pieceBytes)[Symbol.asyncIterator]();
    await inParallel(pieceBytes, options, source.sizeBytes, async (bytes) => {
      const next = await pieces.next();
      if (next.done === true) return undefined;
      const { offset, length } = next.value;
      await source.read(bytes.subarray(SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + length), offset);
      await putPiece(target, writer, bytes, next.value);
      if (MAX_DIRTY_BLOCKS < target.dirtyBlocks) await flushOnce(target);
      return offset + length;
    });
    await target.flush();
  } finally {
    await source.close();
    await target.close();
  }
}

const PIECE_BYTES: number = 2 << 20;
/** Blocks of metadata that wait for a sync; a flush writes the bitmaps of all of them. */
const MAX_DIRTY_BLOCKS = 1024;
const flushes = new WeakMap<Image, Promise<void>>();

/** An image may be flushed by one caller at a time: who comes while one runs waits for it. */
function flushOnce(image: Image): Promise<void> {
  const running = flushes.get(image);
  if (running !== undefined) return running;
  const flush = image.flush().finally(() => flushes.delete(image));
  flushes.set(image, flush);
  return flush;
}

async function putPiece(
  target: Image,
  writer: FileWriter,
  bytes: Uint8Array,
  { offset, length }: Range,
): Promise<void> {
  const isHole = !target.hasParent && target.positionOf(offset) < 0;
  if (isHole && isZero(bytes, SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + length)) return; // It reads as zero already.
  const block = Math.floor(offset / target.blockBytes);
  const within = offset - block * target.blockBytes;
  const position = target.ensureBlock(block) + within;
  target.touch();
  await writer.write(bytes, SLOT_HEAD_BYTES, length, position);
  target.markWritten(block, within / SECTOR_BYTES, length / SECTOR_BYTES);
}

/** Ranges cut at multiples of `pieceBytes`, which divides the size of a block: no piece lies in two blocks. */
async function* piecesOf(ranges: AsyncIterable<Range>, pieceBytes: number): AsyncGenerator<Range> {
  for await (const range of ranges) {
    const end = range.offset + range.length;
    for (let at = range.offset; at < end; ) {
      const stop = Math.min(end, (Math.floor(at / pieceBytes) + 1) * pieceBytes);
      yield { offset: at, length: stop - at };
      at = stop;
    }
  }
}

function refuseOthers(
  image: Image | undefined,
  child: Image | undefined,
  options: MergeOptions,
  storage: Storage,
): void {
  if (image === undefined || child === undefined) return;
  const own = storage.stat(child.path)?.identity;
  const others = childrenOf(image, options, storage).filter((other) => storage.stat(other)?.identity !== own);
  if (0 < others.length)
    throw new VhdError('HAS_CHILDREN', `other images depend on ${image.path}: ${others.join(', ')}`);
}

function childrenOf(
  image: Pick<Image, 'path' | 'identity'>,
  options: MergeOptions,
  storage: Storage,
): readonly string[] {
  return findChildren(image.path, image.identity, storage, options.policy?.folders ?? []);
}

/** The children of the topmost link: they become the target's. */
function childrenAbove(plan: MergePlan, options: MergeOptions, storage: Storage): readonly string[] {
  const top = plan.links[0];
  if (top === undefined) return [];
  const folders = [folderOf(plan.target), ...(options.policy?.folders ?? [])];
  return findChildren(top.file, top.uuid, storage, folders);
}

function indexOf(links: readonly Image[], name: string, storage: Storage): number {
  const identity = storage.stat(name)?.identity;
  if (identity === undefined) throw new VhdError('NOT_FOUND', `no such image: ${name}`);
  return links.findIndex((image) => storage.stat(image.path)?.identity === identity);
}

function sizeOf(name: string, storage: Storage): number {
  const image = openImage(name, { storage });
  void image.close();
  return image.sizeBytes;
}
