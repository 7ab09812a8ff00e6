/** WebSocket frames on the wire: constants, the server's frame header, close payloads. RFC 6455, sections 5 and 7. Pure. */

/** RFC 6455, 5.2, `opcode`. */
export const OPCODE = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;

/** First byte of a frame. */
export const FIN = 0x80;
export const RSV = 0x70;
export const OPCODE_BITS = 0x0f;
/** Second byte of a frame. */
export const MASK = 0x80;
export const LENGTH_BITS = 0x7f;
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

export const FRAME = {
  /** The longest header that a server sends: 2 bytes and a 64-bit length. Buffers keep this much free in front. */
  headroomBytes: 10,
  /** The longest header that a client sends: the same and a mask. */
  maxHeaderBytes: 14,
  maxControlBytes: 125,
} as const;

/** RFC 6455, 7.4.1: the ones a relay needs. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never on the wire: there was no code in the close frame. */
  noStatus: 1005,
  /** Never on the wire: the connection went without a close frame. */
  abnormal: 1006,
  invalidData: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
} as const;

/** May this code be on the wire? RFC 6455, 7.4.1 and 7.4.2, and the IANA registry (1012 to 1014). */
export function isWireCloseCode(code: number): boolean {
  if (3000 <= code && code <= 4999) return true;
  return (1000 <= code && code <= 1003) || (1007 <= code && code <= 1014);
}

/**
 * Writes the header of an unmasked, final frame directly before `payloadAt` and gives where the frame begins. There must
 * be `FRAME.headroomBytes` in front: so header and payload go out as one piece, without a copy or a second write.
 */
export function writeHeader(bytes: Uint8Array, payloadAt: number, payloadBytes: number, opcode: number): number {
  if (payloadBytes < LENGTH_16) {
    bytes[payloadAt - 2] = FIN | opcode;
    bytes[payloadAt - 1] = payloadBytes;
    return payloadAt - 2;
  }
  if (payloadBytes < 0x1_0000) {
    bytes[payloadAt - 4] = FIN | opcode;
    bytes[payloadAt - 3] = LENGTH_16;
    bytes[payloadAt - 2] = payloadBytes >>> 8;
    bytes[payloadAt - 1] = payloadBytes & 0xff;
    return payloadAt - 4;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint8(payloadAt - 10, FIN | opcode);
  view.setUint8(payloadAt - 9, LENGTH_64);
  view.setUint32(payloadAt - 8, Math.floor(payloadBytes / 0x1_0000_0000));
  view.setUint32(payloadAt - 4, payloadBytes >>> 0);
  return payloadAt - 10;
}

/** A whole frame in a buffer of its own, for the rare ones. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME.headroomBytes + payload.byteLength);
  bytes.set(payload, FRAME.headroomBytes);
  return bytes.subarray(writeHeader(bytes, FRAME.headroomBytes, payload.byteLength, opcode));
}

/** RFC 6455, 5.5.1. The reason is cut to what fits, at a character's end. */
export function encodeClose(code: number, reason: string): Buffer {
  let text = Buffer.from(reason);
  let end = Math.min(text.byteLength, FRAME.maxControlBytes - 2);
  while (end < text.byteLength && 0 < end && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  text = text.subarray(0, end);
  const payload = Buffer.allocUnsafe(2 + text.byteLength);
  payload.writeUInt16BE(code, 0);
  payload.set(text, 2);
  return encodeFrame(OPCODE.close, payload);
}
