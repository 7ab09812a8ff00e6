/** The checksum of footer and header. Spec: "Checksum": one's complement of the sum of all bytes, its own field left out. */

/** Checksum over `bytes`, at most 1024, the four bytes at `fieldOffset`, a multiple of four, left out. An unsigned 32-bit number. */
export function checksumOf(bytes: Uint8Array, fieldOffset: number): number {
  const view = viewOf(bytes);
  const end = view.byteLength & ~3;
  // Four at a time: two sums of bytes beside each other, in 16 bits each, which 1024 bytes cannot overflow.
  let even = 0;
  let odd = 0;
  for (let at = 0; at < end; at += 4) {
    if (at === fieldOffset) continue;
    const word = view.getUint32(at);
    even += word & 0x00ff_00ff;
    odd += (word >>> 8) & 0x00ff_00ff;
  }
  let sum = (even & 0xffff) + (even >>> 16) + (odd & 0xffff) + (odd >>> 16);
  for (let at = end; at < view.byteLength; at++) sum += view.getUint8(at);
  return ~sum >>> 0;
}

/** A view over exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
