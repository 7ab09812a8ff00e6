import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Scrollback } from './scrollback.ts';

test('everything, while there is room', () => {
  const scrollback = new Scrollback(10);
  expect(scrollback.read().toString()).toBe('');
  scrollback.push(Buffer.from('01234'));
  scrollback.push(Buffer.from('56789'));
  expect(scrollback.read().toString()).toBe('0123456789');
});
test('then the newest, from the start of a line', () => {
  const scrollback = new Scrollback(10);
  scrollback.push(Buffer.from('abc\ndef\nghi\njkl'));
  expect(scrollback.read().toString()).toBe('ghi\njkl');
});
test('from a position that is kept on, nothing twice and nothing missing; from another not at all', () => {
  const scrollback = new Scrollback(10);
  scrollback.push(Buffer.from('0123456789'));
  scrollback.push(Buffer.from('abc'));
  expect(scrollback.end).toBe(13);
  expect(scrollback.since(13)?.toString()).toBe('');
  expect(scrollback.since(9)?.toString()).toBe('9abc');
  expect(scrollback.since(3)?.toString()).toBe('3456789abc');
  expect(scrollback.since(2)).toBeUndefined();
  expect(scrollback.since(14)).toBeUndefined();
});
test('BOUNDED: any pushes leave the end of all that was said', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40 }), { maxLength: 20 }), (parts) => {
      const scrollback = new Scrollback(16);
      for (const part of parts) scrollback.push(Buffer.from(part, 'latin1'));
      const all = Buffer.from(parts.join(''), 'latin1');
      const kept = scrollback.read();
      expect(kept.byteLength).toBeLessThanOrEqual(16);
      expect(all.subarray(all.byteLength - kept.byteLength).equals(kept)).toBe(true);
    }),
  );
});
