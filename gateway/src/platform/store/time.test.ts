/** Places in lists by time. */
import { expect, test } from 'vitest';
import { iso, isoOrNull, parseTimeCursor, timeCursor } from './time.ts';

test('a cursor is read back as the place it was made of', () => {
  const place = { at: 1_764_000_000_000, id: '0b9c4c1e-1111-4222-8333-944444444444' };
  expect(parseTimeCursor(timeCursor(place))).toEqual(place);
  expect(parseTimeCursor(undefined)).toBeUndefined();
});

test.for(['', '.', '12', '12.', '.a', '-1.a', '1.a.b', '1.A', `1.${'a'.repeat(37)}`, '1 or 1.a'])(
  'the cursor %j is refused',
  (cursor) => {
    expect(() => parseTimeCursor(cursor)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  },
);

test('times are shown as ISO 8601', () => {
  expect(iso(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(isoOrNull(null)).toBeNull();
  expect(isoOrNull(1)).toBe('1970-01-01T00:00:00.001Z');
});
