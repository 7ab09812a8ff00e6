/** Messages of both directions for the tests here, written out from RFC 6143 and rfbproto apart from the code under test. */
import { deflateSync } from 'node:zlib';

export const u16 = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.of((value >> 8) & 255, value & 255)));
export const u32 = (...values: number[]): Buffer =>
  Buffer.concat(
    values.map((value) => Buffer.of((value >>> 24) & 255, (value >> 16) & 255, (value >> 8) & 255, value & 255)),
  );
const cat = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);
export const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 131 + 7) & 0xff));

const PIXELS_32 = Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);

export const TEXT: number = 1;
export const CAPS: number = 1 << 24;
export const REQUEST: number = 1 << 25;
export const PEEK: number = 1 << 26;
export const NOTIFY: number = 1 << 27;
export const PROVIDE: number = 1 << 28;

/** An extended clipboard message of either direction. */
export const extended = (type: number, flags: number, body: Uint8Array = Buffer.alloc(0)): Buffer =>
  cat(Buffer.of(type, 0, 0, 0), u32(-(4 + body.length)), u32(flags), body);
export const provided = (type: number, text: string, formats: number = TEXT): Buffer => {
  const bytes = Buffer.from(text);
  return extended(type, PROVIDE | formats, deflateSync(cat(u32(bytes.length), bytes)));
};

/** What a viewer says. */
export interface ViewerSays {
  pixelFormat(format?: Uint8Array): Buffer;
  encodings(...encodings: number[]): Buffer;
  update(): Buffer;
  key(keysym: number, isDown?: boolean): Buffer;
  pointer(mask?: number): Buffer;
  largePointer(): Buffer;
  cutText(text: string): Buffer;
  continuous(): Buffer;
  fence(length?: number): Buffer;
  xvp(): Buffer;
  size(width: number, height: number): Buffer;
  qemuKey(keysym: number, code: number, isDown?: boolean): Buffer;
  audio(operation: number): Buffer;
}
export const viewer: ViewerSays = {
  pixelFormat: (format: Uint8Array = PIXELS_32): Buffer => cat(Buffer.of(0, 0, 0, 0), format),
  encodings: (...encodings: number[]): Buffer => cat(Buffer.of(2, 0), u16(encodings.length), u32(...encodings)),
  update: (): Buffer => cat(Buffer.of(3, 1), u16(0, 0, 640, 480)),
  key: (keysym: number, isDown = true): Buffer => cat(Buffer.of(4, isDown ? 1 : 0, 0, 0), u32(keysym)),
  pointer: (mask = 0): Buffer => cat(Buffer.of(5, mask), u16(10, 20)),
  largePointer: (): Buffer => cat(Buffer.of(5, 0x81), u16(10, 20), Buffer.of(1)),
  cutText: (text: string): Buffer => cat(Buffer.of(6, 0, 0, 0), u32(text.length), Buffer.from(text, 'latin1')),
  continuous: (): Buffer => cat(Buffer.of(150, 1), u16(0, 0, 640, 480)),
  fence: (length = 4): Buffer => cat(Buffer.of(248, 0, 0, 0), u32(1), Buffer.of(length), noise(length)),
  xvp: (): Buffer => Buffer.of(250, 0, 1, 2),
  size: (width: number, height: number): Buffer =>
    cat(Buffer.of(251, 0), u16(width, height), Buffer.of(1, 0), noise(16)),
  qemuKey: (keysym: number, code: number, isDown = true): Buffer =>
    cat(Buffer.of(255, 0), u16(isDown ? 1 : 0), u32(keysym, code)),
  audio: (operation: number): Buffer =>
    cat(Buffer.of(255, 1), u16(operation), operation === 2 ? noise(6) : Buffer.alloc(0)),
};

const rect = (encoding: number, body: Uint8Array, [x, y, width, height]: number[] = [0, 0, 4, 4]): Buffer =>
  cat(u16(x ?? 0, y ?? 0, width ?? 0, height ?? 0), u32(encoding), body);

/** Rectangles of every encoding that may pass, on 32-bit pixels. */
export type RectName =
  | 'raw'
  | 'rawNothing'
  | 'copyRect'
  | 'zlib'
  | 'zrle'
  | 'h264'
  | 'tightFill'
  | 'tightJpeg'
  | 'tightCopy'
  | 'tightCopySmall'
  | 'tightFilterCopy'
  | 'tightGradient'
  | 'tightTwoColours'
  | 'tightPalette'
  | 'tightLong'
  | 'tightPng'
  | 'cursor'
  | 'xCursor'
  | 'noCursor'
  | 'vmwareCursor'
  | 'vmwareAlphaCursor'
  | 'qemuLed'
  | 'vmwareLed'
  | 'qemuExtendedKey'
  | 'largeMouse'
  | 'desktopSize'
  | 'extendedDesktopSize'
  | 'refusedDesktopSize';
export const rects: Readonly<Record<RectName, Buffer>> = {
  raw: rect(0, noise(64)),
  rawNothing: rect(0, Buffer.alloc(0), [0, 0, 0, 0]),
  copyRect: rect(1, noise(4)),
  zlib: rect(6, cat(u32(11), noise(11))),
  zrle: rect(16, cat(u32(300), noise(300))),
  h264: rect(50, cat(u32(9), u32(0), noise(9))),
  tightFill: rect(7, cat(Buffer.of(0x80), noise(3))),
  tightJpeg: rect(7, cat(Buffer.of(0x90), Buffer.of(0x83, 0x01), noise(131))),
  tightCopy: rect(7, cat(Buffer.of(0x00), Buffer.of(20), noise(20))),
  tightCopySmall: rect(7, cat(Buffer.of(0x10), noise(3)), [0, 0, 1, 1]),
  tightFilterCopy: rect(7, cat(Buffer.of(0x40, 0x00), Buffer.of(20), noise(20))),
  tightGradient: rect(7, cat(Buffer.of(0x40, 0x02), Buffer.of(20), noise(20))),
  tightTwoColours: rect(7, cat(Buffer.of(0x40, 0x01, 0x01), noise(6), noise(4))),
  tightPalette: rect(7, cat(Buffer.of(0x50, 0x01, 0x04), noise(15), Buffer.of(16), noise(16))),
  tightLong: rect(7, cat(Buffer.of(0x20), Buffer.of(0x80, 0x80, 0x01), noise(16_384))),
  tightPng: rect(-260, cat(Buffer.of(0xa0), Buffer.of(30), noise(30))),
  cursor: rect(-239, noise(9 * 3 * 4 + 2 * 3), [1, 1, 9, 3]),
  xCursor: rect(-240, noise(6 + 2 * 2 * 3), [1, 1, 9, 3]),
  noCursor: rect(-240, Buffer.alloc(0), [0, 0, 0, 0]),
  vmwareCursor: rect(0x574d5664, cat(Buffer.of(0, 0), noise(4 * 4 * 8))),
  vmwareAlphaCursor: rect(0x574d5664, cat(Buffer.of(1, 0), noise(4 * 4 * 4))),
  qemuLed: rect(-261, noise(1)),
  vmwareLed: rect(0x574d5668, noise(4)),
  qemuExtendedKey: rect(-258, Buffer.alloc(0)),
  largeMouse: rect(-316, Buffer.alloc(0)),
  desktopSize: rect(-223, Buffer.alloc(0), [0, 0, 800, 600]),
  extendedDesktopSize: rect(-308, cat(Buffer.of(2, 0, 0, 0), noise(32)), [0, 0, 1024, 768]),
  refusedDesktopSize: rect(-308, cat(Buffer.of(1, 0, 0, 0), noise(16)), [1, 1, 65_535, 65_535]),
};
export { rect };

/** What a VM says. */
export interface VmSays {
  update(...parts: Buffer[]): Buffer;
  untilLast(...parts: Buffer[]): Buffer;
  colourMap(count?: number): Buffer;
  bell(): Buffer;
  cutText(text: string): Buffer;
  endOfContinuous(): Buffer;
  fence(length?: number): Buffer;
  xvp(): Buffer;
  audio(length?: number): Buffer;
  audioBegin(): Buffer;
}
export const vm: VmSays = {
  update: (...parts: Buffer[]): Buffer => cat(Buffer.of(0, 0), u16(parts.length), ...parts),
  untilLast: (...parts: Buffer[]): Buffer =>
    cat(Buffer.of(0, 0), u16(65_535), ...parts, rect(-224, Buffer.alloc(0), [0, 0, 0, 0])),
  colourMap: (count = 3): Buffer => cat(Buffer.of(1, 0), u16(0, count), noise(6 * count)),
  bell: (): Buffer => Buffer.of(2),
  cutText: (text: string): Buffer => cat(Buffer.of(3, 0, 0, 0), u32(text.length), Buffer.from(text, 'latin1')),
  endOfContinuous: (): Buffer => Buffer.of(150),
  fence: (length = 4): Buffer => cat(Buffer.of(248, 0, 0, 0), u32(1), Buffer.of(length), noise(length)),
  xvp: (): Buffer => Buffer.of(250, 0, 1, 0),
  audio: (length = 5): Buffer => cat(Buffer.of(255, 1), u16(2), u32(length), noise(length)),
  audioBegin: (): Buffer => cat(Buffer.of(255, 1), u16(1)),
};

/** Cuts bytes in pieces of their own memory. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.filter((at) => 0 < at && at < bytes.length).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((edge, i) => Buffer.from(bytes.subarray(edges[i], edge)));
}
export const everyByte = (bytes: Buffer): number[] => Array.from({ length: bytes.length }, (_, i) => i);
