import { expect, test } from 'vitest';
import { noteServerDate, offsetOf, serverNow } from './server-clock.ts';

const SECOND = 1_000;
test.for([
  { it: 'the same clock', serverMs: 100 * SECOND, deviceMs: 100 * SECOND + 400, tookMs: 20, offset: 0 },
  {
    it: 'a device that is an hour behind',
    serverMs: 4000 * SECOND,
    deviceMs: 400 * SECOND,
    tookMs: 0,
    offset: 3600.5 * SECOND,
  },
  {
    it: 'a device that is ten seconds ahead',
    serverMs: 100 * SECOND,
    deviceMs: 110 * SECOND,
    tookMs: 200,
    offset: -9.4 * SECOND,
  },
])('$it', ({ serverMs, deviceMs, tookMs, offset }) => {
  expect(offsetOf({ serverMs, deviceMs, tookMs })).toBe(offset);
});

test('what the gateway said last counts, and an answer without a date changes nothing', () => {
  const twoHours = 7_200_000;
  noteServerDate(new Date(Date.now() + twoHours).toUTCString(), 10);
  expect(Math.abs(serverNow() - Date.now() - twoHours)).toBeLessThan(1_600);
  noteServerDate(null, 1);
  noteServerDate('nonsense', 1);
  expect(Math.abs(serverNow() - Date.now() - twoHours)).toBeLessThan(1_600);
});
