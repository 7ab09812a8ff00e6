/**
 * What a browser sends, as a value machine: bytes in at any chunking, payload and control events out. RFC 6455, section 5,
 * the server's side: masked frames, binary only.
 *
 * It never assembles a message. The payload of all frames in a chunk is unmasked and moved together at the front of that
 * same chunk, so a burst of small frames becomes one piece, and tiny fragments cost nothing that lasts (BOUNDED: the only
 * state is one header and one control payload).
 */
import {
  CLOSE,
  FIN,
  FRAME,
  isWireCloseCode,
  LENGTH_16,
  LENGTH_64,
  LENGTH_BITS,
  MASK,
  OPCODE,
  OPCODE_BITS,
  RSV,
} from './frame.ts';

export type ControlEvent =
  | { readonly kind: 'ping'; readonly payload: Buffer }
  | { readonly kind: 'pong'; readonly payload: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string };

/** The peer broke RFC 6455 or a limit; `closeCode` is what the close frame should say. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly closeCode: number;
  constructor(closeCode: number, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

export interface FrameReaderLimits {
  /** A longer frame is refused with 1009. */
  readonly frameBytes: number;
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true });

export class FrameReader {
  readonly #limits: FrameReaderLimits;
  /** Of the frame header that is not complete yet. */
  readonly #header: Buffer = Buffer.allocUnsafe(FRAME.maxHeaderBytes);
  #headerBytes = 0;
  /** Of the frame whose payload is being read. */
  #opcode: number = OPCODE.continuation;
  #payloadLeft = 0;
  #isInFrame = false;
  /** The four mask bytes as a little-endian word, turned so that the next payload byte meets its lowest byte. */
  #mask = 0;
  /** A data message has begun and its last fragment has not come. */
  #isInMessage = false;
  #control: Buffer | undefined;
  #controlBytes = 0;
  #isClosed = false;
  #events: ControlEvent[] = [];

  constructor(limits: FrameReaderLimits) {
    this.#limits = limits;
  }

  /** Nothing more will be read: the peer has sent its close frame. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Reads a chunk. Afterwards its first n bytes, n being what this gives, are payload; the rest is garbage.
   * Throws FrameError; what came before the broken frame in the same chunk is lost with it.
   */
  read(bytes: Buffer): number {
    const end = bytes.byteLength;
    const view = new DataView(bytes.buffer, bytes.byteOffset, end);
    let at = 0;
    let out = 0;
    while (!this.#isClosed) {
      if (!this.#isInFrame) {
        at = this.#readHeader(bytes, at, end);
        if (!this.#isInFrame) break; // Not enough bytes yet. Wait for the next chunk.
      }
      const length = Math.min(this.#payloadLeft, end - at);
      if (0 < length) {
        if (this.#control === undefined) {
          this.#mask = unmask(view, at, out, length, this.#mask);
          out += length;
        } else {
          this.#mask = unmask(view, at, at, length, this.#mask);
          bytes.copy(this.#control, this.#controlBytes, at, at + length);
          this.#controlBytes += length;
        }
        at += length;
        this.#payloadLeft -= length;
      }
      if (this.#payloadLeft !== 0) break;
      this.#isInFrame = false;
      if (this.#control !== undefined) this.#endControl(this.#control);
    }
    return out;
  }

  /** The control frames since the last call, in order. */
  takeEvents(): readonly ControlEvent[] {
    if (this.#events.length === 0) return NO_EVENTS;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Gives where the header ends; `#isInFrame` says whether it was complete. */
  #readHeader(bytes: Buffer, from: number, end: number): number {
    let at = from;
    // The usual case: a short frame, whole in this chunk. Nothing is copied.
    if (this.#headerBytes === 0 && 6 <= end - at) {
      const second = bytes[at + 1] ?? 0;
      const length = second & LENGTH_BITS;
      if (length < LENGTH_16) {
        this.#begin(bytes[at] ?? 0, second, length);
        this.#mask = readMask(bytes, at + 2);
        return at + 6;
      }
    }
    while (at < end) {
      this.#header[this.#headerBytes] = bytes[at] ?? 0;
      this.#headerBytes += 1;
      at += 1;
      if (this.#headerBytes < 2) continue;
      const second = this.#header[1] ?? 0;
      const short = second & LENGTH_BITS;
      // Refused as early as can be: a header that is never completed gets no patience.
      if (this.#headerBytes === 2) this.#check(this.#header[0] ?? 0, second);
      const lengthBytes = short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0;
      if (this.#headerBytes < 2 + lengthBytes + 4) continue;
      this.#begin(this.#header[0] ?? 0, second, lengthOf(this.#header, short));
      this.#mask = readMask(this.#header, 2 + lengthBytes);
      this.#headerBytes = 0;
      break;
    }
    return at;
  }

  /** RFC 6455, 5.1, 5.2, 5.4 and 5.5: what can be said of the first two bytes alone. */
  #check(first: number, second: number): void {
    const opcode = first & OPCODE_BITS;
    if ((first & RSV) !== 0) throw new FrameError(CLOSE.protocolError, `reserved bits 0x${(first & RSV).toString(16)}`);
    if ((second & MASK) === 0) throw new FrameError(CLOSE.protocolError, 'unmasked frame');
    if (0x8 <= opcode) {
      if (OPCODE.pong < opcode) throw new FrameError(CLOSE.protocolError, `opcode ${opcode}`);
      if ((first & FIN) === 0) throw new FrameError(CLOSE.protocolError, 'fragmented control frame');
      if (FRAME.maxControlBytes < (second & LENGTH_BITS))
        throw new FrameError(CLOSE.protocolError, 'long control frame');
      return;
    }
    if (opcode === OPCODE.text) throw new FrameError(CLOSE.unsupportedData, 'text frame');
    if (OPCODE.binary < opcode) throw new FrameError(CLOSE.protocolError, `opcode ${opcode}`);
    if ((opcode === OPCODE.continuation) !== this.#isInMessage) {
      throw new FrameError(
        CLOSE.protocolError,
        this.#isInMessage ? 'message inside a message' : 'continuation of nothing',
      );
    }
  }

  #begin(first: number, second: number, length: number): void {
    this.#check(first, second);
    if (this.#limits.frameBytes < length) throw new FrameError(CLOSE.tooBig, `frame of ${length} bytes`);
    this.#opcode = first & OPCODE_BITS;
    this.#payloadLeft = length;
    this.#isInFrame = true;
    if (0x8 <= this.#opcode) {
      this.#control = Buffer.allocUnsafe(length);
      this.#controlBytes = 0;
    } else {
      this.#isInMessage = (first & FIN) === 0;
    }
  }

  #endControl(payload: Buffer): void {
    this.#control = undefined;
    if (this.#opcode === OPCODE.ping) this.#events.push({ kind: 'ping', payload });
    else if (this.#opcode === OPCODE.pong) this.#events.push({ kind: 'pong', payload });
    else {
      this.#events.push(closeEvent(payload));
      this.#isClosed = true;
    }
  }
}

const NO_EVENTS: readonly ControlEvent[] = [];

/** RFC 6455, 5.5.1 and 7.4. */
function closeEvent(payload: Buffer): ControlEvent {
  if (payload.byteLength === 0) return { kind: 'close', code: CLOSE.noStatus, reason: '' };
  if (payload.byteLength === 1) throw new FrameError(CLOSE.protocolError, 'close frame of one byte');
  const code = payload.readUInt16BE(0);
  if (!isWireCloseCode(code)) throw new FrameError(CLOSE.protocolError, `close code ${code}`);
  try {
    return { kind: 'close', code, reason: STRICT_UTF8.decode(payload.subarray(2)) };
  } catch {
    throw new FrameError(CLOSE.invalidData, 'close reason is not UTF-8');
  }
}

/** RFC 6455, 5.2: the shortest form is a must, the highest bit is zero. */
function lengthOf(header: Buffer, short: number): number {
  if (short < LENGTH_16) return short;
  if (short === LENGTH_16) {
    const length = header.readUInt16BE(2);
    if (length < LENGTH_16) throw new FrameError(CLOSE.protocolError, `length ${length} in 16 bits`);
    return length;
  }
  const high = header.readUInt32BE(2);
  if (0x7fff_ffff < high) throw new FrameError(CLOSE.protocolError, 'highest bit of the length');
  const length = high * 0x1_0000_0000 + header.readUInt32BE(6);
  if (length < 0x1_0000) throw new FrameError(CLOSE.protocolError, `length ${length} in 64 bits`);
  return length;
}

function readMask(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/**
 * RFC 6455, 5.3. Reads at `from`, writes at `to` <= `from`, four bytes at a time (a DataView does not mind alignment).
 * Gives the mask turned for the byte after the last.
 */
function unmask(view: DataView, from: number, to: number, length: number, mask: number): number {
  const words = length & ~3;
  let i = 0;
  for (; i < words; i += 4) view.setInt32(to + i, view.getInt32(from + i, true) ^ mask, true);
  let turned = mask;
  for (; i < length; i += 1) {
    view.setUint8(to + i, view.getUint8(from + i) ^ (turned & 0xff));
    turned = (turned >>> 8) | (turned << 24);
  }
  return turned;
}
