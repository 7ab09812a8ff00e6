/** What can be mended in an image without guessing: footers from their copy, padding, marks, times. */
import { isVhdError } from '../../errors.ts';
import type { Part } from '../../image/patch.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { alignDown, alignUp, SECTOR_BYTES } from '../../units.ts';
import type { ImagePatch } from '../format.ts';
import { BlockTable } from './block-table.ts';
import { batBytes, batEntriesFor } from './codec/bat.ts';
import { encodeFooter, FOOTER_BYTES } from './codec/footer.ts';
import { encodeHeader } from './codec/header.ts';
import { blockSpanBytes } from './codec/layout.ts';
import { vhdSeconds } from './codec/time.ts';
import { type FooterReading, readFooter, readHeader } from './image-metadata.ts';

const FOOTER_CODES = [
  'FOOTER_TAIL',
  'FOOTER_HEAD',
  'FOOTER_MISMATCH',
  'FOOTER_SHORT',
  'FOOTER_PADDED',
  'FOOTER_FEATURES',
  'FOOTER_SAVED_STATE',
];

/**
 * What mends the findings of these codes; `undefined` where none of them is mended by writing to the image.
 * `parentModified` says when the parent was modified, where it can be reached. Errors: IO, those of `readFooter`.
 */
export function repairPatch(
  file: RandomAccessFile,
  codes: ReadonlySet<string>,
  parentModified: () => Date | undefined,
): ImagePatch | undefined {
  const reading = readFooter(file);
  const { footer } = reading;
  const parts: Part[] = [];
  let sizeBytes: number | undefined;
  const end = FOOTER_CODES.some((code) => codes.has(code)) ? footerPlace(file, reading) : undefined;
  if (end !== undefined) {
    const bytes = encodeFooter({ ...footer, isShort: false, savedState: footer.savedState === 0 ? 0 : 1 });
    parts.push({ offset: end, bytes });
    if (footer.diskType !== 'fixed') parts.push({ offset: 0, bytes });
    sizeBytes = end + FOOTER_BYTES;
  }
  if (codes.has('BAT_PADDING')) parts.push(padding(file, reading));
  const modified = codes.has('PARENT_TIME') ? parentModified() : undefined;
  if (modified !== undefined) parts.push(parentTime(file, reading, modified));
  if (parts.length === 0) return undefined;
  return { identity: footer.uuid, parts, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
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
function parentTime(file: RandomAccessFile, { footer }: FooterReading, modified: Date): Part {
  const header = { ...readHeader(file, footer), parentTimestampSeconds: vhdSeconds(modified) };
  return { offset: footer.headerOffset ?? 0, bytes: encodeHeader(header) };
}
