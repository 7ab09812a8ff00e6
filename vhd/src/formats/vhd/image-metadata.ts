/**
 * What has to be read before an image can be used: footer, header, block allocation table. Spec: "Hard Disk Footer
 * Format", "Dynamic Disk Header Format", "Block Allocation Table". An image may come from anywhere: every number is
 * checked against the size of the file before anything is allocated for it.
 */

import { VhdError } from '../../errors.ts';
import type { OpenFinding } from '../../image/finding.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { SECTOR_BYTES } from '../../units.ts';
import { BlockTable } from './block-table.ts';
import { batBytes, batEntriesFor } from './codec/bat.ts';
import {
  decodeFooter,
  decodeTailFooter,
  FOOTER_BYTES,
  type Footer,
  hasLittleEndianBitmaps,
  isSameFooter,
  OLD_FOOTER_BYTES,
} from './codec/footer.ts';
import { decodeHeader, HEADER_BYTES, type Header } from './codec/header.ts';
import { blockSpanBytes } from './codec/layout.ts';
import { footerBeforePadding } from './signature.ts';

/** The footer in force, and where the tail of the file starts. */
export interface FooterReading {
  readonly footer: Footer;
  readonly findings: readonly OpenFinding[];
  /** File offset behind the last byte that is not footer: where the trailing footer is, or has to be written. */
  readonly endBytes: number;
  /** True where a valid footer, 512 bytes long, ends the file. */
  readonly isTailWhole: boolean;
}

/** Everything read at open of a dynamic or differencing image. */
export interface DynamicTable {
  readonly header: Header;
  /** One entry for each block of the virtual disk; entries the file has beyond that are left alone (quirk 10). */
  readonly table: BlockTable;
}

/**
 * Finds the footer: the tail where it is valid, else the copy at the start (quirks 1, 2). Two valid ones of different
 * identity mean that one of them is content of the disk: the end of a file that a power cut shortened can be a sector
 * the guest wrote, the start of a fixed image always is one. Errors: NOT_VHD, FOOTER_*, TOO_LARGE, POISONED, UNSUPPORTED.
 */
export function readFooter(file: RandomAccessFile): FooterReading {
  const size = file.sizeBytes;
  if (size < OLD_FOOTER_BYTES) throw new VhdError('NOT_VHD', `${file.path} has ${size} bytes, no room for a footer`);
  const tail = attempt(() => decodeTailFooter(tailBytes(file)));
  const head = attempt(() => decodeFooter(readBytesSync(file, 0, Math.min(size, FOOTER_BYTES))));
  const isHeadUsable = head.footer !== undefined && head.footer.diskType !== 'fixed';
  const footer = chooseFooter(tail.footer, isHeadUsable ? head.footer : undefined, size);
  if (footer === undefined) return readPadded(file) ?? refuse(noFooter(file.path, tail.error, head.error));
  refuseUnusable(file.path, footer);
  const isTail = footer === tail.footer;
  const tailLength = footer.isShort ? OLD_FOOTER_BYTES : FOOTER_BYTES;
  return {
    footer,
    findings: footerFindings(file.path, footer, tail.footer, isHeadUsable ? head.footer : undefined),
    endBytes: isTail ? size - tailLength : Math.ceil(size / SECTOR_BYTES) * SECTOR_BYTES,
    isTailWhole: isTail && !footer.isShort,
  };
}

/** Quirk 22: a fixed image that something was put behind, by a storage that rounds files up. Errors: IO. */
function readPadded(file: RandomAccessFile): FooterReading | undefined {
  const at = footerBeforePadding(file);
  if (at === undefined) return undefined;
  const footer = decodeFooter(readBytesSync(file, at, FOOTER_BYTES));
  refuseUnusable(file.path, footer);
  const message = `${file.sizeBytes - at - FOOTER_BYTES} bytes come behind the footer at ${at}: qemu, Hyper-V and Azure find none at the end`;
  return {
    footer,
    findings: [{ code: 'FOOTER_PADDED', path: file.path, message }],
    endBytes: at,
    isTailWhole: false,
  };
}

function refuse(error: VhdError): never {
  throw error;
}

/** Reads header and table of a dynamic or differencing image. Errors: HEADER_*, BAT_*, TOO_LARGE, FOOTER_FIELD. */
export function readDynamicTable(file: RandomAccessFile, footer: Footer): DynamicTable {
  const found = readUncheckedTable(file, footer);
  const problem = findTableProblem(found.table, footer, found.header, file.sizeBytes);
  if (problem !== undefined) throw new VhdError('BAT_ENTRY', `${file.path}: ${problem}`);
  return found;
}

/** The same, wherever the entries lead: for a check, which lists all that is wrong. Errors: HEADER_*, BAT_TRUNCATED, TOO_LARGE. */
export function readUncheckedTable(file: RandomAccessFile, footer: Footer): DynamicTable {
  const header = readHeader(file, footer);
  const entries = batEntriesFor(footer.currentSizeBytes, header.blockBytes);
  if (header.maxTableEntries < entries) {
    throw new VhdError(
      'HEADER_FIELD',
      `${file.path}: BAT of ${header.maxTableEntries} entries, the size needs ${entries}`,
    );
  }
  return { header, table: BlockTable.read(file, header.batOffset, entries) };
}

/** Reads the dynamic disk header. Errors: HEADER_*, TOO_LARGE. */
export function readHeader(file: RandomAccessFile, footer: Footer): Header {
  const offset = footer.headerOffset;
  if (offset === undefined) throw new VhdError('HEADER_FIELD', `${file.path} is fixed and has no dynamic header`);
  if (file.sizeBytes < offset + HEADER_BYTES) {
    throw new VhdError('HEADER_TRUNCATED', `${file.path}: header at ${offset}, the file ends at ${file.sizeBytes}`);
  }
  try {
    return decodeHeader(readBytesSync(file, offset, HEADER_BYTES));
  } catch (cause) {
    throw cause instanceof VhdError ? new VhdError(cause.code, `${file.path}: ${cause.message}`, { cause }) : cause;
  }
}

/** The first entry that leads out of the file, into metadata or into another block, in words; in O(entries). */
export function findTableProblem(
  table: BlockTable,
  footer: Footer,
  header: Header,
  fileBytes: number,
): string | undefined {
  const span = blockSpanBytes(header.blockBytes);
  const spanSectors = span / SECTOR_BYTES;
  // Between these there is nothing that a block could lie on but another block.
  const recordsEnd = Math.max((footer.headerOffset ?? 0) + HEADER_BYTES, header.batOffset + batBytes(table.length));
  const lowest = recordsEnd / SECTOR_BYTES;
  const highest = (fileBytes - span) / SECTOR_BYTES;
  // Blocks are equally long, so two that overlap start in the same stretch of that length or in neighbouring ones.
  // The first stretch is number 1, and 0 says that no block starts there: sector 0 is the footer copy.
  const stretches = Math.min(Math.ceil(fileBytes / span), Math.ceil(2 ** 32 / spanSectors)) + 3;
  const starts = new Uint32Array(stretches);
  const last = table.length - 1;
  for (let block = table.nextUsed(0, last); block <= last; block = table.nextUsed(block + 1, last)) {
    const entry = table.get(block);
    if (entry < lowest || highest < entry) {
      const problem = misplaced(entry * SECTOR_BYTES, footer, header, table.length, fileBytes);
      if (problem !== undefined) return `block ${block} ${problem}`;
    }
    const stretch = Math.floor(entry / spanSectors) + 1;
    const before = starts[stretch - 1] ?? 0;
    const after = starts[stretch + 1] ?? 0;
    const isAlone = starts[stretch] === 0 && (before === 0 || before + spanSectors <= entry);
    if (!isAlone || (after !== 0 && after < entry + spanSectors)) {
      return `block ${block} at ${entry * SECTOR_BYTES} overlaps another block`;
    }
    starts[stretch] = entry;
  }
  return undefined;
}

/** Why no block can start at byte `at` of a file of `fileBytes` bytes, in words; `undefined` where one can. */
export function misplaced(
  at: number,
  footer: Footer,
  header: Header,
  batEntries: number,
  fileBytes: number,
): string | undefined {
  const end = at + blockSpanBytes(header.blockBytes);
  const headerOffset = footer.headerOffset ?? 0;
  if (fileBytes < end) return `at ${at} reaches behind the end of the file at ${fileBytes}`;
  if (at < FOOTER_BYTES) return `at ${at} lies on the footer copy`;
  if (at < headerOffset + HEADER_BYTES && headerOffset < end) return `at ${at} lies on the header`;
  const isOnTable = at < header.batOffset + batBytes(batEntries) && header.batOffset < end;
  return isOnTable ? `at ${at} lies on the BAT` : undefined;
}

interface Attempt {
  readonly footer?: Footer;
  readonly error?: VhdError;
}

function attempt(decode: () => Footer): Attempt {
  try {
    return { footer: decode() };
  } catch (error) {
    if (error instanceof VhdError && error.code !== 'IO') return { error };
    throw error;
  }
}

function tailBytes(file: RandomAccessFile): Uint8Array {
  const length = Math.min(file.sizeBytes, FOOTER_BYTES);
  return readBytesSync(file, file.sizeBytes - length, length);
}

function chooseFooter(tail: Footer | undefined, head: Footer | undefined, fileBytes: number): Footer | undefined {
  if (tail === undefined || head === undefined || tail.uuid === head.uuid) return tail ?? head;
  const isWholeFixed = tail.diskType === 'fixed' && tail.currentSizeBytes + FOOTER_BYTES === fileBytes;
  return isWholeFixed ? tail : head;
}

function noFooter(path: string, tail: VhdError | undefined, head: VhdError | undefined): VhdError {
  const told = [tail, head].find((error) => error !== undefined && error.code !== 'FOOTER_COOKIE');
  if (told !== undefined && told.code !== 'FOOTER_TRUNCATED')
    return new VhdError(told.code, `${path}: ${told.message}`, { cause: told });
  return new VhdError('NOT_VHD', `${path} has no VHD footer`, { cause: tail });
}

function refuseUnusable(path: string, footer: Footer): void {
  if (footer.isPoisoned) throw new VhdError('POISONED', `${path} was disabled by vhd-util while it changed the image`);
  if (hasLittleEndianBitmaps(footer)) {
    throw new VhdError(
      'UNSUPPORTED',
      `${path} was written by tapdisk 0.1, whose bitmaps count bits from the wrong end`,
    );
  }
}

function footerFindings(
  path: string,
  footer: Footer,
  tail: Footer | undefined,
  head: Footer | undefined,
): OpenFinding[] {
  const findings: OpenFinding[] = [];
  const add = (code: OpenFinding['code'], message: string): number => findings.push({ code, path, message });
  if (footer.isShort) add('FOOTER_SHORT', 'the footer has 511 bytes');
  if (footer.diskType === 'fixed') return findings;
  if (tail === undefined) add('FOOTER_TAIL', 'no valid footer at the end, the copy at the start was used');
  if (head === undefined) add('FOOTER_HEAD', 'no valid footer copy at the start');
  if (tail !== undefined && head !== undefined && !isSameFooter(tail, head)) {
    add(
      'FOOTER_MISMATCH',
      `footer and footer copy differ, the one at the ${footer === tail ? 'end' : 'start'} was used`,
    );
  }
  return findings;
}
