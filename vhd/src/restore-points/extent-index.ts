/**
 * The index beside a stored disk: every stretch of it, where it lies, and its SHA-256. It is what a restore point is read
 * through, whether the VHD is stored as it is or in a container: no table of blocks has to be read first, and what is
 * read can be told from what was written. PURE. Layout: docs/design/repository.md, "Index".
 */
import { VhdError } from '../errors.ts';

/** What a stretch is. */
export const EXTENT = {
  /** Content of the disk. */
  data: 0,
  /** Content of the disk that is zeros, and is not stored. */
  zero: 1,
  /** Bytes of the VHD around the content: footer, header, table, bitmaps. */
  structure: 2,
} as const;

/** One stretch. Offsets and lengths in bytes. */
export interface StoredExtent {
  readonly kind: number;
  /** Where in the disk; 0 for `structure`. */
  readonly offset: number;
  readonly length: number;
  /** Where in the VHD; 0 for `zero`. */
  readonly position: number;
  /** Where in the object that is stored, and how much of it: 0 for `zero`. */
  readonly storedAt: number;
  readonly storedBytes: number;
  /** Of the bytes as they were before compression and encryption; all zeros for `zero`. */
  readonly sha256: Uint8Array;
}

const MAGIC = 'ORIELIX1';
export const INDEX_HEADER_BYTES = 16;
export const EXTENT_BYTES = 72;
/** Longest stretch that is stored: what has to be read for any byte of it. */
export const MAX_EXTENT_BYTES: number = 512 * 1024;
/** Longest stretch of zeros. */
export const MAX_ZERO_BYTES: number = 2 ** 31;
const MAX_OFFSET = 2 ** 48;

export function encodeIndexHeader(): Uint8Array {
  const bytes = Buffer.alloc(INDEX_HEADER_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  return bytes;
}

export function encodeExtent(extent: StoredExtent): Uint8Array {
  const bytes = Buffer.alloc(EXTENT_BYTES);
  bytes.writeUInt32LE(extent.kind, 0);
  bytes.writeUInt32LE(extent.length, 4);
  writeOffset(bytes, extent.offset, 8);
  writeOffset(bytes, extent.position, 16);
  writeOffset(bytes, extent.storedAt, 24);
  bytes.writeUInt32LE(extent.storedBytes, 32);
  bytes.set(extent.sha256, 40);
  return bytes;
}

/** Errors: DAMAGED. */
export function checkIndexHeader(bytes: Uint8Array, name: string): void {
  if (Buffer.from(bytes.subarray(0, MAGIC.length)).toString('latin1') !== MAGIC)
    throw new VhdError('DAMAGED', `${name} is not an index of a restore point`);
}

/** The extent at `at` in `bytes`. Errors: DAMAGED where a field cannot be. */
export function decodeExtent(bytes: Buffer, at: number, name: string): StoredExtent {
  const extent = {
    kind: bytes.readUInt32LE(at),
    length: bytes.readUInt32LE(at + 4),
    offset: readOffset(bytes, at + 8),
    position: readOffset(bytes, at + 16),
    storedAt: readOffset(bytes, at + 24),
    storedBytes: bytes.readUInt32LE(at + 32),
    sha256: new Uint8Array(bytes.subarray(at + 40, at + 72)),
  };
  const isZero = extent.kind === EXTENT.zero;
  const isSane =
    extent.kind <= EXTENT.structure &&
    0 < extent.length &&
    extent.length <= (isZero ? MAX_ZERO_BYTES : MAX_EXTENT_BYTES) &&
    extent.offset < MAX_OFFSET &&
    extent.position < MAX_OFFSET &&
    extent.storedAt < MAX_OFFSET &&
    extent.storedBytes <= 2 * MAX_EXTENT_BYTES &&
    (extent.storedBytes === 0) === isZero;
  if (!isSane) throw new VhdError('DAMAGED', `${name}: the entry at byte ${at} cannot be`);
  return extent;
}

/** u64, little endian; numbers beyond 2^53 are damage and are told by the caller. */
function writeOffset(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function readOffset(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
