// Animated PNG, third edition of the PNG specification, sections 11.3.4 to 11.3.6: what each picture changes of the one
// before, as a picture of its own, packed by pngjs.
import { crc32 } from 'node:zlib';
import { PNG } from 'pngjs';

const SIGNATURE_BYTES = 8;

/**
 * `frames`: PNG files of one size, each with how long it stands, in ms. It plays for ever; where animations are not shown,
 * the first frame is.
 */
export function encodeApng(frames) {
  const pictures = frames.map(({ png, ms }) => ({ picture: PNG.sync.read(png), ms }));
  const { width, height } = pictures[0].picture;
  const parts = [];
  let sequence = 0;
  for (const [at, { picture, ms }] of pictures.entries()) {
    const area = at === 0 ? { x: 0, y: 0, width, height } : changed(pictures[at - 1].picture, picture);
    const part = new PNG({ width: area.width, height: area.height });
    PNG.bitblt(picture, part, area.x, area.y, area.width, area.height, 0, 0);
    const file = PNG.sync.write(part, { colorType: 2, deflateLevel: 9 });
    if (at === 0) {
      const [signature, header] = [file.subarray(0, SIGNATURE_BYTES), chunksOf(file, 'IHDR')[0]];
      parts.push(signature, chunk('IHDR', header), chunk('acTL', numbers(frames.length, 0)));
    }
    const control = Buffer.alloc(6);
    control.writeUInt16BE(ms, 0);
    control.writeUInt16BE(1_000, 2); // Delay in thousandths; disposal none, blending none.
    parts.push(chunk('fcTL', numbers(sequence++, area.width, area.height, area.x, area.y), control));
    for (const data of chunksOf(file, 'IDAT'))
      parts.push(at === 0 ? chunk('IDAT', data) : chunk('fdAT', numbers(sequence++), data));
  }
  return Buffer.concat([...parts, chunk('IEND')]);
}

/** The smallest rectangle that holds every pixel that differs; one pixel where none does. */
function changed(before, after) {
  let [left, top, right, bottom] = [after.width, after.height, -1, -1];
  for (let y = 0; y < after.height; y += 1) {
    for (let x = 0; x < after.width; x += 1) {
      const at = 4 * (y * after.width + x);
      if (before.data.readUInt32BE(at) === after.data.readUInt32BE(at)) continue;
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
    }
  }
  if (right < 0) return { x: 0, y: 0, width: 1, height: 1 };
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** What the chunks of this type hold, in their order. */
function chunksOf(file, wanted) {
  const found = [];
  for (let at = SIGNATURE_BYTES; at < file.length; ) {
    const bytes = file.readUInt32BE(at);
    if (file.toString('latin1', at + 4, at + 8) === wanted) found.push(file.subarray(at + 8, at + 8 + bytes));
    at += 12 + bytes;
  }
  return found;
}

function chunk(type, ...data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), ...data]);
  return Buffer.concat([numbers(body.length - 4), body, numbers(crc32(body))]);
}

function numbers(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
}
