/**
 * How long the body of a rectangle is, found step by step without decoding it. RFC 6143, 7.7 and 7.8, and rfbproto
 * "Encodings". A value machine: `next` says how many bytes to pass over, or how many it must see to go on.
 */
import { ConversationError } from '../stream/conversation.ts';
import { u32At } from './big-endian.ts';
import { ENCODING, PIXEL_FORMAT, RFB_LIMITS } from './protocol.ts';

/**
 * What comes next, as one number: that many bytes are of no interest; or, where it is negative, that many must be seen: call
 * again with them. Zero: the rectangle has ended.
 */
export type RectStep = number;

type Phase =
  | 'start'
  | 'length'
  | 'tight-control'
  | 'tight-filter'
  | 'tight-palette'
  | 'tight-data'
  | 'tight-length'
  | 'screens'
  | 'cursor-type'
  | 'end';

export class RectWalker {
  #pixelBytes = 4;
  #tightPixelBytes = 3;
  #width = 0;
  #height = 0;
  #encoding = 0;
  #phase: Phase = 'end';
  /** Of Tight: what the data would be without compression. */
  #tightRowBits = 0;
  #tightLengthBytes = 0;
  #tightLengthSoFar = 0;
  #lengthExtra = 0;

  setPixelFormat(format: Uint8Array): void {
    const bits = format[PIXEL_FORMAT.bitsPerPixel] ?? 32;
    this.#pixelBytes = bits / 8;
    // rfbproto, "Tight": TPIXEL is three bytes where 24 of 32 bits are used by eight per colour.
    const view = new DataView(format.buffer, format.byteOffset);
    const isByteColour = [PIXEL_FORMAT.redMax, PIXEL_FORMAT.greenMax, PIXEL_FORMAT.blueMax].every(
      (at) => view.getUint16(at) === 255,
    );
    const isTrueColour = format[PIXEL_FORMAT.trueColour] !== 0 && format[PIXEL_FORMAT.depth] === 24;
    this.#tightPixelBytes = bits === 32 && isTrueColour && isByteColour ? 3 : this.#pixelBytes;
  }

  /** A rectangle's header has been read. */
  begin(width: number, height: number, encoding: number): void {
    this.#width = width;
    this.#height = height;
    this.#encoding = encoding;
    this.#phase = 'start';
  }

  /** What the last step asked to see is at `at`; where it asked for nothing, nothing is looked at. */
  next(seen: Uint8Array, at: number): RectStep {
    switch (this.#phase) {
      case 'start':
        return this.#start();
      case 'length':
        return this.#finish(this.#checked(u32At(seen, at)) + this.#lengthExtra);
      case 'tight-control':
        return this.#tightControl((seen[at] ?? 0) >> 4);
      case 'tight-filter':
        return this.#tightFilter(seen[at] ?? 0);
      case 'tight-palette':
        return this.#tightPalette((seen[at] ?? 0) + 1);
      case 'tight-data':
        return this.#tightData();
      case 'tight-length':
        return this.#tightLength(seen[at] ?? 0);
      case 'screens': {
        const screens = seen[at] ?? 0;
        if (RFB_LIMITS.screens < screens) throw fault(`${screens} screens`);
        return this.#finish(3 + 16 * screens);
      }
      case 'cursor-type': {
        if (1 < (seen[at] ?? 0)) throw fault(`cursor type ${seen[at]}`);
        return this.#finish(1 + this.#width * this.#height * (seen[at] === 0 ? 2 * this.#pixelBytes : 4));
      }
      case 'end':
        return 0;
    }
  }

  #start(): RectStep {
    const width = this.#width;
    const height = this.#height;
    const maskBytes = Math.ceil(width / 8) * height;
    switch (this.#encoding) {
      case ENCODING.raw:
        return this.#finish(width * height * this.#pixelBytes);
      case ENCODING.copyRect:
      case ENCODING.vmwareLed:
        return this.#finish(4);
      case ENCODING.zlib:
      case ENCODING.zrle:
        return this.#needLength(0);
      case ENCODING.h264:
        return this.#needLength(4);
      case ENCODING.tight:
      case ENCODING.tightPng:
        return this.#need('tight-control', 1);
      case ENCODING.cursor:
        return this.#finish(width * height * this.#pixelBytes + maskBytes);
      case ENCODING.xCursor:
        return this.#finish(width * height === 0 ? 0 : 6 + 2 * maskBytes);
      case ENCODING.vmwareCursor:
        return this.#need('cursor-type', 1);
      case ENCODING.extendedDesktopSize:
        return this.#need('screens', 1);
      case ENCODING.qemuLed:
        return this.#finish(1);
      case ENCODING.desktopSize:
      case ENCODING.lastRect:
      case ENCODING.qemuPointerMotion:
      case ENCODING.qemuExtendedKey:
      case ENCODING.qemuAudio:
      case ENCODING.extendedMouseButtons:
        return this.#finish(0);
      default:
        throw fault(`a rectangle in encoding ${this.#encoding}, which was not asked for`);
    }
  }

  #need(phase: Phase, need: number): RectStep {
    this.#phase = phase;
    return -need;
  }

  #needLength(extra: number): RectStep {
    this.#lengthExtra = extra;
    return this.#need('length', 4);
  }

  #finish(skip: number): RectStep {
    this.#phase = 'end';
    return skip;
  }

  #checked(bytes: number): number {
    if (RFB_LIMITS.rectBytes < bytes) throw fault(`a rectangle of ${bytes} bytes`);
    return bytes;
  }

  /** rfbproto, "Tight Encoding": fill, JPEG, PNG, or basic compression with or without a filter. */
  #tightControl(control: number): RectStep {
    const isPng = this.#encoding === ENCODING.tightPng;
    if (control === 0x8) return this.#finish(this.#tightPixelBytes);
    if (control === 0x9 || (control === 0xa && isPng)) return this.#needTightLength();
    if (0x8 < control || isPng) throw fault(`tight control 0x${control.toString(16)}`);
    if ((control & 0x4) !== 0) return this.#need('tight-filter', 1);
    this.#tightRowBits = this.#width * this.#tightPixelBytes * 8;
    return this.#tightData();
  }

  #tightFilter(filter: number): RectStep {
    if (filter === 1) return this.#need('tight-palette', 1);
    if (2 < filter) throw fault(`tight filter ${filter}`);
    this.#tightRowBits = this.#width * this.#tightPixelBytes * 8;
    return this.#tightData();
  }

  /** Two colours take a bit per pixel, more of them a byte. */
  #tightPalette(colours: number): RectStep {
    this.#tightRowBits = this.#width * (colours <= 2 ? 1 : 8);
    this.#phase = 'tight-data';
    return colours * this.#tightPixelBytes;
  }

  /** Fewer than twelve bytes are not compressed and have no length in front. */
  #tightData(): RectStep {
    const bytes = Math.ceil(this.#tightRowBits / 8) * this.#height;
    return bytes < 12 ? this.#finish(bytes) : this.#needTightLength();
  }

  #needTightLength(): RectStep {
    this.#tightLengthBytes = 0;
    this.#tightLengthSoFar = 0;
    return this.#need('tight-length', 1);
  }

  /** One to three bytes, seven bits in each of the first two, the lowest first. */
  #tightLength(byte: number): RectStep {
    const isLast = this.#tightLengthBytes === 2;
    this.#tightLengthSoFar |= (isLast ? byte : byte & 0x7f) << (7 * this.#tightLengthBytes);
    this.#tightLengthBytes += 1;
    if (!isLast && (byte & 0x80) !== 0) return this.#need('tight-length', 1);
    return this.#finish(this.#tightLengthSoFar);
  }
}

function fault(message: string): ConversationError {
  return new ConversationError('vm', message);
}
