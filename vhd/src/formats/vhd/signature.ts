/**
 * Whether a file is a VHD, whatever it is called. A damaged one still is: the copy of the footer at the start, the
 * header of a dynamic image or a footer that others have put something behind are signs enough. What is taken for a raw
 * disk by mistake is copied with its records as content.
 */
import { isVhdError } from '../../errors.ts';
import { type RandomAccessFile, readBytesSync } from '../../storage/file.ts';
import { SECTOR_BYTES } from '../../units.ts';
import { decodeFooter, FOOTER_BYTES, OLD_FOOTER_BYTES } from './codec/footer.ts';
import { HEADER_OFFSET } from './codec/layout.ts';

const FOOTER_COOKIES = ['conectix', 'v_poison'];
const HEADER_COOKIE = 'cxsparse';
/** How far in front of the end a footer is looked for that something was put behind: what storages round files up to. */
const PADDING_BYTES: number = 4 << 20;

/** True for a VHD, also for one whose records are damaged in part. Errors: IO. */
export function looksLikeVhd(file: RandomAccessFile): boolean {
  const size = file.sizeBytes;
  if (size < OLD_FOOTER_BYTES) return false;
  const head = textAt(file, 0, HEADER_OFFSET + HEADER_COOKIE.length);
  const isHead = FOOTER_COOKIES.some((cookie) => head.startsWith(cookie)) || head.endsWith(HEADER_COOKIE);
  return isHead || isTail(file, size) || footerBeforePadding(file) !== undefined;
}

function isTail(file: RandomAccessFile, size: number): boolean {
  const places = [size - FOOTER_BYTES, size - OLD_FOOTER_BYTES]; // Quirk 1.
  return places.some((at) => 0 <= at && FOOTER_COOKIES.includes(textAt(file, at, 8)));
}

/**
 * Where the footer of a fixed image is that is not at the end of its file; `undefined` where there is none such. Only one
 * that is right counts: it lies where its size says. Errors: IO.
 */
export function footerBeforePadding(file: RandomAccessFile): number | undefined {
  const end = Math.floor(file.sizeBytes / SECTOR_BYTES) * SECTOR_BYTES - FOOTER_BYTES;
  const start = Math.max(0, end - PADDING_BYTES);
  if (end <= start) return undefined;
  const bytes = Buffer.from(readBytesSync(file, start, end + FOOTER_BYTES - start).buffer);
  for (let at = bytes.lastIndexOf('conectix'); 0 <= at; at = at === 0 ? -1 : bytes.lastIndexOf('conectix', at - 1)) {
    if (at % SECTOR_BYTES !== 0 || bytes.byteLength < at + FOOTER_BYTES) continue;
    if (isFixedFooterAt(bytes.subarray(at, at + FOOTER_BYTES), start + at)) return start + at;
  }
  return undefined;
}

function isFixedFooterAt(bytes: Uint8Array, position: number): boolean {
  try {
    const footer = decodeFooter(bytes);
    return footer.diskType === 'fixed' && footer.currentSizeBytes === position;
  } catch (error) {
    if (isVhdError(error)) return false;
    throw error;
  }
}

function textAt(file: RandomAccessFile, position: number, length: number): string {
  const count = Math.min(length, file.sizeBytes - position);
  return Buffer.from(readBytesSync(file, position, count)).toString('latin1');
}
