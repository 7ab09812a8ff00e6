/**
 * Numbers on the wire, read byte by byte at a place in the whole buffer. Buffer's own readers check their arguments in
 * JavaScript, and a view of a few bytes costs more than the bytes: on a path that is gone once for each rectangle both show.
 */

export function u16At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function i32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

export function u32At(bytes: Uint8Array, at: number): number {
  return i32At(bytes, at) >>> 0;
}
