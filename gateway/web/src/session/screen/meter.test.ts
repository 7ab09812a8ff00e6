import { expect, test } from 'vitest';
import { METER, Meter } from './meter.ts';

const request = Uint8Array.of(3, 1, 0, 0, 0, 0, 4, 0, 3, 0);

test('one update request is one frame; other messages are none', () => {
  const meter = new Meter();
  for (let ms = 0; ms < 2000; ms += 100) meter.sent(request, ms);
  meter.sent(Uint8Array.of(4, 1, 0, 0, 0, 0, 0, 97), 1900);
  meter.sent(Uint8Array.of(3, 0, 0, 0, 0, 0, 4, 0, 3, 0), 1900);
  expect(meter.framesPerSecond(1999)).toBe(10);
  expect(meter.framesPerSecond(60_000)).toBe(0);
});

test('bytes a second are those of the window', () => {
  const meter = new Meter();
  meter.received(1000, 0);
  meter.received(3000, 1000);
  expect(meter.bytesPerSecond(1500)).toBe(2000);
  expect(meter.bytesPerSecond(2500)).toBe(1500);
});

test('pieces close together are one burst, whose first piece starts the clock', () => {
  const meter = new Meter();
  for (let ms = 0; ms <= 100; ms += 10) meter.received(1000, ms);
  expect(meter.takeBursts(105)).toEqual([]);
  expect(meter.takeBursts(200)).toEqual([{ bytes: 10_000, ms: 100 }]);
  expect(meter.takeBursts(300)).toEqual([]);
});

test('the meter keeps a bounded number of bursts and frames', () => {
  const meter = new Meter();
  for (let i = 0; i < 10_000; i++) {
    meter.sent(request, i / 100);
    meter.received(1, i * 100);
    meter.received(1, i * 100 + 1);
  }
  expect(meter.takeBursts(2_000_000).length).toBeLessThanOrEqual(METER.maxBursts);
});

test('a frame that a narrow link brings in pieces far apart is one burst; the wait for the next frame is none', () => {
  const meter = new Meter();
  meter.sent(request, 0);
  for (const ms of [10, 300, 600, 900]) meter.received(100_000, ms);
  meter.sent(request, 910);
  meter.received(50_000, 1500);
  expect(meter.takeBursts(1550)).toEqual([{ bytes: 300_000, ms: 890 }]);
});

test('frames that the server sends unasked are counted by the silence before them', () => {
  const meter = new Meter();
  meter.sent(Uint8Array.of(150, 1, 0, 0, 0, 0, 4, 0, 3, 0), 0);
  for (let ms = 0; ms < 2000; ms += 50) for (const piece of [0, 1, 2]) meter.received(1000, ms + piece);
  expect(meter.framesPerSecond(1999)).toBe(20);
});
