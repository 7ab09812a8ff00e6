/**
 * How long the body of a rectangle is, found step by step without decoding it. RFC 6143, 7.7 and 7.8, and rfbproto
 * "Encodings". A value machine: `next` says how many bytes to pass over, or how many it must see to go on.
 */
import { ConversationError } from '../stream/conversation.ts';
import { ENCODING, PIXEL_FORMAT, RFB_LIMITS } from './protocol.ts';

export interface Rect {
  readonly width: number;
  readonly height: number;
  readonly encoding: number;
}

/** The next `skip` bytes are of no interest. The next `need` must be seen: call again with them. Neither: it has ended. */
export type RectStep = { readonly skip: number } | { readonly need: number } | undefined;

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
  #rect: Rect = { width: 0, height: 0, encoding: 0 };
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

  begin(rect: Rect): void {
    this.#rect = rect;
    this.#phase = 'start';
  }

  /** `seen` are the bytes that the last `need` asked for; empty otherwise. */
  next(seen: Buffer): RectStep {
    switch (this.#phase) {
      case 'start':
        return this.#start();
      case 'length':
        return this.#finish(this.#checked(seen.readUInt32BE(0)) + this.#lengthExtra);
      case 'tight-control':
        return this.#tightControl((seen[0] ?? 0) >> 4);
      case 'tight-filter':
        return this.#tightFilter(seen[0] ?? 0);
      case 'tight-palette':
        return this.#tightPalette((seen[0] ?? 0) + 1);
      case 'tight-data':
        return this.#tightData();
      case 'tight-length':
        return this.#tightLength(seen[0] ?? 0);
      case 'screens': {
        const screens = seen[0] ?? 0;
        if (RFB_LIMITS.screens < screens) throw fault(`${screens} screens`);
        return this.#finish(3 + 16 * screens);
      }
      case 'cursor-type': {
        const { width, height } = this.#rect;
        if (1 < (seen[0] ?? 0)) throw fault(`cursor type ${seen[0]}`);
        return this.#finish(1 + width * height * (seen[0] === 0 ? 2 * this.#pixelBytes : 4));
      }
      case 'end':
        return undefined;
    }
  }

  #start(): RectStep {
    const { width, height, encoding } = this.#rect;
    const maskBytes = Math.ceil(width / 8) * height;
    switch (encoding) {
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
        throw fault(`a rectangle in encoding ${encoding}, which was not asked for`);
    }
  }

  #need(phase: Phase, need: number): RectStep {
    this.#phase = phase;
    return { need };
  }

  #needLength(extra: number): RectStep {
    this.#lengthExtra = extra;
    return this.#need('length', 4);
  }

  #finish(skip: number): RectStep {
    this.#phase = 'end';
    return 0 < skip ? { skip } : undefined;
  }

  #checked(bytes: number): number {
    if (RFB_LIMITS.rectBytes < bytes) throw fault(`a rectangle of ${bytes} bytes`);
    return bytes;
  }

  /** rfbproto, "Tight Encoding": fill, JPEG, PNG, or basic compression with or without a filter. */
  #tightControl(control: number): RectStep {
    const isPng = this.#rect.encoding === ENCODING.tightPng;
    if (control === 0x8) return this.#finish(this.#tightPixelBytes);
    if (control === 0x9 || (control === 0xa && isPng)) return this.#needTightLength();
    if (0x8 < control || isPng) throw fault(`tight control 0x${control.toString(16)}`);
    if ((control & 0x4) !== 0) return this.#need('tight-filter', 1);
    this.#tightRowBits = this.#rect.width * this.#tightPixelBytes * 8;
    return this.#tightData();
  }

  #tightFilter(filter: number): RectStep {
    if (filter === 1) return this.#need('tight-palette', 1);
    if (2 < filter) throw fault(`tight filter ${filter}`);
    this.#tightRowBits = this.#rect.width * this.#tightPixelBytes * 8;
    return this.#tightData();
  }

  /** Two colours take a bit per pixel, more of them a byte. */
  #tightPalette(colours: number): RectStep {
    this.#tightRowBits = this.#rect.width * (colours <= 2 ? 1 : 8);
    this.#phase = 'tight-data';
    return { skip: colours * this.#tightPixelBytes };
  }

  /** Fewer than twelve bytes are not compressed and have no length in front. */
  #tightData(): RectStep {
    const bytes = Math.ceil(this.#tightRowBits / 8) * this.#rect.height;
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
