import { expect, test } from 'vitest';
import { LIVE_BEAT, LiveReaders } from './live-readers.ts';

test('the stream is wanted while any window wants it', () => {
  const readers = new LiveReaders<string>();
  expect(readers.isWanted(0)).toBe(false);
  expect(readers.wish('a', true, 0)).toBe(true);
  expect(readers.wish('b', true, 0)).toBe(true);
  expect(readers.wish('a', false, 1)).toBe(true);
  expect(readers.wish('b', false, 2)).toBe(false);
});

test('a window that crashed is forgotten, one that goes on is not', () => {
  const readers = new LiveReaders<string>();
  readers.wish('crashed', true, 0);
  readers.wish('open', true, LIVE_BEAT.goneMs);
  expect(readers.isWanted(LIVE_BEAT.goneMs + 1)).toBe(true);
  expect(readers.isWanted(2 * LIVE_BEAT.goneMs + 1)).toBe(false);
});
