import fc from 'fast-check';
import { expect, test } from 'vitest';
import { needsConsent, PASTE, sanitizePaste } from './paste.ts';

// Seen to fail without `.replace(CONTROLS, '')`.
test.for([
  { it: 'the end of a bracketed paste', text: 'ls\u001b[201~; rm -rf /\n', clean: 'ls[201~; rm -rf /\r' },
  { it: 'C1 CSI', text: 'a\u009b201~b', clean: 'a201~b' },
  { it: 'NUL, bell, backspace and DEL', text: 'a\u0000\u0007\u0008\u007fb', clean: 'ab' },
  { it: 'Windows line ends', text: 'a\r\nb', clean: 'a\rb' },
  { it: 'tabs and letters of every script', text: 'é\t漢😀', clean: 'é\t漢😀' },
])('S22: a paste loses or keeps $it', ({ text, clean }) => {
  expect(sanitizePaste(text)).toBe(clean);
});

test('S22: no text whatever gets a control character through', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 0x2ff }), { maxLength: 200 }), (points) => {
      const text = String.fromCodePoint(...points);
      const isAllowed = (point: number): boolean =>
        point === 0x09 || point === 0x0d || (0x20 <= point && point < 0x7f) || 0x9f < point;
      return Array.from(sanitizePaste(text)).every((character) => isAllowed(character.codePointAt(0) ?? 0));
    }),
  );
});

test('a paste is cut at the limit', () => {
  expect(sanitizePaste('x'.repeat(PASTE.maxChars + 5))).toHaveLength(PASTE.maxChars);
});

test('a paste that would run something asks first', () => {
  expect(needsConsent('uname -a')).toBe(false);
  expect(needsConsent('uname -a\r')).toBe(true);
  expect(needsConsent('a\rb')).toBe(true);
});
