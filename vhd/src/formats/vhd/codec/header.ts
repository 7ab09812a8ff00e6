/**
 * Dynamic disk header: 1024 bytes in dynamic and differencing images. Spec: "Dynamic Disk Header Format" and
 * "Parent Locator Entries". All fields are big-endian.
 */
import { VhdError } from '../../../errors.ts';
import { NIL_IDENTITY } from '../../../image/identity.ts';
import { LIMITS, SECTOR_BYTES } from '../../../units.ts';
import { checksumOf, viewOf } from './checksum.ts';
import { decodeParentName, encodeParentName } from './locator.ts';
import { decodeLost, encodeLost, type LostRange } from './lost.ts';
import { uuidBytes, uuidOf } from './uuid.ts';

/** Where each field of a header lies. */
const HEADER = {
  cookie: 0, //          8 bytes `cxsparse`
  dataOffset: 8, //      u64  unused, all ones
  batOffset: 16, //      u64  bytes
  version: 24, //        u32  0x00010000
  maxTableEntries: 28, // u32
  blockSize: 32, //      u32  bytes, without the bitmap
  checksum: 36, //       u32
  parentUuid: 40, //     16 bytes
  parentTimestamp: 56, // u32 seconds since 2000-01-01 UTC
  parentName: 64, //     512 bytes, UTF-16BE
  locators: 576, //      8 entries of 24 bytes
  reserved: 768, //      256 bytes; see lost.ts
  SIZE: 1024,
} as const;

/** Where each field of a parent locator entry lies, from the start of the entry. */
const LOCATOR = {
  code: 0, //       4 bytes
  dataSpace: 4, //  u32  sectors in the specification, bytes in practice (quirk 13)
  dataLength: 8, // u32  bytes
  dataOffset: 16, // u64 bytes
  SIZE: 24,
} as const;

/** Parent locator entries in a header. */
export const LOCATOR_SLOTS = 8;
/** Size of a dynamic disk header in bytes. */
export const HEADER_BYTES: number = HEADER.SIZE;

const COOKIE = 'cxsparse';
const VERSION_1_0 = 0x0001_0000;
const ALL_ONES_64 = 0xffff_ffff_ffff_ffffn;

/** One parent locator entry: where the path of the parent is stored, and in which notation. */
export interface LocatorEntry {
  /** `W2ku`, `W2ru`, `MacX`, or a retired or unknown code, as four characters. */
  readonly code: string;
  /** Bytes reserved for the path, whatever unit the writer used (quirk 13). */
  readonly spaceBytes: number;
  readonly lengthBytes: number;
  readonly offsetBytes: number;
}

/** A decoded dynamic disk header. */
export interface Header {
  /** File offset of the block allocation table in bytes. */
  readonly batOffset: number;
  readonly maxTableEntries: number;
  /** Bytes of data in one block; a power of two. */
  readonly blockBytes: number;
  /** Identity of the parent; NIL_IDENTITY in a dynamic image, and in a child of a raw file (quirk 14). */
  readonly parentUuid: string;
  /** Modification time of the parent when the child was made, seconds since 2000-01-01 UTC. Often wrong: only a hint. */
  readonly parentTimestampSeconds: number;
  /** File name of the parent; may hold unpaired surrogates (quirk 13). */
  readonly parentName: string;
  /** The slots in use, in the order they are stored. */
  readonly locators: readonly LocatorEntry[];
  /** What a repair found to be gone for good; absent where nothing is. */
  readonly lost?: readonly LostRange[];
}

/** Decodes a dynamic disk header. Errors: HEADER_TRUNCATED, HEADER_COOKIE, HEADER_CHECKSUM, HEADER_FIELD, TOO_LARGE. */
export function decodeHeader(bytes: Uint8Array): Header {
  if (bytes.byteLength !== HEADER.SIZE) {
    throw new VhdError('HEADER_TRUNCATED', `dynamic header of ${bytes.byteLength} bytes, need ${HEADER.SIZE}`);
  }
  const view = viewOf(bytes);
  const cookie = latin1(bytes, HEADER.cookie, 8);
  if (cookie !== COOKIE)
    throw new VhdError('HEADER_COOKIE', `dynamic header starts with ${JSON.stringify(cookie)}, not ${COOKIE}`);
  const [stored, computed] = [view.getUint32(HEADER.checksum), checksumOf(bytes, HEADER.checksum)];
  if (stored !== computed) {
    throw new VhdError(
      'HEADER_CHECKSUM',
      `dynamic header checksum is 0x${stored.toString(16)}, computed 0x${computed.toString(16)}`,
    );
  }
  const version = view.getUint32(HEADER.version);
  if (version >>> 16 !== VERSION_1_0 >>> 16)
    throw new VhdError('HEADER_FIELD', `dynamic header version 0x${version.toString(16)}, need 0x10000`);
  const lost = decodeLost(bytes.subarray(HEADER.reserved));
  return {
    ...(lost.length === 0 ? {} : { lost }),
    batOffset: offsetOf(view.getBigUint64(HEADER.batOffset), 'BAT offset'),
    maxTableEntries: entriesOf(view.getUint32(HEADER.maxTableEntries)),
    blockBytes: blockBytesOf(view.getUint32(HEADER.blockSize)),
    parentUuid: uuidOf(bytes.subarray(HEADER.parentUuid, HEADER.parentUuid + 16)),
    parentTimestampSeconds: view.getUint32(HEADER.parentTimestamp),
    parentName: decodeParentName(bytes.subarray(HEADER.parentName, HEADER.parentName + 512)),
    locators: decodeLocators(bytes),
  };
}

/** Encodes a dynamic disk header into 1024 bytes. Errors: USAGE for more than eight locators or a UUID that is none. */
export function encodeHeader(header: Header): Uint8Array {
  if (LOCATOR_SLOTS < header.locators.length)
    throw new VhdError('USAGE', `${header.locators.length} parent locators, at most 8`);
  const bytes = new Uint8Array(HEADER.SIZE);
  const view = viewOf(bytes);
  bytes.set(Buffer.from(COOKIE, 'latin1'), HEADER.cookie);
  view.setBigUint64(HEADER.dataOffset, ALL_ONES_64); // Quirk 9.
  view.setBigUint64(HEADER.batOffset, BigInt(header.batOffset));
  view.setUint32(HEADER.version, VERSION_1_0);
  view.setUint32(HEADER.maxTableEntries, header.maxTableEntries);
  view.setUint32(HEADER.blockSize, header.blockBytes);
  bytes.set(uuidBytes(header.parentUuid), HEADER.parentUuid);
  view.setUint32(HEADER.parentTimestamp, header.parentTimestampSeconds);
  bytes.set(encodeParentName(header.parentName), HEADER.parentName);
  for (const [slot, entry] of header.locators.entries()) {
    const at = HEADER.locators + slot * LOCATOR.SIZE;
    bytes.set(Buffer.from(entry.code.padEnd(4, '\0').slice(0, 4), 'latin1'), at + LOCATOR.code);
    // Quirk 13: bytes, as Microsoft, blktap and DiscUtils write; a reader of sectors only sees more room than there is.
    view.setUint32(at + LOCATOR.dataSpace, entry.spaceBytes);
    view.setUint32(at + LOCATOR.dataLength, entry.lengthBytes);
    view.setBigUint64(at + LOCATOR.dataOffset, BigInt(entry.offsetBytes));
  }
  encodeLost(header.lost ?? [], bytes.subarray(HEADER.reserved));
  view.setUint32(HEADER.checksum, checksumOf(bytes, HEADER.checksum));
  return bytes;
}

/** A header of a dynamic image: no parent. */
export function plainHeader(fields: Pick<Header, 'batOffset' | 'maxTableEntries' | 'blockBytes'>): Header {
  return { ...fields, parentUuid: NIL_IDENTITY, parentTimestampSeconds: 0, parentName: '', locators: [] };
}

/**
 * Bytes a locator's `dataSpace` field means (quirk 13), blktap's rule: below 512 it counts sectors, a multiple of 512
 * is bytes, anything else means nothing.
 */
export function locatorSpaceBytes(dataSpace: number): number {
  if (dataSpace < SECTOR_BYTES) return dataSpace * SECTOR_BYTES;
  return dataSpace % SECTOR_BYTES === 0 ? dataSpace : 0;
}

function decodeLocators(bytes: Uint8Array): LocatorEntry[] {
  const view = viewOf(bytes);
  const entries: LocatorEntry[] = [];
  for (let slot = 0; slot < LOCATOR_SLOTS; slot++) {
    const at = HEADER.locators + slot * LOCATOR.SIZE;
    if (view.getUint32(at + LOCATOR.code) === 0) continue; // Slots may be used in any order (quirk 13: 7 and 6 first).
    const offset = view.getBigUint64(at + LOCATOR.dataOffset);
    entries.push({
      code: latin1(bytes, at + LOCATOR.code, 4),
      spaceBytes: locatorSpaceBytes(view.getUint32(at + LOCATOR.dataSpace)),
      lengthBytes: view.getUint32(at + LOCATOR.dataLength),
      // A locator is a hint; one that points nowhere must not keep the image from opening.
      offsetBytes: BigInt(Number.MAX_SAFE_INTEGER) < offset ? Number.MAX_SAFE_INTEGER : Number(offset),
    });
  }
  return entries;
}

function offsetOf(offset: bigint, what: string): number {
  if (BigInt(LIMITS.blockOffsetBytes) <= offset)
    throw new VhdError('HEADER_FIELD', `${what} ${offset} is beyond 2 TiB`);
  return Number(offset);
}

function entriesOf(entries: number): number {
  if (LIMITS.batEntries < entries)
    throw new VhdError('TOO_LARGE', `BAT of ${entries} entries, at most ${LIMITS.batEntries}`);
  return entries;
}

function blockBytesOf(blockBytes: number): number {
  const isPowerOfTwo = 0 < blockBytes && (blockBytes & (blockBytes - 1)) === 0;
  if (!isPowerOfTwo) throw new VhdError('HEADER_FIELD', `block size ${blockBytes} is not a power of two`);
  if (blockBytes < LIMITS.minBlockBytes || LIMITS.maxBlockBytes < blockBytes) {
    throw new VhdError(
      'UNSUPPORTED',
      `block size ${blockBytes}, need ${LIMITS.minBlockBytes} to ${LIMITS.maxBlockBytes}`,
    );
  }
  return blockBytes;
}

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
}
