import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { decodePpm, encodePng, type Picture, shrunk } from './picture.ts';

/** A picture whose pixel at x, y is `value(x, y)`. */
function drawn(width: number, height: number, value: (x: number, y: number) => readonly number[]): Picture {
  const all = Array.from({ length: width * height }, (_, at) => value(at % width, Math.floor(at / width)));
  const channels = all[0]?.length === 1 ? 1 : 3;
  return { width, height, channels, pixels: Uint8Array.from(all.flat()) };
}
const rows = ({ width, height, channels, pixels }: Picture): number[][] =>
  Array.from({ length: height }, (_, y) => [...pixels.subarray(y * width * channels, (y + 1) * width * channels)]);

describe('a picture', () => {
  // Read back by a decoder that is not ours. Seen to fail with a filter byte of None before rows that are differences.
  test.for([1, 3] as const)('of %i channels is the PNG that it says', (channels) => {
    const picture = drawn(7, 5, (x, y) => (channels === 1 ? [x * 31 + y] : [x * 31, y * 50, 255 - x]));
    const read = PNG.sync.read(Buffer.from(encodePng(picture)));
    expect([read.width, read.height]).toEqual([7, 5]);
    const colours = Array.from({ length: 35 }, (_, at) => [...read.data.subarray(4 * at, 4 * at + channels)]);
    expect(colours.flat()).toEqual([...picture.pixels]);
  });

  test('in PPM is read, and what is none is refused', () => {
    const pixels = Uint8Array.from([1, 2, 3, 4, 5, 6]);
    const ppm = Buffer.concat([Buffer.from('P6\n2 1\n255\n'), pixels]);
    expect(rows(decodePpm(ppm))).toEqual([[1, 2, 3, 4, 5, 6]]);
    for (const bad of [ppm.subarray(1), ppm.subarray(0, -1), Buffer.from('P6\n99999 99999\n255\n'), Buffer.alloc(0)])
      expect(() => decodePpm(bad)).toThrow(expect.objectContaining({ code: 'SCREEN_UNAVAILABLE' }));
  });
});

describe('made smaller', () => {
  // Seen to fail with the pixel in the corner of each box in place of the mean.
  test('each pixel is the mean of those that it stands for', () => {
    expect(
      rows(
        shrunk(
          drawn(4, 2, (x, y) => [x * 10 + y * 4]),
          2,
        ),
      ),
    ).toEqual([[7, 27]]);
    expect(
      rows(
        shrunk(
          drawn(6, 3, (x) => [x, 0, 100 + x]),
          2,
        ),
      ),
    ).toEqual([[1, 0, 101, 4, 0, 104]]);
  });

  test.for([
    { of: [1280, 800], to: [480, 300] },
    { of: [481, 1000], to: [480, 998] },
    { of: [5000, 2], to: [480, 1] },
    { of: [480, 10], to: [480, 10] },
    { of: [1, 1], to: [1, 1] },
  ])('$of is $to, and a screen of one colour stays of that colour', ({ of: [width = 0, height = 0], to }) => {
    const small = shrunk({ width, height, channels: 3, pixels: new Uint8Array(width * height * 3).fill(77) }, 480);
    expect([small.width, small.height]).toEqual(to);
    expect(new Set(small.pixels)).toEqual(new Set([77]));
  });
});
