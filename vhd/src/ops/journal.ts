/**
 * Journals of operations that change images in place. What will be written is written to a small file beside the image
 * first, and synced; then it is done, and done again after a cut, as often as needed: every step can be repeated. A
 * journal holds a checksum. What it names is taken for the file that the name leads to, which has to lie in the folders
 * that the caller may use, and every step touches that file only when it is the image of the identity that the step
 * tells: a planted journal can do no more than who planted it.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { isVhdError, VhdError } from '../errors.ts';
import { contentOf } from '../formats/content.ts';
import { identityOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { Part } from '../image/patch.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import { journalName, journalsIn } from '../storage/journal-name.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';

/** One thing to do. Paths are absolute here and relative to the journal's folder in the file. */
export type JournalStep =
  | {
      /** Writes bytes into an image and gives it a size in bytes. */
      readonly do: 'patch';
      readonly file: string;
      readonly uuid: string;
      /** The identity that the bytes give it. */
      readonly becomes?: string;
      readonly parts: readonly Part[];
      readonly sizeBytes?: number;
      /**
       * The image is another than the one that the journal lies beside: while it is written to, a journal of its own lies
       * beside it too, since a header that a power cut has torn leads to no parent, and so to no journal there.
       */
      readonly isGuarded?: boolean;
    }
  /** Removes an image, where it still is the one with that identity. */
  | { readonly do: 'remove'; readonly file: string; readonly uuid: string }
  /**
   * Gives the image `file`, whose identity is `before`, the second name `snapshot`, and its own name to the image `child`,
   * whose identity is `uuid`.
   */
  | {
      readonly do: 'swap';
      readonly file: string;
      readonly before: string;
      readonly snapshot: string;
      readonly child: string;
      readonly uuid: string;
    }
  /** Seals an image or makes it writable, where it still is the one with that identity. */
  | { readonly do: 'mode'; readonly file: string; readonly uuid: string; readonly isWritable: boolean };

/** The step that writes bytes. */
export type PatchStep = JournalStep & { readonly do: 'patch' };

/** A merge that has to be finished: the contents of `links` go into `target`, then they are removed. */
export interface MergePlan {
  readonly target: string;
  readonly targetUuid: string;
  /** The links to fold, from the top. */
  readonly links: readonly { readonly file: string; readonly uuid: string }[];
}

/** What a journal says is under way. `prepares`: once the steps are done, that merge begins. */
export type Journal =
  | { readonly kind: 'steps'; readonly steps: readonly JournalStep[]; readonly prepares?: MergePlan }
  | { readonly kind: 'merge'; readonly plan: MergePlan };

/** True where an operation on the image was cut off. */
export function hasJournal(image: string, storage: Storage): boolean {
  return storage.stat(journalName(image, storage)) !== undefined;
}

/** Writes the journal of an image, in place of one that is there. Errors: NO_SPACE, IO. */
export async function writeJournal(image: string, journal: Journal, storage: Storage): Promise<void> {
  const name = journalName(image, storage);
  const body = JSON.stringify(toJson(journal, storage.resolve(folderOf(name))));
  const bytes = Buffer.from(`${body}\n${sumOf(body)}\n`);
  await writeNewFile(name, { storage, isReplacing: true }, (file) => file.write(bytes, 0, bytes.byteLength, 0));
}

/** Removes the journal of an image: the operation is through. */
export async function removeJournal(image: string, storage: Storage): Promise<void> {
  const name = journalName(image, storage);
  storage.remove(name);
  await storage.syncFolder(folderOf(name));
}

/** Reads the journal of an image; `undefined` where there is none. Errors: JOURNAL. */
export function readJournal(image: string, storage: Storage, policy: ChainPolicy = {}): Journal | undefined {
  return readJournalFile(journalName(image, storage), storage, policy);
}

/**
 * The image beside which a journal lies that prepares a merge into `target`. It may be tied to `target` already or not yet,
 * so it is not found by that. Journals that cannot be used are passed over.
 */
export function findPreparing(target: string, storage: Storage, policy: ChainPolicy = {}): string | undefined {
  const real = realPath(path.resolve(target), storage);
  for (const folder of [folderOf(real), ...(policy.folders ?? [])]) {
    for (const name of journalsIn(folder, storage)) {
      try {
        const journal = readJournalFile(name, storage, policy);
        if (journal?.kind === 'steps' && journal.prepares?.target === real) return journal.prepares.links.at(-1)?.file;
      } catch (error) {
        if (!isVhdError(error, 'JOURNAL')) throw error;
      }
    }
  }
  return undefined;
}

function readJournalFile(name: string, storage: Storage, policy: ChainPolicy): Journal | undefined {
  const stat = storage.stat(name);
  if (stat === undefined) return undefined;
  if (MAX_JOURNAL_BYTES < stat.sizeBytes)
    throw new VhdError('JOURNAL', `${name} has ${stat.sizeBytes} bytes, too many for a journal`);
  const file = storage.open(name, 'read');
  try {
    const [body = '', sum] = Buffer.from(readBytesSync(file, 0, file.sizeBytes))
      .toString()
      .split('\n');
    if (sum !== sumOf(body)) throw new VhdError('JOURNAL', `${name} is damaged: its checksum does not match`);
    const folder = storage.resolve(folderOf(name));
    const places = [folder, ...(policy.folders ?? []).map((one) => realPath(path.resolve(one), storage))];
    return fromJson(JSON.parse(body), (used) => allowedFile(path.resolve(folder, used), places, name, storage));
  } finally {
    void file.close();
  }
}

/**
 * Does steps so that a cut at any point leaves them to be finished: journal, steps, journal away. `image` is the one
 * whose open finds the journal. Errors: NO_SPACE, IO.
 */
export async function runSteps(image: string, steps: readonly JournalStep[], storage: Storage): Promise<void> {
  await writeJournal(image, { kind: 'steps', steps }, storage);
  await doSteps(steps, storage);
  await removeJournal(image, storage);
}

/** Does the steps of a journal. Each may have been done before. Errors: JOURNAL, NO_SPACE, IO. */
export async function doSteps(steps: readonly JournalStep[], storage: Storage): Promise<void> {
  for (const step of steps) {
    switch (step.do) {
      case 'patch':
        if (step.isGuarded === true) await guardedPatch(step, storage);
        else await patch(step, storage);
        break;
      case 'remove':
        if (isImage(step.file, step.uuid, storage)) storage.remove(step.file);
        await storage.syncFolder(folderOf(step.file));
        break;
      case 'swap':
        await swap(step, storage);
        break;
      case 'mode':
        if (isImage(step.file, step.uuid, storage)) storage.setWritable(step.file, step.isWritable);
        break;
    }
  }
}

/** A patch of an image, and where the image is sealed the step that seals it again, whenever the patch is done. */
export function patchSteps(patch: PatchStep, storage: Storage): readonly JournalStep[] {
  const { file, uuid, becomes = uuid } = patch;
  if (storage.stat(file)?.isWritable !== false) return [patch];
  return [patch, { do: 'mode', file, uuid: becomes, isWritable: false }];
}

/** True where a file is the image that a step or a plan means. Errors: IO, READ_ONLY. */
export function isImage(file: string, uuid: string, storage: Storage): boolean {
  return storage.stat(file)?.kind === 'file' && identityOf(file, storage) === uuid;
}

/** BOUNDED: patches are headers, footers and tables; the largest table has 16 MiB, a third more in base64. */
const MAX_JOURNAL_BYTES: number = 32 << 20;

async function guardedPatch(step: PatchStep, storage: Storage): Promise<void> {
  const { isGuarded: _, ...own } = step;
  const before = readJournal(step.file, storage);
  if (before?.kind === 'merge') {
    if (isImage(step.file, step.becomes ?? '', storage)) return; // It was done before that merge began.
    throw new VhdError('IN_PROGRESS', `a merge into ${step.file} has to be finished first`);
  }
  if (before !== undefined) await doSteps(before.steps, storage); // Of this very patch, or of an older one.
  await runSteps(step.file, [own], storage);
}

async function patch(step: PatchStep, storage: Storage): Promise<void> {
  const uuid = identityOf(step.file, storage);
  const isIt = uuid === undefined ? isTornBy(step, storage) : [step.uuid, step.becomes].includes(uuid);
  if (!isIt) throw new VhdError('JOURNAL', `${step.file} is not the image of the journal`);
  const wasWritable = storage.stat(step.file)?.isWritable ?? true;
  if (!wasWritable) storage.setWritable(step.file, true);
  const file = storage.open(step.file, 'write');
  try {
    await writeAll(file, step.parts);
    if (step.sizeBytes !== undefined && file.sizeBytes !== step.sizeBytes) await file.truncate(step.sizeBytes);
    await file.sync();
  } finally {
    await file.close();
    if (!wasWritable) storage.setWritable(step.file, false);
  }
}

/**
 * An image whose only footer this very patch has torn tells no identity: the journal heals it. What it is still shows, or, where
 * too little of the footer is left, nothing else shows and its length is one that the patch can have left.
 */
function isTornBy({ file, parts, sizeBytes }: PatchStep, storage: Storage): boolean {
  const content = contentOf(file, storage);
  if (content !== 'raw') return content === 'vhd';
  const ends = parts.map(({ offset, bytes }) => offset + bytes.byteLength);
  const lengths = sizeBytes === undefined ? ends : [...ends, sizeBytes];
  const length = storage.stat(file)?.sizeBytes ?? -1;
  return Math.min(...lengths) <= length && length <= Math.max(...lengths);
}

/** The old name always leads to the image or to its child: a link first, then a rename over it. */
async function swap(step: JournalStep & { do: 'swap' }, storage: Storage): Promise<void> {
  const { file, before, snapshot, child, uuid } = step;
  if (isImage(child, uuid, storage)) {
    // Where a storage has no second names, the old one is gone once the new one is there.
    const there = [file, snapshot].filter((name) => storage.stat(name) !== undefined);
    if (there.length === 0 || !there.every((name) => isImage(name, before, storage)))
      throw new VhdError('JOURNAL', `${file} or ${snapshot} is not the image of the journal`);
    if (storage.stat(snapshot) === undefined) storage.link(file, snapshot);
    await storage.syncFolder(folderOf(file));
    storage.rename(child, file);
  }
  await storage.syncFolder(folderOf(file));
}

async function writeAll(file: RandomAccessFile, parts: readonly Part[]): Promise<void> {
  for (const { bytes, offset } of parts) await file.write(bytes, 0, bytes.byteLength, offset);
}

/** What a name in a journal leads to. Errors: JOURNAL where that lies elsewhere than in `folders`. */
function allowedFile(file: string, folders: readonly string[], journal: string, storage: Storage): string {
  const real = realPath(file, storage);
  if (folders.some((folder) => real.startsWith(folder.endsWith('/') ? folder : `${folder}/`))) return real;
  const leads = real === file ? '' : `, which leads to ${real}`;
  throw new VhdError('JOURNAL', `${journal} names ${file}${leads}, outside of the folders that may be changed`);
}

/** With links resolved, as far as the path is there. */
function realPath(name: string, storage: Storage): string {
  try {
    return storage.resolve(name);
  } catch (error) {
    const folder = path.dirname(name);
    if (!isVhdError(error, 'NOT_FOUND') || folder === name) throw error;
    return path.join(realPath(folder, storage), path.basename(name));
  }
}

function sumOf(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

/** The file: JSON with relative paths and base64, then a line with its SHA-256. */
interface JsonStep {
  readonly do: JournalStep['do'];
  readonly file: string;
  readonly uuid?: string;
  readonly becomes?: string;
  readonly before?: string;
  readonly snapshot?: string;
  readonly child?: string;
  readonly parts?: readonly { readonly offset: number; readonly bytes: string }[];
  readonly sizeBytes?: number;
  readonly isGuarded?: boolean;
  readonly isWritable?: boolean;
}
interface JsonJournal {
  readonly version: 1;
  readonly steps?: readonly JsonStep[];
  readonly prepares?: MergePlan;
  readonly plan?: MergePlan;
}

function toJson(journal: Journal, folder: string): JsonJournal {
  const relative = (file: string): string => path.relative(folder, path.resolve(file));
  if (journal.kind === 'merge') return { version: 1, plan: withFiles(journal.plan, relative) };
  const steps = journal.steps.map((step): JsonStep => {
    if (step.do === 'swap') {
      return { ...step, file: relative(step.file), snapshot: relative(step.snapshot), child: relative(step.child) };
    }
    if (step.do !== 'patch') return { ...step, file: relative(step.file) };
    const parts = step.parts.map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes).toString('base64') }));
    return { ...step, file: relative(step.file), parts };
  });
  return { version: 1, steps, ...preparing(journal.prepares, relative) };
}

/** A plan with other names for its files. */
function withFiles({ target, targetUuid, links }: MergePlan, name: (file: string) => string): MergePlan {
  return { target: name(target), targetUuid, links: links.map(({ file, uuid }) => ({ file: name(file), uuid })) };
}

function preparing(plan: MergePlan | undefined, name: (file: string) => string): { readonly prepares?: MergePlan } {
  return plan === undefined ? {} : { prepares: withFiles(plan, name) };
}

/** `fileOf` says which file a name in it is. */
function fromJson(json: JsonJournal, fileOf: (name: string) => string): Journal {
  if (json.version !== 1)
    throw new VhdError('JOURNAL', `journal of version ${String(json.version)}, this program knows 1`);
  if (json.plan !== undefined) return { kind: 'merge', plan: withFiles(json.plan, fileOf) };
  const steps = (json.steps ?? []).map((step): JournalStep => {
    const file = fileOf(step.file);
    const uuid = step.uuid ?? '';
    switch (step.do) {
      case 'mode':
        return { do: 'mode', file, uuid, isWritable: step.isWritable ?? false };
      case 'swap': {
        const { before = '', snapshot = '', child = '' } = step;
        return { do: 'swap', file, before, snapshot: fileOf(snapshot), child: fileOf(child), uuid };
      }
      case 'remove':
        return { do: 'remove', file, uuid };
      case 'patch': {
        const parts = (step.parts ?? []).map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes, 'base64') }));
        return {
          do: 'patch',
          file,
          uuid,
          parts,
          ...(step.becomes === undefined ? {} : { becomes: step.becomes }),
          ...(step.sizeBytes === undefined ? {} : { sizeBytes: step.sizeBytes }),
          ...(step.isGuarded === true ? { isGuarded: true } : {}),
        };
      }
    }
  });
  return { kind: 'steps', steps, ...preparing(json.prepares, fileOf) };
}
