/**
 * The Remote Framebuffer protocol: numbers and layouts. RFC 6143, and for what came after it "The RFB Protocol" of the
 * rfbproto project (sections named as there). All fields big-endian. Pure.
 */

export const RFB_LIMITS = {
  /** A desktop's name, RFC 6143, 7.3.2. */
  nameBytes: 4096,
  /** A reason for a refusal; only its beginning is kept. */
  reasonBytes: 4096,
  securityTypes: 64,
  /** SetEncodings, 7.5.2: clients in use send 20 to 40. */
  encodings: 256,
  /** Width and height of a desktop. */
  sidePixels: 16_384,
  areaPixels: 67_108_864,
  /** Rectangles of one update; 65,535 means "until LastRect". */
  rects: 65_535,
  screens: 16,
  fenceBytes: 64,
  /** One compressed rectangle. */
  rectBytes: 67_108_864,
  /** Keys that one viewer holds down. */
  heldKeys: 64,
} as const;

/** RFC 6143, 7.1.2, and rfbproto "Security Types". */
export const SECURITY = { invalid: 0, none: 1, vncAuth: 2, veNCrypt: 19 } as const;
/** rfbproto, "VeNCrypt". */
export const VENCRYPT = { x509None: 260, x509Vnc: 261, x509Plain: 262 } as const;

/** RFC 6143, 7.5, and rfbproto "Client to Server Messages". */
export const TO_VM = {
  setPixelFormat: 0,
  setEncodings: 2,
  updateRequest: 3,
  key: 4,
  pointer: 5,
  cutText: 6,
  continuousUpdates: 150,
  fence: 248,
  xvp: 250,
  setDesktopSize: 251,
  qemu: 255,
} as const;
/** rfbproto, "QEMU Client Message": the submessage type. */
export const QEMU_TO_VM = { extendedKey: 0, audio: 1 } as const;

/** RFC 6143, 7.6, and rfbproto "Server to Client Messages". */
export const FROM_VM = {
  update: 0,
  colourMap: 1,
  bell: 2,
  cutText: 3,
  endOfContinuousUpdates: 150,
  fence: 248,
  xvp: 250,
  qemu: 255,
} as const;

/** Encodings and pseudo-encodings. RFC 6143, 7.7 and 7.8, and rfbproto "Encodings". */
export const ENCODING = {
  raw: 0,
  copyRect: 1,
  rre: 2,
  hextile: 5,
  zlib: 6,
  tight: 7,
  zrle: 16,
  jpeg: 21,
  h264: 50,
  tightPng: -260,
  desktopSize: -223,
  lastRect: -224,
  cursor: -239,
  xCursor: -240,
  qemuPointerMotion: -257,
  qemuExtendedKey: -258,
  qemuAudio: -259,
  qemuLed: -261,
  vmwareLed: 0x574d5668,
  vmwareCursor: 0x574d5664,
  desktopName: -307,
  extendedDesktopSize: -308,
  xvp: -309,
  fence: -312,
  continuousUpdates: -313,
  cursorWithAlpha: -314,
  extendedMouseButtons: -316,
  /** 0xc0a1e5ce as a signed number. */
  extendedClipboard: -1_063_131_698,
} as const;

/** RFC 6143, 7.3.2. */
export const SERVER_INIT = {
  width: 0, //       u16
  height: 2, //      u16
  pixelFormat: 4, // 16 bytes
  nameLength: 20, // u32
  SIZE: 24,
} as const;

/** RFC 6143, 7.4. */
export const PIXEL_FORMAT = {
  bitsPerPixel: 0, // u8
  depth: 1, //        u8
  bigEndian: 2, //    u8
  trueColour: 3, //   u8
  redMax: 4, //       u16
  greenMax: 6, //     u16
  blueMax: 8, //      u16
  redShift: 10, //    u8
  greenShift: 11, //  u8
  blueShift: 12, //   u8
  SIZE: 16,
} as const;

export interface ServerInit {
  readonly width: number;
  readonly height: number;
  /** The 16 bytes as they came. */
  readonly pixelFormat: Buffer;
  readonly name: string;
}

export function encodeServerInit(init: ServerInit): Buffer {
  const name = Buffer.from(init.name);
  const bytes = Buffer.alloc(SERVER_INIT.SIZE + name.byteLength);
  bytes.writeUInt16BE(init.width, SERVER_INIT.width);
  bytes.writeUInt16BE(init.height, SERVER_INIT.height);
  init.pixelFormat.copy(bytes, SERVER_INIT.pixelFormat);
  bytes.writeUInt32BE(name.byteLength, SERVER_INIT.nameLength);
  name.copy(bytes, SERVER_INIT.SIZE);
  return bytes;
}

/** Why a size is not acceptable; undefined where it is. One check per side and one for the area (S8). */
export function sizeFault(width: number, height: number): string | undefined {
  if (RFB_LIMITS.sidePixels < width || RFB_LIMITS.sidePixels < height) return `screen of ${width}x${height}`;
  return RFB_LIMITS.areaPixels < width * height ? `screen of ${width}x${height}` : undefined;
}
