/** Looks for what is wrong with the bytes of one VHD: its footers, its table, its bitmaps. Nothing is written. */
import { throwIfCancelled } from '../../copy/options.ts';
import { isZero } from '../../copy/zeros.ts';
import { type Finding, note, warning } from '../../image/finding.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { alignUp, formatSize, MIB, SECTOR_BYTES } from '../../units.ts';
import type { CheckFileOptions } from '../format.ts';
import type { BlockTable } from './block-table.ts';
import { bitmapBytes, sectorRuns } from './codec/bitmap.ts';
import { decodeFooter, FOOTER_BYTES, type Footer, qemuSizeBytes } from './codec/footer.ts';
import type { Header } from './codec/header.ts';
import { blockSpanBytes } from './codec/layout.ts';
import { findFreeSpace } from './free-space.ts';
import { type FooterReading, findTableProblem, misplaced, readFooter, readUncheckedTable } from './image-metadata.ts';
import { lostFindings } from './lost-blocks.ts';

/** Less than this between the last block and the footer is alignment. */
const PAGE_BYTES = 4096;
/** The smallest disk that Azure takes (quirk 20). */
const AZURE_MIN_BYTES: number = 20 * MIB;
/** Findings that are listed for one image; more of them say nothing new. */
const MAX_FINDINGS = 1000;

/** What is wrong with the image in `file`. Errors: what keeps it from opening; CANCELLED, IO. */
export async function checkFile(file: RandomAccessFile, options: CheckFileOptions): Promise<readonly Finding[]> {
  const reading = readFooter(file);
  const findings: Finding[] = reading.findings.map(({ code, path, message }) =>
    warning(code, path, message, { isRepairable: true, offset: code === 'FOOTER_HEAD' ? 0 : reading.endBytes }),
  );
  findings.push(...checkFooter(file, reading), ...checkSize(file.path, reading.footer));
  if (reading.footer.diskType === 'fixed') findings.push(...checkFixed(file, reading));
  else findings.push(...(await checkDynamic(file, reading, options)));
  return findings;
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
  const { currentSizeBytes } = footer;
  if (endBytes < currentSizeBytes) {
    const message = `the file holds ${formatSize(endBytes)} of a disk of ${formatSize(currentSizeBytes)}`;
    return [{ code: 'FILE_SHORT', severity: 'error', path: file.path, message, offset: endBytes, isRepairable: false }];
  }
  if (endBytes === currentSizeBytes) return [];
  const message = `${endBytes - currentSizeBytes} bytes between the disk of ${currentSizeBytes} and its footer at ${endBytes}: Azure refuses the file, which is to have the size of the disk and 512 bytes; readers that go by the size of the file, not by the footer, show a larger disk; convert writes it anew`;
  return [note('DATA_PADDED', file.path, message, { offset: currentSizeBytes })];
}

/** Quirk 20: sizes that other systems do not take. */
function checkSize(path: string, { diskType, currentSizeBytes }: Footer): readonly Finding[] {
  if (currentSizeBytes % MIB === 0 && (diskType !== 'fixed' || AZURE_MIN_BYTES <= currentSizeBytes)) return [];
  const message = `a disk of ${currentSizeBytes} bytes: Azure takes whole MiB from 20 MiB on (convert --azure rounds up); Hyper-V and 7-Zip read it`;
  return [note('SIZE_ODD', path, message)];
}

async function checkDynamic(
  file: RandomAccessFile,
  reading: FooterReading,
  options: CheckFileOptions,
): Promise<readonly Finding[]> {
  const { footer } = reading;
  const { header, table } = readUncheckedTable(file, footer);
  const findings: Finding[] = [...checkLocators(file, header), ...checkPadding(file, header)];
  for (const { code, path, message } of lostFindings(file.path, header))
    findings.push({ code, severity: 'error', path, message, isRepairable: false });
  if (findTableProblem(table, footer, header, file.sizeBytes) !== undefined)
    return [...findings, ...badEntries(table, footer, header, file, reading.isTailWhole)];
  findings.push(...checkSpace(file, reading, header, table));
  if (options.isDeep === true) findings.push(...(await checkBitmaps(file, header, table, options)));
  return findings;
}

/** Every entry that leads out of the file, into metadata or into another block. */
function badEntries(
  table: BlockTable,
  footer: Footer,
  header: Header,
  file: RandomAccessFile,
  isTailWhole: boolean,
): readonly Finding[] {
  const findings: Finding[] = [];
  const add = (block: number, message: string, isRepairable = false): number =>
    findings.push({
      code: 'BAT_ENTRY',
      severity: 'error',
      path: file.path,
      message,
      block,
      offset: header.batOffset + block * 4,
      isRepairable,
    });
  const blocks: number[] = [];
  const last = table.length - 1;
  for (let block = table.nextUsed(0, last); block <= last; block = table.nextUsed(block + 1, last)) {
    const problem = misplaced(table.get(block) * SECTOR_BYTES, footer, header, table.length, file.sizeBytes);
    if (problem === undefined) blocks.push(block);
    else {
      // With its footer the end of the file is gone, and these blocks with it: what is left can be made to open again, with a list of what is lost.
      const isCut =
        !isTailWhole &&
        misplaced(table.get(block) * SECTOR_BYTES, footer, header, table.length, Infinity) === undefined;
      const lost = isCut ? ': its data is lost, the rest can be made to open again' : '';
      if (MAX_FINDINGS <= add(block, `block ${block} ${problem}${lost}`, isCut)) return findings;
    }
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
  const last = used.at(-1);
  const dataEnd = last === undefined ? reading.endBytes : last * SECTOR_BYTES + blockSpanBytes(header.blockBytes);
  const gap = reading.endBytes - dataEnd;
  const hasRecords = dataEnd <= header.batOffset || header.locators.some(({ offsetBytes }) => dataEnd <= offsetBytes);
  if (PAGE_BYTES <= gap && !hasRecords) {
    const message = `${gap} bytes between the last block and the footer: other readers pass over them, compact gives them back`;
    findings.push(note('DATA_PADDED', file.path, message, { offset: dataEnd }));
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
  options: CheckFileOptions,
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
