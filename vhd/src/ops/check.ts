/**
 * Looks for what is wrong with an image or a chain. Every finding has a code, a place and a severity, and says whether
 * `repairImage` can mend it. Never throws for damage: an image that does not open is a finding.
 *
 * - `error`: content is lost or wrong, or the image does not open.
 * - `warning`: the content is right, but another reader, or the next power cut, may see it otherwise.
 * - `note`: worth knowing.
 */

import { isVhdError, VhdError, type VhdErrorCode } from '../errors.ts';
import type { BlockTable } from '../formats/vhd/block-table.ts';
import { bitmapBytes, sectorRuns } from '../formats/vhd/codec/bitmap.ts';
import { decodeFooter, FOOTER_BYTES, type Footer, qemuSizeBytes } from '../formats/vhd/codec/footer.ts';
import type { Header } from '../formats/vhd/codec/header.ts';
import { blockSpanBytes } from '../formats/vhd/codec/layout.ts';
import { findFreeSpace } from '../formats/vhd/free-space.ts';
import {
  type FooterReading,
  findTableProblem,
  misplaced,
  readFooter,
  readUncheckedTable,
} from '../formats/vhd/image-metadata.ts';
import { openLinks } from '../image/open.ts';
import type { ChainPolicy } from '../image/parent.ts';
import { findChildren } from '../image/seal.ts';
import { type RandomAccessFile, readBytesSync } from '../storage/file.ts';
import type { Storage } from '../storage/storage.ts';
import { alignUp, formatSize, SECTOR_BYTES } from '../units.ts';
import { hasJournal } from './journal.ts';
import { chainOptions, type OperationOptions, storageOf, throwIfCancelled } from './options.ts';
import { isZero } from './zeros.ts';

/** How bad a finding is. */
export type Severity = 'error' | 'warning' | 'note';

/** What a check can find, besides the codes of an image that does not open. */
export type FindingCode =
  | VhdErrorCode
  | 'FOOTER_TAIL' // no valid footer at the end; the copy at the start is used (quirk 2)
  | 'FOOTER_HEAD' // no valid copy at the start
  | 'FOOTER_MISMATCH' // both are valid and differ
  | 'FOOTER_SHORT' // 511 bytes (quirk 1)
  | 'FOOTER_FEATURES' // the bit that must be set is not (quirk 18)
  | 'FOOTER_SAVED_STATE' // neither 0 nor 1 (quirk 18)
  | 'SIZE_DISPUTED' // qemu takes another size from the geometry (quirk 5)
  | 'FILE_SHORT' // a fixed image shorter than its disk
  | 'BAT_PADDING' // the rest of the last sector of the table is not ones (quirk 10)
  | 'BLOCK_UNALIGNED' // block data is not on 4 KiB (quirk 11)
  | 'SPACE_LEAKED' // room that no block uses
  | 'DATA_BEHIND_CLEAR_BIT' // stored bytes that the bitmap says are not there (quirk 12)
  | 'LOCATOR_DEAD' // a parent path outside of the file or of a length that nobody reads
  | 'PARENT_TIME' // quirk 14
  | 'PARENT_UNSEALED' // SEALED-STAYS: the parent could be written to
  | 'INTERRUPTED'; // a journal waits to be finished

/** One thing that was found. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly path: string;
  readonly message: string;
  /** File offset in bytes. */
  readonly offset?: number;
  readonly block?: number;
  readonly isRepairable: boolean;
}

/** How thoroughly to look. */
export interface CheckOptions extends OperationOptions {
  /** Looks at the parents too. */
  readonly isChain?: boolean;
  /** Reads the data too, to find bytes behind clear bits (quirk 12). */
  readonly isDeep?: boolean;
  readonly policy?: ChainPolicy;
}

/** Findings that are listed for one image; more of them say nothing new. */
const MAX_FINDINGS = 1000;

/** Looks at an image, or at a chain, leaf first. Errors: CANCELLED, NOT_FOUND, IO. */
export async function checkImage(name: string, options: CheckOptions = {}): Promise<readonly Finding[]> {
  const storage = storageOf(options);
  if (storage.stat(name) === undefined) throw new VhdError('NOT_FOUND', `no such image: ${name}`);
  if (options.isChain !== true) return checkOne(name, storage, options);
  let paths: readonly string[] = [name];
  const findings: Finding[] = [];
  try {
    const links = openLinks(name, chainOptions(options));
    paths = links.filter((image) => image.footer.uuid !== NIL || image.header !== undefined).map((image) => image.path);
    for (const image of links) {
      await image.close();
      for (const { code, path, message } of image.findings) {
        if (code === 'PARENT_TIME') findings.push({ code, severity: 'note', path, message, isRepairable: true });
      }
    }
    for (const parent of paths.slice(1)) {
      if (storage.stat(parent)?.isWritable === true) {
        findings.push(
          warning('PARENT_UNSEALED', parent, 'the image has a child and could be written to', { isRepairable: true }),
        );
      }
    }
  } catch (error) {
    if (!isVhdError(error) || error.code === 'IO') throw error;
    findings.push({ code: error.code, severity: 'error', path: name, message: error.message, isRepairable: false });
  }
  for (const path of paths) findings.push(...(await checkOne(path, storage, options)));
  return unique(findings);
}

const NIL = '00000000-0000-0000-0000-000000000000';

async function checkOne(name: string, storage: Storage, options: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (hasJournal(name, storage)) {
    findings.push(
      warning('INTERRUPTED', name, 'an operation was cut off and has to be finished', { isRepairable: true }),
    );
  }
  const file = storage.open(name, 'read');
  try {
    const reading = readFooter(file);
    for (const { code, path, message } of reading.findings) {
      findings.push(
        warning(code, path, message, { isRepairable: true, offset: code === 'FOOTER_HEAD' ? 0 : reading.endBytes }),
      );
    }
    findings.push(...checkFooter(file, reading));
    if (reading.footer.diskType === 'fixed') findings.push(...checkFixed(file, reading));
    else findings.push(...(await checkDynamic(file, reading, options)));
    const { uuid } = reading.footer;
    if (
      storage.stat(name)?.isWritable === true &&
      0 < findChildren(name, uuid, storage, options.policy?.folders ?? []).length
    ) {
      findings.push(
        warning('PARENT_UNSEALED', name, 'the image has a child and could be written to', { isRepairable: true }),
      );
    }
  } catch (error) {
    if (!isVhdError(error) || error.code === 'IO' || error.code === 'CANCELLED') throw error;
    findings.push({ code: error.code, severity: 'error', path: name, message: error.message, isRepairable: false });
  } finally {
    await file.close();
  }
  return findings.slice(0, MAX_FINDINGS);
}

function checkFooter(file: RandomAccessFile, { footer, endBytes }: FooterReading): readonly Finding[] {
  const findings: Finding[] = [];
  const raw = rawFooter(file, footer, endBytes);
  const place = { isRepairable: true, offset: endBytes };
  if (raw !== undefined && (raw.getUint32(8) & 2) === 0) {
    findings.push(warning('FOOTER_FEATURES', file.path, 'the reserved feature bit, which must be set, is not', place));
  }
  if (1 < footer.savedState) {
    findings.push(warning('FOOTER_SAVED_STATE', file.path, `saved state is ${footer.savedState}, not 0 or 1`, place));
  }
  if (qemuSizeBytes(footer) !== footer.currentSizeBytes) {
    const message = `qemu takes the size from the geometry: ${qemuSizeBytes(footer)} bytes instead of ${footer.currentSizeBytes}`;
    findings.push({
      code: 'SIZE_DISPUTED',
      severity: 'note',
      path: file.path,
      message,
      offset: endBytes,
      isRepairable: false,
    });
  }
  return findings;
}

/** The bytes of the footer in force. */
function rawFooter(file: RandomAccessFile, footer: Footer, endBytes: number): DataView | undefined {
  if (file.sizeBytes < FOOTER_BYTES) return undefined;
  const isTail = endBytes + FOOTER_BYTES <= file.sizeBytes;
  const bytes = readBytesSync(file, isTail ? endBytes : 0, FOOTER_BYTES);
  try {
    return decodeFooter(bytes).uuid === footer.uuid
      ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : undefined;
  } catch {
    return undefined;
  }
}

function checkFixed(file: RandomAccessFile, { footer, endBytes }: FooterReading): readonly Finding[] {
  if (footer.currentSizeBytes <= endBytes) return [];
  const message = `the file holds ${formatSize(endBytes)} of a disk of ${formatSize(footer.currentSizeBytes)}`;
  return [{ code: 'FILE_SHORT', severity: 'error', path: file.path, message, offset: endBytes, isRepairable: false }];
}

async function checkDynamic(
  file: RandomAccessFile,
  reading: FooterReading,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const { footer } = reading;
  const { header, table } = readUncheckedTable(file, footer);
  const findings: Finding[] = [...checkLocators(file, header), ...checkPadding(file, header)];
  if (findTableProblem(table, footer, header, file.sizeBytes) !== undefined)
    return [...findings, ...badEntries(table, footer, header, file)];
  findings.push(...checkSpace(file, reading, header, table));
  if (options.isDeep === true) findings.push(...(await checkBitmaps(file, header, table, options)));
  return findings;
}

/** Every entry that leads out of the file, into metadata or into another block. */
function badEntries(table: BlockTable, footer: Footer, header: Header, file: RandomAccessFile): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (block: number, message: string): number =>
    findings.push({
      code: 'BAT_ENTRY',
      severity: 'error',
      path: file.path,
      message,
      block,
      offset: header.batOffset + block * 4,
      isRepairable: false,
    });
  const blocks: number[] = [];
  const last = table.length - 1;
  for (let block = table.nextUsed(0, last); block <= last; block = table.nextUsed(block + 1, last)) {
    const problem = misplaced(table.get(block) * SECTOR_BYTES, footer, header, table.length, file.sizeBytes);
    if (problem === undefined) blocks.push(block);
    else if (MAX_FINDINGS <= add(block, `block ${block} ${problem}`)) return findings;
  }
  const spanSectors = blockSpanBytes(header.blockBytes) / SECTOR_BYTES;
  blocks.sort((a, b) => table.get(a) - table.get(b));
  for (let i = 1; i < blocks.length && findings.length < MAX_FINDINGS; i++) {
    const [one = 0, other = 0] = [blocks[i - 1], blocks[i]];
    if (table.get(other) - table.get(one) < spanSectors) add(other, `blocks ${one} and ${other} overlap`);
  }
  return findings;
}

function checkLocators(file: RandomAccessFile, header: Header): readonly Finding[] {
  return header.locators
    .filter(({ offsetBytes, lengthBytes }) => file.sizeBytes < offsetBytes + lengthBytes)
    .map(({ code, offsetBytes }) =>
      warning('LOCATOR_DEAD', file.path, `the parent path ${code} lies behind the end of the file`, {
        offset: offsetBytes,
      }),
    );
}

function checkPadding(file: RandomAccessFile, header: Header): readonly Finding[] {
  const end = header.batOffset + header.maxTableEntries * 4;
  const length = Math.min(alignUp(end, SECTOR_BYTES), file.sizeBytes) - end;
  if (length <= 0 || readBytesSync(file, end, length).every((byte) => byte === 0xff)) return [];
  const message = 'the rest of the last sector of the BAT is not filled with ones';
  return [{ code: 'BAT_PADDING', severity: 'note', path: file.path, message, offset: end, isRepairable: true }];
}

function checkSpace(
  file: RandomAccessFile,
  reading: FooterReading,
  header: Header,
  table: BlockTable,
): readonly Finding[] {
  const findings: Finding[] = [];
  const used = table.sortedEntries();
  const unaligned = used.filter((entry) => (entry * SECTOR_BYTES + bitmapBytes(header.blockBytes)) % 4096 !== 0).length;
  if (0 < unaligned) {
    const message = `${unaligned} of ${used.length} blocks are not aligned to 4 KiB; compact aligns them`;
    findings.push({ code: 'BLOCK_UNALIGNED', severity: 'note', path: file.path, message, isRepairable: false });
  }
  const places = findFreeSpace(table, header, reading.endBytes, reading.footer.headerOffset);
  const leaked = places.length * blockSpanBytes(header.blockBytes);
  if (0 < leaked) {
    const message = `${formatSize(leaked)} that no block uses; new blocks go there, compact gives them back`;
    findings.push({ code: 'SPACE_LEAKED', severity: 'note', path: file.path, message, isRepairable: false });
  }
  return findings;
}

async function checkBitmaps(
  file: RandomAccessFile,
  header: Header,
  table: BlockTable,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const bytes = new Uint8Array(blockSpanBytes(header.blockBytes));
  const bitmapSize = bitmapBytes(header.blockBytes);
  const last = table.length - 1;
  for (let block = table.nextUsed(0, last); block <= last; block = table.nextUsed(block + 1, last)) {
    throwIfCancelled(options.signal);
    const entry = table.get(block);
    await file.read(bytes, 0, bytes.byteLength, entry * SECTOR_BYTES);
    options.onProgress?.({ doneBytes: block * header.blockBytes, totalBytes: table.length * header.blockBytes });
    for (const run of sectorRuns(bytes.subarray(0, bitmapSize), 0, header.blockBytes / SECTOR_BYTES)) {
      const start = bitmapSize + run.first * SECTOR_BYTES;
      if (run.isPresent || isZero(bytes, start, start + run.count * SECTOR_BYTES)) continue;
      const message = `block ${block} stores data in sectors that its bitmap says are not there`;
      const offset = entry * SECTOR_BYTES + start;
      findings.push({
        code: 'DATA_BEHIND_CLEAR_BIT',
        severity: 'warning',
        path: file.path,
        message,
        block,
        offset,
        isRepairable: false,
      });
      break;
    }
  }
  return findings;
}

function warning(
  code: FindingCode,
  path: string,
  message: string,
  rest: { readonly isRepairable?: boolean; readonly offset?: number } = {},
): Finding {
  return { code, severity: 'warning', path, message, isRepairable: false, ...rest };
}

function unique(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>();
  return findings.filter((finding) => {
    const key = `${finding.code} ${finding.path} ${finding.offset ?? ''} ${finding.block ?? ''}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
