/**
 * Block allocation table: for each block, the sector where its bitmap and data start. Spec: "Block Allocation Table
 * and Data Blocks". In memory a Uint32Array in the byte order of the machine, so that a lookup is an index.
 */
import { VhdError } from '../../../errors.ts';
import { alignUp, SECTOR_BYTES } from '../../../units.ts';

/** The entry of a block that is not in the file. */
export const BAT_UNUSED = 0xffff_ffff;

/** Entries a disk of this size needs. */
export function batEntriesFor(sizeBytes: number, blockBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes);
}

/** Bytes a table takes in the file: whole sectors. */
export function batBytes(entries: number): number {
  return alignUp(entries * 4, SECTOR_BYTES);
}

/** Decodes the first `entries` entries; unsigned, so blocks beyond 1 TiB are found (quirk 8). Errors: BAT_TRUNCATED. */
export function decodeBat(bytes: Uint8Array, entries: number): Uint32Array {
  if (bytes.byteLength < entries * 4) {
    throw new VhdError('BAT_TRUNCATED', `BAT of ${bytes.byteLength} bytes, ${entries} entries need ${entries * 4}`);
  }
  if (!IS_LITTLE_ENDIAN) return decodeSlowly(bytes, entries);
  const bat = new Uint32Array(entries);
  const copy = Buffer.from(bat.buffer);
  copy.set(bytes.subarray(0, entries * 4)); // The bytes may lie at an offset that is no multiple of four.
  copy.swap32();
  return bat;
}

/** Encodes a table into whole sectors; the rest of the last is filled with ones (quirk 10). */
export function encodeBat(bat: Uint32Array): Uint8Array {
  const bytes = Buffer.alloc(batBytes(bat.length), 0xff);
  if (IS_LITTLE_ENDIAN) {
    bytes.set(new Uint8Array(bat.buffer, bat.byteOffset, bat.byteLength));
    bytes.subarray(0, bat.byteLength).swap32();
  } else bat.forEach((entry, i) => bytes.writeUInt32BE(entry, i * 4));
  return bytes;
}

/** Ones for the tables of new images: one piece, written as often as needed, so that a 4 MiB table costs no 4 MiB of memory. */
const ONES: Uint8Array = new Uint8Array(256 * 1024).fill(0xff);

/** The bytes of a table without any block, in pieces: whole sectors of ones (quirk 10). */
export function* emptyBatPieces(entries: number): Generator<Uint8Array> {
  for (let left = batBytes(entries); 0 < left; left -= ONES.byteLength)
    yield ONES.subarray(0, Math.min(left, ONES.byteLength));
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function decodeSlowly(bytes: Uint8Array, entries: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: entries }, (_, i) => view.getUint32(i * 4));
}
