/** What can be mended in an image without guessing: footers from their copy, padding, marks, times. */
import { randomUUID } from 'node:crypto';
import { isVhdError } from '../../errors.ts';
import type { Part } from '../../image/patch.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { alignDown, alignUp, SECTOR_BYTES } from '../../units.ts';
import type { ImagePatch } from '../format.ts';
import { BlockTable } from './block-table.ts';
import { BAT_UNUSED, batBytes, batEntriesFor, encodeBat } from './codec/bat.ts';
import { encodeFooter, FOOTER_BYTES } from './codec/footer.ts';
import { encodeHeader } from './codec/header.ts';
import { blockSpanBytes } from './codec/layout.ts';
import { covering } from './codec/lost.ts';
import { vhdSeconds } from './codec/time.ts';
import { type FooterReading, readFooter, readHeader, readUncheckedTable } from './image-metadata.ts';
import { findLostBlocks, type LostBlocks } from './lost-blocks.ts';

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
  const lost = codes.has('BAT_ENTRY') ? lossOf(file, reading) : undefined;
  const parts: Part[] = [];
  let sizeBytes: number | undefined;
  // What children were made from is gone with what is lost: they are not to read something else without a word.
  const becomes = lost === undefined ? undefined : randomUUID();
  const footer = { ...reading.footer, uuid: becomes ?? reading.footer.uuid };
  const isFooterDue = lost !== undefined || FOOTER_CODES.some((code) => codes.has(code));
  const end = isFooterDue ? footerPlace(file, reading, lost) : undefined;
  if (end !== undefined) {
    const bytes = encodeFooter({ ...footer, isShort: false, savedState: footer.savedState === 0 ? 0 : 1 });
    parts.push({ offset: end, bytes });
    if (footer.diskType !== 'fixed') parts.push({ offset: 0, bytes });
    sizeBytes = end + FOOTER_BYTES;
  }
  if (codes.has('BAT_PADDING')) parts.push(padding(file, reading));
  const modified = codes.has('PARENT_TIME') ? parentModified() : undefined;
  if (lost !== undefined) parts.push(...withoutLost(file, reading, lost, modified));
  else if (modified !== undefined) parts.push(parentTime(file, reading, modified));
  if (parts.length === 0) return undefined;
  const patch = { identity: reading.footer.uuid, parts, lost: lost?.ranges ?? [] };
  return { ...patch, ...(sizeBytes === undefined ? {} : { sizeBytes }), ...(becomes === undefined ? {} : { becomes }) };
}

/** Nothing where the file does not reach to the end of its table: then nobody knows what is lost. */
function lossOf(file: RandomAccessFile, { footer, isTailWhole }: FooterReading): LostBlocks | undefined {
  if (isTailWhole) return undefined; // The file ends where it should: entries that lead behind it are wrong, not cut off.
  const found = attempt(() => readUncheckedTable(file, footer));
  if (found === undefined) return undefined;
  const lost = findLostBlocks(file, footer, found.header, found.table);
  return lost.ranges.length === 0 && lost.dropped.length === 0 ? undefined : lost;
}

/** The table without the blocks that are gone, and the header with the list of what is lost. */
function withoutLost(
  file: RandomAccessFile,
  { footer }: FooterReading,
  { dropped, ranges }: LostBlocks,
  modified: Date | undefined,
): readonly Part[] {
  const header = readHeader(file, footer);
  const unused = encodeBat(new Uint32Array([BAT_UNUSED])).subarray(0, 4);
  const entries = dropped.map((block) => ({ offset: header.batOffset + block * 4, bytes: unused }));
  const lost = covering([...(header.lost ?? []), ...ranges]);
  const times = modified === undefined ? {} : { parentTimestampSeconds: vhdSeconds(modified) };
  return [...entries, { offset: footer.headerOffset ?? 0, bytes: encodeHeader({ ...header, ...times, lost }) }];
}

/**
 * Where the footer belongs (quirk 3); `undefined` where the file lacks the header or the table, so that nobody knows how
 * much of it is missing. Behind the last block, or where the file ends if that is later, since other
 * writers keep things there; a torn footer at the very end is written over.
 */
function footerPlace(file: RandomAccessFile, reading: FooterReading, lost?: LostBlocks): number | undefined {
  if (reading.isTailWhole || reading.footer.isShort || reading.footer.diskType === 'fixed') return reading.endBytes;
  const end = endOfData(file, reading, lost?.dropped ?? []);
  return end === undefined ? undefined : Math.max(end, alignDown(file.sizeBytes, SECTOR_BYTES) - FOOTER_BYTES);
}

/** The byte behind everything that the metadata names. */
function endOfData(file: RandomAccessFile, { footer }: FooterReading, dropped: readonly number[]): number | undefined {
  const header = attempt(() => readHeader(file, footer));
  if (header === undefined) return undefined;
  const entries = batEntriesFor(footer.currentSizeBytes, header.blockBytes);
  const table = attempt(() => BlockTable.read(file, header.batOffset, entries));
  if (table === undefined) return undefined;
  for (const block of dropped) table.set(block, BAT_UNUSED);
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
