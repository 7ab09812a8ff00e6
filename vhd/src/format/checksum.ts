/** The checksum of footer and header. Spec: "Checksum": one's complement of the sum of all bytes, its own field left out. */

/** Checksum over `bytes`, the four bytes at `fieldOffset` left out. An unsigned 32-bit number. */
export function checksumOf(bytes: Uint8Array, fieldOffset: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.byteLength; i++) {
    if (i < fieldOffset || fieldOffset + 4 <= i) sum += bytes[i] ?? 0;
  }
  return ~sum >>> 0;
}

/** A view over exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
