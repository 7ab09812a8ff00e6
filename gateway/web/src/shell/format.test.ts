import { expect, test } from 'vitest';
import { formatAgo, formatBytes, formatTime } from './format.ts';

test.for([
  { bytes: 0, text: '0 B' },
  { bytes: 1023, text: '1023 B' },
  { bytes: 1536, text: '1.5 KiB' },
  { bytes: 16 * 2 ** 20, text: '16 MiB' },
  { bytes: 2040 * 2 ** 30, text: '2 TiB' },
  { bytes: 5 * 2 ** 50, text: '5120 TiB' },
])('$bytes bytes are $text', ({ bytes, text }) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('times that there are not are a dash', () => {
  expect(formatTime(null)).toBe('–');
  expect(formatAgo(null, 0)).toBe('–');
});

test.for([
  { ms: -5_000, part: '5' },
  { ms: -3 * 60_000, part: '3' },
  { ms: -5 * 3_600_000, part: '5' },
  { ms: -9 * 86_400_000, part: '9' },
])('$ms ms ago names $part', ({ ms, part }) => {
  expect(formatAgo(new Date(1e12 + ms).toISOString(), 1e12)).toContain(part);
});
