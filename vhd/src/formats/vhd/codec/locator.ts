/**
 * Parent locators: how a differencing image names its parent. Spec: "Parent Locator Entries", platform codes.
 * Pure text and bytes; which of the named files may be opened is decided in chain/.
 */
import { VhdError } from '../../../errors.ts';
import { LIMITS } from '../../../units.ts';

/** The notations that are written. `W2ru`: relative, UTF-16LE. `W2ku`: absolute, UTF-16LE. `MacX`: file URL, UTF-8. */
export type LocatorCode = 'W2ru' | 'W2ku' | 'MacX';

/** Bytes of the parent name field in a header. */
const PARENT_NAME_BYTES = 512;

/** Encodes a path (with `/`) for a locator. Errors: TOO_LARGE. */
export function encodeLocatorPath(code: LocatorCode, path: string): Uint8Array {
  const bytes =
    code === 'MacX' ? Buffer.from(`file://${path}`, 'utf8') : Buffer.from(path.replaceAll('/', '\\'), 'utf16le');
  if (LIMITS.locatorBytes < bytes.byteLength)
    throw new VhdError('TOO_LARGE', `parent path of ${bytes.byteLength} bytes`);
  return bytes;
}

/**
 * Decodes what a locator stores into its path as written. `undefined` for codes that hold no path a program can use
 * (`Wi2k`, `Wi2r` and `Mac ` are retired). Errors: TOO_LARGE.
 */
export function decodeLocatorPath(code: string, bytes: Uint8Array): string | undefined {
  if (LIMITS.locatorBytes < bytes.byteLength)
    throw new VhdError('TOO_LARGE', `parent locator of ${bytes.byteLength} bytes`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (code === 'W2ru' || code === 'W2ku')
    return untilNul(buffer.subarray(0, buffer.byteLength & ~1).toString('utf16le'));
  if (code === 'MacX') return untilNul(buffer.toString('utf8')).replace(/^file:\/\/(localhost(?=\/))?/, '');
  return undefined;
}

/** The parent name field: UTF-16BE up to the first NUL. Unpaired surrogates stay as they are (quirk 13). */
export function decodeParentName(bytes: Uint8Array): string {
  return untilNul(Buffer.from(bytes).swap16().toString('utf16le'));
}

/** Encodes the parent name field, cut off where it does not fit; the locators hold the whole path. */
export function encodeParentName(name: string): Uint8Array {
  const bytes = Buffer.alloc(PARENT_NAME_BYTES);
  bytes.write(name, 0, PARENT_NAME_BYTES - 2, 'utf16le');
  return bytes.swap16();
}

function untilNul(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
