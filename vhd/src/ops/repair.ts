/**
 * Mends what can be mended without guessing: footers from their copy, padding, marks, times, interrupted operations.
 * Lost blocks are not invented. What is overwritten is kept in a file beside the image first; the writes are journaled.
 */
import path from 'node:path';
import { openLinks } from '../chain/open.ts';
import { chainOptions, storageOf } from '../copy/options.ts';
import type { Range } from '../copy/pieces.ts';
import { isVhdError, VhdError } from '../errors.ts';
import { lookInto } from '../formats/open.ts';
import type { Finding } from '../image/finding.ts';
import { seal } from '../image/seal.ts';
import { readBytesSync } from '../storage/file.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { OverlayStorage } from '../storage/overlay-storage.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { type CheckOptions, checkImage } from './check.ts';
import { finishButMerges } from './finish.ts';
import { type PatchStep, patchSteps, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';

/** How a repair is done. */
export interface RepairOptions extends CheckOptions {
  /** Says what would be mended, and changes nothing. */
  readonly isDryRun?: boolean;
  readonly now?: Date;
}

/** What a repair did, or would do. */
export interface RepairResult {
  readonly mended: readonly Finding[];
  /** Found by the check after the repair. */
  readonly left: readonly Finding[];
  /** Files that hold the bytes that were overwritten: JSON with offsets and base64. */
  readonly backups: readonly string[];
  /** The virtual bytes that this repair found to be lost; the image keeps them, or ranges that cover them, in its findings. */
  readonly lost: readonly Range[];
}

/** Mends an image, or a chain. Errors: NOT_FOUND, LOCKED, JOURNAL, IN_PROGRESS (a merge waits), NO_SPACE, IO. */
export async function repairImage(name: string, options: RepairOptions = {}): Promise<RepairResult> {
  checkUsage('repairImage', { paths: { name }, options });
  const storage = storageOf(options);
  const found = await checkImage(name, options);
  const mendable = found.filter((finding) => finding.isRepairable);
  if (options.isDryRun === true) {
    // The same work on files in memory: what it says is what a run would say.
    const { isDryRun: _, ...rest } = options;
    return { ...(await repairImage(name, { ...rest, storage: new OverlayStorage(storage) })), backups: [] };
  }
  await finishButMerges(name, options); // A merge takes images away: who wants that says so.
  const lost: Range[] = [];
  const backups: string[] = [];
  for (const image of new Set(mendable.map((finding) => finding.path))) {
    const codes = new Set<string>(mendable.filter((finding) => finding.path === image).map((finding) => finding.code));
    const step = patchFor(image, codes, options, storage);
    if (step !== undefined) {
      lost.push(...step.lost);
      backups.push(await backUp(image, step, options.now ?? new Date(), storage));
      await withLocks([image], storage, () => runSteps(image, patchSteps(step, storage), storage));
    }
    if (codes.has('PARENT_UNSEALED')) seal(image, storage);
  }
  const left = await checkImage(name, options);
  return { mended: mendable.filter((one) => !left.some((other) => isSame(one, other))), left, backups, lost };
}

const isSame = (a: Finding, b: Finding): boolean => a.code === b.code && a.path === b.path && a.offset === b.offset;

function patchFor(
  image: string,
  codes: ReadonlySet<string>,
  options: RepairOptions,
  storage: Storage,
): (PatchStep & { readonly lost: readonly Range[] }) | undefined {
  const patch = lookInto(image, storage, (file, format) =>
    format.repair(file, codes, () => parentModified(image, options, storage)),
  );
  if (patch === undefined) return undefined;
  const { identity, lost = [], ...rest } = patch;
  return { do: 'patch', file: image, uuid: identity, lost, ...rest };
}

function parentModified(image: string, options: RepairOptions, storage: Storage): Date | undefined {
  try {
    const links = openLinks(image, chainOptions(options));
    for (const link of links) void link.close();
    return storage.stat(links[1]?.path ?? '')?.modifiedAt;
  } catch (error) {
    if (isVhdError(error) && error.code !== 'IO') return undefined; // The parent cannot be reached: nothing to go by.
    throw error;
  }
}

async function backUp(image: string, step: PatchStep, now: Date, storage: Storage): Promise<string> {
  const file = storage.open(image, 'read');
  try {
    const overwritten = step.parts.map(({ offset, bytes }) => {
      const length = Math.max(0, Math.min(bytes.byteLength, file.sizeBytes - offset));
      return { offset, base64: Buffer.from(readBytesSync(file, offset, length)).toString('base64') };
    });
    const name = path.join(
      folderOf(image),
      `${path.basename(image)}.${now.toISOString().replaceAll(/[-:.]/g, '')}.backup.json`,
    );
    const text = Buffer.from(
      `${JSON.stringify({ image: path.basename(image), sizeBytes: file.sizeBytes, overwritten }, null, 1)}\n`,
    );
    if (storage.stat(name) !== undefined) throw new VhdError('EXISTS', `${name} is there already`);
    await writeNewFile(name, { storage }, (backup) => backup.write(text, 0, text.byteLength, 0));
    return name;
  } finally {
    await file.close();
  }
}
