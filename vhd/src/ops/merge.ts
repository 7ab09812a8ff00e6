/**
 * Folds links of a chain down into an ancestor, in place. What is copied is copied over content that the folded links
 * hide, so at every moment the chain above reads the same, and after a cut the copy can simply be done again: the
 * journal beside the target says that it has to be. Only when all of it is on stable storage are the children above
 * re-linked and the folded files removed, by steps that are in the journal before the first is done.
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
import { identityStep } from './identify.ts';
import {
  doSteps,
  hasJournal,
  type JournalStep,
  type MergePlan,
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
  const storage = storageOf(options);
  const plan = planMerge(name, options, storage);
  return withLocks(lockedBy(plan, storage), storage, async () => {
    await growTarget(name, plan, options, storage);
    const renewed = await renewTarget(plan, storage);
    await writeJournal(plan.target, { kind: 'merge', plan: renewed }, storage);
    return await fold(renewed, options, storage).catch((error: unknown) => {
      throw withAdvice(error, plan, storage);
    });
  });
}

/** Who stops a merge, or runs out of space, learns what stands now and how it goes on. */
function withAdvice(error: unknown, { target, links }: MergePlan, storage: Storage): unknown {
  if (!isVhdError(error) || !hasJournal(target, storage)) return error;
  const advice = `${links[0]?.file ?? target} reads as before; oriel vhd merge ${target} --continue goes on, --abort gives up`;
  return new VhdError(error.code, `${error.message}; ${advice}`, { cause: error.cause ?? error });
}

/** Does what a merge journal says, from the start: also how a merge that was cut off is finished. Errors: as `mergeImage`. */
export async function finishMerge(plan: MergePlan, options: MergeOptions): Promise<MergeResult> {
  const storage = storageOf(options);
  return withLocks(lockedBy(plan, storage), storage, () => fold(plan, options, storage));
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
  if (0 < children.length) steps.push({ do: 'mode', file: plan.target, isWritable: false });
  // From here on there is no way back: the journal of the copy becomes the journal of the steps, atomically.
  await writeJournal(plan.target, { kind: 'steps', steps }, storage);
  await doSteps(steps, storage);
  await removeJournal(plan.target, storage);
  return { target: plan.target, removed: plan.links.map((link) => link.file), relinked: children };
}

/**
 * From the first copied byte on the target is no longer what clones of it were made from. Those that are seen are refused;
 * for those that are not, the target gets another identity: they then fail to open, with a message that names both, and do
 * not read otherwise without a word. The journal lies beside the link that is tied to it: who comes from above finds it.
 */
async function renewTarget(plan: MergePlan, storage: Storage): Promise<MergePlan> {
  const lowest = plan.links.at(-1);
  if (lowest === undefined) return plan;
  const step = identityStep(plan.target, randomUUID(), storage);
  const renewed = { ...plan, targetUuid: step.becomes };
  const steps = [{ ...step, isGuarded: true }, ...relinkSteps(lowest.file, plan.target, step.becomes, storage)];
  await runSteps(lowest.file, steps, storage);
  return renewed;
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
async function growTarget(name: string, plan: MergePlan, options: MergeOptions, storage: Storage): Promise<void> {
  const size = sizeOf(name, storage);
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
