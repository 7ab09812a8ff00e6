/**
 * Journals of operations that change images in place. What will be written is written to a small file beside the image
 * first, and synced; then it is done, and done again after a cut, as often as needed: every step can be repeated. A
 * journal holds a checksum, names files in the folders that the caller may use only, and touches an image only when
 * its identity is the expected one, so that a planted journal can do no more than who planted it.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { VhdError } from '../errors.ts';
import { identityOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { Part } from '../image/patch.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import { journalName } from '../storage/journal-name.ts';
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
  /** Gives the image `file` the second name `snapshot`, and its own name to the image `child`, whose identity is `uuid`. */
  | {
      readonly do: 'swap';
      readonly file: string;
      readonly snapshot: string;
      readonly child: string;
      readonly uuid: string;
    }
  /** Seals an image or makes it writable. */
  | { readonly do: 'mode'; readonly file: string; readonly isWritable: boolean };

/** The step that writes bytes. */
export type PatchStep = JournalStep & { readonly do: 'patch' };

/** A merge that has to be finished: the contents of `links` go into `target`, then they are removed. */
export interface MergePlan {
  readonly target: string;
  readonly targetUuid: string;
  /** The links to fold, from the top. */
  readonly links: readonly { readonly file: string; readonly uuid: string }[];
}

/** What a journal says is under way. */
export type Journal =
  | { readonly kind: 'steps'; readonly steps: readonly JournalStep[] }
  | { readonly kind: 'merge'; readonly plan: MergePlan };

/** True where an operation on the image was cut off. */
export function hasJournal(image: string, storage: Storage): boolean {
  return storage.stat(journalName(image, storage)) !== undefined;
}

/** Writes the journal of an image, in place of one that is there. Errors: NO_SPACE, IO. */
export async function writeJournal(image: string, journal: Journal, storage: Storage): Promise<void> {
  const body = JSON.stringify(toJson(journal, journalFolder(image, storage)));
  const bytes = Buffer.from(`${body}\n${sumOf(body)}\n`);
  await writeNewFile(journalName(image, storage), { storage, isReplacing: true }, (file) =>
    file.write(bytes, 0, bytes.byteLength, 0),
  );
}

/** Removes the journal of an image: the operation is through. */
export async function removeJournal(image: string, storage: Storage): Promise<void> {
  const name = journalName(image, storage);
  storage.remove(name);
  await storage.syncFolder(folderOf(name));
}

/** Reads the journal of an image; `undefined` where there is none. Errors: JOURNAL. */
export function readJournal(image: string, storage: Storage, policy: ChainPolicy = {}): Journal | undefined {
  const name = journalName(image, storage);
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
    const folder = journalFolder(image, storage);
    const journal = fromJson(JSON.parse(body), folder);
    for (const used of filesOf(journal))
      assertAllowed(used, [folder, ...(policy.folders ?? []).map((one) => path.resolve(one))], name);
    return journal;
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
        if (identityOf(step.file, storage) === step.uuid) storage.remove(step.file);
        await storage.syncFolder(folderOf(step.file));
        break;
      case 'swap':
        await swap(step, storage);
        break;
      case 'mode':
        if (storage.stat(step.file) !== undefined) storage.setWritable(step.file, step.isWritable);
        break;
    }
  }
}

/** A patch of an image, and where the image is sealed the step that seals it again, whenever the patch is done. */
export function patchSteps(patch: PatchStep, storage: Storage): readonly JournalStep[] {
  const { file } = patch;
  return storage.stat(file)?.isWritable === false ? [patch, { do: 'mode', file, isWritable: false }] : [patch];
}

/** BOUNDED: patches are headers, footers and tables; the largest table has 16 MiB, a third more in base64. */
const MAX_JOURNAL_BYTES: number = 32 << 20;

async function guardedPatch(step: PatchStep, storage: Storage): Promise<void> {
  const { isGuarded: _, ...own } = step;
  const before = readJournal(step.file, storage);
  if (before?.kind === 'merge') throw new VhdError('IN_PROGRESS', `a merge into ${step.file} has to be finished first`);
  if (before !== undefined) await doSteps(before.steps, storage); // Of this very patch, or of an older one.
  await runSteps(step.file, [own], storage);
}

async function patch(step: PatchStep, storage: Storage): Promise<void> {
  const uuid = identityOf(step.file, storage);
  // An image whose only footer this very patch has torn has no identity: the journal is what heals it.
  if (uuid !== undefined && uuid !== step.uuid && uuid !== step.becomes)
    throw new VhdError('JOURNAL', `${step.file} is not the image of the journal`);
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

/** The old name always leads to the image or to its child: a link first, then a rename over it. */
async function swap({ file, snapshot, child, uuid }: JournalStep & { do: 'swap' }, storage: Storage): Promise<void> {
  if (identityOf(child, storage) === uuid) {
    if (storage.stat(snapshot) === undefined) storage.link(file, snapshot);
    await storage.syncFolder(folderOf(file));
    storage.rename(child, file);
  }
  await storage.syncFolder(folderOf(file));
}

async function writeAll(file: RandomAccessFile, parts: readonly Part[]): Promise<void> {
  for (const { bytes, offset } of parts) await file.write(bytes, 0, bytes.byteLength, offset);
}

function filesOf(journal: Journal): readonly string[] {
  if (journal.kind === 'steps')
    return journal.steps.flatMap((step) => (step.do === 'swap' ? [step.file, step.snapshot, step.child] : [step.file]));
  return [journal.plan.target, ...journal.plan.links.map((link) => link.file)];
}

function assertAllowed(file: string, folders: readonly string[], journal: string): void {
  const isWithin = folders.some((folder) => file.startsWith(folder.endsWith('/') ? folder : `${folder}/`));
  if (!isWithin) throw new VhdError('JOURNAL', `${journal} names ${file}, outside of the folders that may be changed`);
}

function journalFolder(image: string, storage: Storage): string {
  return storage.resolve(folderOf(journalName(image, storage)));
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
  readonly plan?: MergePlan;
}

function toJson(journal: Journal, folder: string): JsonJournal {
  const relative = (file: string): string => path.relative(folder, path.resolve(file));
  if (journal.kind === 'merge') {
    const { target, links, targetUuid } = journal.plan;
    return {
      version: 1,
      plan: {
        target: relative(target),
        targetUuid,
        links: links.map((link) => ({ ...link, file: relative(link.file) })),
      },
    };
  }
  const steps = journal.steps.map((step): JsonStep => {
    if (step.do === 'swap') {
      return { ...step, file: relative(step.file), snapshot: relative(step.snapshot), child: relative(step.child) };
    }
    if (step.do !== 'patch') return { ...step, file: relative(step.file) };
    const parts = step.parts.map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes).toString('base64') }));
    return { ...step, file: relative(step.file), parts };
  });
  return { version: 1, steps };
}

function fromJson(json: JsonJournal, folder: string): Journal {
  if (json.version !== 1)
    throw new VhdError('JOURNAL', `journal of version ${String(json.version)}, this program knows 1`);
  const absolute = (file: string): string => path.resolve(folder, file);
  if (json.plan !== undefined) {
    const { target, links, targetUuid } = json.plan;
    const plan = {
      target: absolute(target),
      targetUuid,
      links: links.map((link) => ({ ...link, file: absolute(link.file) })),
    };
    return { kind: 'merge', plan };
  }
  const steps = (json.steps ?? []).map((step): JournalStep => {
    const file = absolute(step.file);
    switch (step.do) {
      case 'mode':
        return { do: 'mode', file, isWritable: step.isWritable ?? false };
      case 'swap':
        return {
          do: 'swap',
          file,
          snapshot: absolute(step.snapshot ?? ''),
          child: absolute(step.child ?? ''),
          uuid: step.uuid ?? '',
        };
      case 'remove':
        return { do: 'remove', file, uuid: step.uuid ?? '' };
      case 'patch': {
        const parts = (step.parts ?? []).map(({ offset, bytes }) => ({ offset, bytes: Buffer.from(bytes, 'base64') }));
        return {
          do: 'patch',
          file,
          uuid: step.uuid ?? '',
          parts,
          ...(step.becomes === undefined ? {} : { becomes: step.becomes }),
          ...(step.sizeBytes === undefined ? {} : { sizeBytes: step.sizeBytes }),
          ...(step.isGuarded === true ? { isGuarded: true } : {}),
        };
      }
    }
  });
  return { kind: 'steps', steps };
}
