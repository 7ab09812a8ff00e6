/**
 * VHD footer: the 512 bytes that end every image, and that dynamic and differencing images also start with.
 * Spec: Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format". All fields are big-endian.
 */
import { VhdError } from '../../../errors.ts';
import type { Geometry } from '../../../image/image-details.ts';
import { LIMITS, SECTOR_BYTES } from '../../../units.ts';
import { checksumOf, viewOf } from './checksum.ts';
import { geometryBytes, MAX_GEOMETRY } from './geometry.ts';
import { uuidBytes, uuidOf } from './uuid.ts';

/** Where each field of a footer lies. */
const FOOTER = {
  cookie: 0, //        8 bytes `conectix`
  features: 8, //      u32  bit 1 always set, bit 0: temporary
  version: 12, //      u32  0x00010000
  headerOffset: 16, // u64  of the dynamic disk header; all ones in a fixed image
  timestamp: 24, //    u32  seconds since 2000-01-01 UTC
  creatorApp: 28, //   4 bytes
  creatorVersion: 32, // u32
  creatorHostOs: 36, // 4 bytes `Wi2k` or `Mac `
  originalSize: 40, // u64  bytes, at creation
  currentSize: 48, //  u64  bytes, now
  cylinders: 56, //    u16
  heads: 58, //        u8
  sectorsPerTrack: 59, // u8
  diskType: 60, //     u32  2 fixed, 3 dynamic, 4 differencing
  checksum: 64, //     u32
  uuid: 68, //         16 bytes
  savedState: 84, //   u8   0 or 1
  hidden: 85, //       u8   blktap's; reserved in the specification
  SIZE: 512,
} as const;

/** Size of a footer in bytes. Microsoft Virtual PC before 2004 wrote one byte less (quirk 1). */
export const FOOTER_BYTES: number = FOOTER.SIZE;
/** Size of the footer that Virtual PC before 2004 wrote (quirk 1). */
export const OLD_FOOTER_BYTES = 511;

const COOKIE = 'conectix';
const POISON_COOKIE = 'v_poison'; // vhd-util writes it while it changes an image (quirk 18)
const VERSION_1_0 = 0x0001_0000;
const FEATURE_RESERVED = 0x2; // "must always be set"
const FEATURE_TEMPORARY = 0x1;
const ALL_ONES_64 = 0xffff_ffff_ffff_ffffn;

/** The kinds of image this library reads. */
export type DiskType = 'fixed' | 'dynamic' | 'differencing';
const TYPE_CODES: Readonly<Record<DiskType, number>> = { fixed: 2, dynamic: 3, differencing: 4 };

/** A decoded footer. */
export interface Footer {
  readonly diskType: DiskType;
  /** Virtual size in bytes. The one size we go by, as Hyper-V does (quirk 5). */
  readonly currentSizeBytes: number;
  readonly originalSizeBytes: number;
  /** File offset of the dynamic disk header in bytes; `undefined` in a fixed image. */
  readonly headerOffset: number | undefined;
  readonly uuid: string;
  /** Seconds since 2000-01-01 UTC; see `dateOf`. */
  readonly timestampSeconds: number;
  /** Four characters, each one byte. */
  readonly creatorApp: string;
  readonly creatorVersion: number;
  readonly creatorHostOs: string;
  readonly geometry: Geometry;
  readonly isTemporary: boolean;
  /** 0, or 1 for an image that belongs to a machine in saved state. */
  readonly savedState: number;
  /** blktap's mark for images that are only there for others; 0 elsewhere. */
  readonly hidden: number;
  /** vhd-util disabled the image while changing it (quirk 18). */
  readonly isPoisoned: boolean;
  /** Written by Virtual PC before 2004: 511 bytes at the end of the file (quirk 1). */
  readonly isShort: boolean;
}

/**
 * Decodes a footer of 512 bytes, or of 511 (quirk 1).
 * Errors: FOOTER_TRUNCATED, FOOTER_COOKIE, FOOTER_CHECKSUM, FOOTER_FIELD, TOO_LARGE.
 */
export function decodeFooter(bytes: Uint8Array): Footer {
  if (bytes.byteLength !== FOOTER.SIZE && bytes.byteLength !== OLD_FOOTER_BYTES) {
    throw new VhdError('FOOTER_TRUNCATED', `footer of ${bytes.byteLength} bytes, need ${FOOTER.SIZE}`);
  }
  const cookie = latin1(bytes, FOOTER.cookie, 8);
  if (cookie !== COOKIE && cookie !== POISON_COOKIE) {
    throw new VhdError('FOOTER_COOKIE', `footer starts with ${JSON.stringify(cookie)}, not ${COOKIE}`);
  }
  if (!isSumRight(bytes)) {
    const stored = viewOf(bytes).getUint32(FOOTER.checksum);
    throw new VhdError(
      'FOOTER_CHECKSUM',
      `footer checksum is ${hex(stored)}, computed ${hex(checksumOf(bytes, FOOTER.checksum))}`,
    );
  }
  const view = viewOf(bytes);
  const version = view.getUint32(FOOTER.version);
  if (version >>> 16 !== VERSION_1_0 >>> 16) {
    throw new VhdError('FOOTER_FIELD', `footer version ${hex(version)}, need 0x10000`);
  }
  const diskType = diskTypeOf(view.getUint32(FOOTER.diskType));
  const features = view.getUint32(FOOTER.features);
  return {
    diskType,
    currentSizeBytes: sizeOf(view.getBigUint64(FOOTER.currentSize), diskType),
    originalSizeBytes: Number(view.getBigUint64(FOOTER.originalSize)),
    headerOffset: headerOffsetOf(view.getBigUint64(FOOTER.headerOffset), diskType),
    uuid: uuidOf(bytes.subarray(FOOTER.uuid, FOOTER.uuid + 16)),
    timestampSeconds: view.getUint32(FOOTER.timestamp),
    creatorApp: latin1(bytes, FOOTER.creatorApp, 4),
    creatorVersion: view.getUint32(FOOTER.creatorVersion),
    creatorHostOs: latin1(bytes, FOOTER.creatorHostOs, 4),
    geometry: {
      cylinders: view.getUint16(FOOTER.cylinders),
      heads: view.getUint8(FOOTER.heads),
      sectorsPerTrack: view.getUint8(FOOTER.sectorsPerTrack),
    },
    isTemporary: (features & FEATURE_TEMPORARY) !== 0,
    savedState: view.getUint8(FOOTER.savedState),
    hidden: view.getUint8(FOOTER.hidden),
    isPoisoned: cookie === POISON_COOKIE,
    isShort: bytes.byteLength === OLD_FOOTER_BYTES,
  };
}

/** Encodes a footer into 512 bytes, always: a short one is written back whole. Errors: USAGE for a UUID that is none. */
export function encodeFooter(footer: Footer): Uint8Array {
  const bytes = new Uint8Array(FOOTER.SIZE);
  const view = viewOf(bytes);
  putLatin1(bytes, FOOTER.cookie, 8, footer.isPoisoned ? POISON_COOKIE : COOKIE);
  view.setUint32(FOOTER.features, FEATURE_RESERVED | (footer.isTemporary ? FEATURE_TEMPORARY : 0));
  view.setUint32(FOOTER.version, VERSION_1_0);
  // Quirk 9: 64 bits of ones, although the specification writes 0xFFFFFFFF.
  view.setBigUint64(FOOTER.headerOffset, footer.headerOffset === undefined ? ALL_ONES_64 : BigInt(footer.headerOffset));
  view.setUint32(FOOTER.timestamp, footer.timestampSeconds);
  putLatin1(bytes, FOOTER.creatorApp, 4, footer.creatorApp);
  view.setUint32(FOOTER.creatorVersion, footer.creatorVersion);
  putLatin1(bytes, FOOTER.creatorHostOs, 4, footer.creatorHostOs);
  view.setBigUint64(FOOTER.originalSize, BigInt(footer.originalSizeBytes));
  view.setBigUint64(FOOTER.currentSize, BigInt(footer.currentSizeBytes));
  view.setUint16(FOOTER.cylinders, footer.geometry.cylinders);
  view.setUint8(FOOTER.heads, footer.geometry.heads);
  view.setUint8(FOOTER.sectorsPerTrack, footer.geometry.sectorsPerTrack);
  view.setUint32(FOOTER.diskType, TYPE_CODES[footer.diskType]);
  bytes.set(uuidBytes(footer.uuid), FOOTER.uuid);
  view.setUint8(FOOTER.savedState, footer.savedState);
  view.setUint8(FOOTER.hidden, footer.hidden);
  view.setUint32(FOOTER.checksum, checksumOf(bytes, FOOTER.checksum));
  return bytes;
}

/**
 * The footer in the last 512 bytes of a file, whole or short (quirk 1): blktap's order, the last 512 bytes, then the
 * last 511. Errors: as `decodeFooter`, of the whole form.
 */
export function decodeTailFooter(last512: Uint8Array): Footer {
  try {
    return decodeFooter(last512);
  } catch (error) {
    if (last512.byteLength === FOOTER.SIZE && latin1(last512, 1, 8) === COOKIE)
      return decodeFooter(last512.subarray(1));
    throw error;
  }
}

/** True where the two footers say the same about the disk; blktap's hidden mark lives in the head copy only (quirk 4). */
export function isSameFooter(a: Footer, b: Footer): boolean {
  const plain = (footer: Footer): Uint8Array => encodeFooter({ ...footer, hidden: 0 });
  return Buffer.compare(plain(a), plain(b)) === 0;
}

/**
 * The virtual size qemu 7.2 takes from a footer (quirk 5): the geometry, unless the creator is one of those it knows
 * to store exact sizes, or the geometry is at its maximum. Everybody else, and we, use `currentSizeBytes`.
 */
export function qemuSizeBytes(footer: Footer): number {
  const isExact = ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS'].includes(footer.creatorApp);
  const { cylinders, heads, sectorsPerTrack } = footer.geometry;
  const isMax =
    cylinders === MAX_GEOMETRY.cylinders &&
    heads === MAX_GEOMETRY.heads &&
    sectorsPerTrack === MAX_GEOMETRY.sectorsPerTrack;
  return isExact || isMax ? footer.currentSizeBytes : geometryBytes(footer.geometry);
}

/** True where tapdisk 0.1 wrote the image: its sector bitmaps count bits from the wrong end (quirk 12). */
export function hasLittleEndianBitmaps(footer: Footer): boolean {
  return footer.creatorApp === 'tap\0' && footer.creatorVersion === TAP_0_1;
}

/** True where blktap keeps a `tdbatmap` right behind the BAT (quirk 16): creator `tap`, version 1.2 or later. */
export function hasBatmap(footer: Footer): boolean {
  return footer.creatorApp === 'tap\0' && TAP_1_2 <= footer.creatorVersion;
}

const TAP_0_1 = 0x0000_0001;
const TAP_1_1 = 0x0001_0001;
const TAP_1_2 = 0x0001_0002;

/** Quirk 4: tapdisk 0.1 and 1.1 set the hidden mark without computing the sum anew. */
function isSumRight(bytes: Uint8Array): boolean {
  const view = viewOf(bytes);
  const stored = view.getUint32(FOOTER.checksum);
  const sum = checksumOf(bytes, FOOTER.checksum);
  if (sum === stored) return true;
  const hidden = view.getUint8(FOOTER.hidden);
  const version = view.getUint32(FOOTER.creatorVersion);
  const isOldTap = latin1(bytes, FOOTER.creatorApp, 3) === 'tap' && (version === TAP_0_1 || version === TAP_1_1);
  return hidden !== 0 && isOldTap && (sum + hidden) >>> 0 === stored;
}

function diskTypeOf(code: number): DiskType {
  if (code === TYPE_CODES.fixed) return 'fixed';
  if (code === TYPE_CODES.dynamic) return 'dynamic';
  if (code === TYPE_CODES.differencing) return 'differencing';
  throw new VhdError('FOOTER_FIELD', `disk type ${code}, need 2, 3 or 4`);
}

function sizeOf(size: bigint, diskType: DiskType): number {
  const limit = diskType === 'fixed' ? LIMITS.fixedDiskBytes : LIMITS.blockOffsetBytes;
  if (BigInt(limit) < size) throw new VhdError('TOO_LARGE', `virtual size ${size} bytes, at most ${limit}`);
  if (size % BigInt(SECTOR_BYTES) !== 0n)
    throw new VhdError('FOOTER_FIELD', `virtual size ${size} is not a multiple of 512`);
  return Number(size);
}

function headerOffsetOf(offset: bigint, diskType: DiskType): number | undefined {
  if (diskType === 'fixed') return undefined;
  if (BigInt(LIMITS.blockOffsetBytes) <= offset)
    throw new VhdError('FOOTER_FIELD', `header offset ${offset} is beyond 2 TiB`);
  return Number(offset);
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function latin1(bytes: Uint8Array, offset: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('latin1');
}

function putLatin1(bytes: Uint8Array, offset: number, length: number, text: string): void {
  bytes.set(Buffer.from(text.padEnd(length, '\0').slice(0, length), 'latin1'), offset);
}
