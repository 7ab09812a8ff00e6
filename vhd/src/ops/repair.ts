/**
 * Mends what can be mended without guessing: footers from their copy, padding, marks, times, interrupted operations.
 * Lost blocks are not invented. What is overwritten is kept in a file beside the image first; the writes are journaled.
 */
import path from 'node:path';
import { isVhdError, VhdError } from '../errors.ts';
import { BlockTable } from '../formats/vhd/block-table.ts';
import { batBytes, batEntriesFor } from '../formats/vhd/codec/bat.ts';
import { encodeFooter, FOOTER_BYTES } from '../formats/vhd/codec/footer.ts';
import { encodeHeader } from '../formats/vhd/codec/header.ts';
import type { Part } from '../formats/vhd/codec/image.ts';
import { blockSpanBytes } from '../formats/vhd/codec/layout.ts';
import { vhdSeconds } from '../formats/vhd/codec/time.ts';
import { type FooterReading, readFooter, readHeader } from '../formats/vhd/image-metadata.ts';
import { openLinks } from '../image/open.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { alignDown, alignUp, SECTOR_BYTES } from '../units.ts';
import { type CheckOptions, checkImage, type Finding } from './check.ts';
import { seal } from './create.ts';
import { finishPending } from './finish.ts';
import { type PatchStep, patchSteps, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';
import { writeNewFile } from './new-file.ts';
import { chainOptions, storageOf } from './options.ts';

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
}

const FOOTER_CODES = [
  'FOOTER_TAIL',
  'FOOTER_HEAD',
  'FOOTER_MISMATCH',
  'FOOTER_SHORT',
  'FOOTER_FEATURES',
  'FOOTER_SAVED_STATE',
];

/** Mends an image, or a chain. Errors: NOT_FOUND, LOCKED, JOURNAL, NO_SPACE, IO. */
export async function repairImage(name: string, options: RepairOptions = {}): Promise<RepairResult> {
  const storage = storageOf(options);
  const found = await checkImage(name, options);
  const mendable = found.filter((finding) => finding.isRepairable);
  if (options.isDryRun === true) {
    return { mended: mendable, left: found.filter((finding) => !finding.isRepairable), backups: [] };
  }
  await finishPending(name, options);
  const backups: string[] = [];
  for (const image of new Set(mendable.map((finding) => finding.path))) {
    const codes = new Set<string>(mendable.filter((finding) => finding.path === image).map((finding) => finding.code));
    if (storage.stat(image) === undefined) continue; // Finishing what was interrupted has removed it.
    const step = patchFor(image, codes, options, storage);
    if (step !== undefined) {
      backups.push(await backUp(image, step, options.now ?? new Date(), storage));
      await withLocks([image], storage, () => runSteps(image, patchSteps(step, storage), storage));
    }
    if (codes.has('PARENT_UNSEALED')) seal(image, storage);
  }
  const left = storage.stat(name) === undefined ? [] : await checkImage(name, options);
  return { mended: mendable.filter((one) => !left.some((other) => isSame(one, other))), left, backups };
}

const isSame = (a: Finding, b: Finding): boolean => a.code === b.code && a.path === b.path && a.offset === b.offset;

function patchFor(
  image: string,
  codes: ReadonlySet<string>,
  options: RepairOptions,
  storage: Storage,
): PatchStep | undefined {
  const file = storage.open(image, 'read');
  try {
    const reading = readFooter(file);
    const parts: Part[] = [];
    let sizeBytes: number | undefined;
    const end = FOOTER_CODES.some((code) => codes.has(code)) ? footerPlace(file, reading) : undefined;
    if (end !== undefined) {
      const { footer } = reading;
      const bytes = encodeFooter({ ...footer, isShort: false, savedState: footer.savedState === 0 ? 0 : 1 });
      parts.push({ offset: end, bytes });
      if (footer.diskType !== 'fixed') parts.push({ offset: 0, bytes });
      sizeBytes = end + FOOTER_BYTES;
    }
    if (codes.has('BAT_PADDING')) parts.push(padding(file, reading));
    if (codes.has('PARENT_TIME')) parts.push(...parentTime(image, file, reading, options, storage));
    if (parts.length === 0) return undefined;
    return {
      do: 'patch',
      file: image,
      uuid: reading.footer.uuid,
      parts,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    };
  } finally {
    void file.close();
  }
}

/**
 * Where the footer belongs (quirk 3); `undefined` where the file lacks the header or the table, so that nobody knows how
 * much of it is missing. Behind the last block, or where the file ends if that is later, since other
 * writers keep things there; a torn footer at the very end is written over.
 */
function footerPlace(file: RandomAccessFile, reading: FooterReading): number | undefined {
  if (reading.isTailWhole || reading.footer.isShort || reading.footer.diskType === 'fixed') return reading.endBytes;
  const end = endOfData(file, reading);
  return end === undefined ? undefined : Math.max(end, alignDown(file.sizeBytes, SECTOR_BYTES) - FOOTER_BYTES);
}

/** The byte behind everything that the metadata names. */
function endOfData(file: RandomAccessFile, { footer }: FooterReading): number | undefined {
  const header = attempt(() => readHeader(file, footer));
  if (header === undefined) return undefined;
  const entries = batEntriesFor(footer.currentSizeBytes, header.blockBytes);
  const table = attempt(() => BlockTable.read(file, header.batOffset, entries));
  if (table === undefined) return undefined;
  const last = table.sortedEntries().at(-1);
  let end = header.batOffset + batBytes(header.maxTableEntries);
  if (last !== undefined) end = Math.max(end, last * SECTOR_BYTES + blockSpanBytes(header.blockBytes));
  for (const { offsetBytes, lengthBytes } of header.locators) {
    if (offsetBytes + lengthBytes <= file.sizeBytes)
      end = Math.max(end, alignUp(offsetBytes + lengthBytes, SECTOR_BYTES));
  }
  return end;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isVhdError(error) && error.code !== 'IO') return undefined;
    throw error;
  }
}

function padding(file: RandomAccessFile, { footer }: FooterReading): Part {
  const header = readHeader(file, footer);
  const offset = header.batOffset + header.maxTableEntries * 4;
  return { offset, bytes: new Uint8Array(alignUp(offset, SECTOR_BYTES) - offset).fill(0xff) };
}

/** Quirk 14: the time of the parent as it is now; it is the right parent, its identity says so. */
function parentTime(
  image: string,
  file: RandomAccessFile,
  { footer }: FooterReading,
  options: RepairOptions,
  storage: Storage,
): readonly Part[] {
  try {
    const links = openLinks(image, chainOptions(options));
    for (const link of links) void link.close();
    const modified = storage.stat(links[1]?.path ?? '')?.modifiedAt;
    if (modified === undefined) return [];
    const header = { ...readHeader(file, footer), parentTimestampSeconds: vhdSeconds(modified) };
    return [{ offset: footer.headerOffset ?? 0, bytes: encodeHeader(header) }];
  } catch (error) {
    if (isVhdError(error) && error.code !== 'IO') return []; // The parent cannot be reached: nothing to go by.
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
