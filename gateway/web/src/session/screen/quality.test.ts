import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measuredMbit, PICTURES, pictureFor } from './quality.ts';

test.for([
  { mbit: 100, quality: 9 },
  { mbit: 20, quality: 8 },
  { mbit: 7, quality: 6 },
  { mbit: 3, quality: 4 },
  { mbit: 0.2, quality: 2 },
])('a link of $mbit Mbit/s settles at quality $quality', ({ mbit, quality }) => {
  let picture = PICTURES.fast;
  for (let i = 0; i < 6; i++) picture = pictureFor(mbit, picture);
  expect(picture.quality).toBe(quality);
});

test('nothing measured changes nothing', () => {
  expect(pictureFor(undefined, PICTURES.balanced)).toEqual(PICTURES.balanced);
});

test('a link at a threshold does not flip: what one measurement chose, the next like it keeps', () => {
  const mbits = fc.double({ min: 0, max: 200, noNaN: true });
  fc.assert(
    fc.property(mbits, fc.constantFrom(...Object.values(PICTURES)), (mbit, start) => {
      const once = pictureFor(mbit, start);
      expect(pictureFor(mbit, once)).toEqual(once);
    }),
  );
});

test('a link that swings around a threshold keeps the lower picture', () => {
  let picture = pictureFor(11.9, PICTURES.balanced);
  for (const mbit of [12.5, 11.9, 12.5, 11.9, 12.5]) picture = pictureFor(mbit, picture);
  expect(picture.quality).toBe(6);
  expect(pictureFor(16, picture).quality).toBe(8);
});

test('a slower link never gets a better picture than the one in use', () => {
  expect(pictureFor(1, PICTURES.sharp).quality).toBeLessThan(PICTURES.sharp.quality);
});

test('bandwidth is bytes over busy time; small bursts do not tell', () => {
  expect(measuredMbit([{ bytes: 200, ms: 1 }])).toBeUndefined();
  expect(
    measuredMbit([
      { bytes: 125_000, ms: 100 },
      { bytes: 10, ms: 5000 },
    ]),
  ).toBeCloseTo(10);
});
