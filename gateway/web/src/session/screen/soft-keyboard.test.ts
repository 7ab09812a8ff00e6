import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KEYS } from './keys.ts';
import { keysForEdit } from './soft-keyboard.ts';

test.for([
  { it: 'a letter', before: 'ab', after: 'abc', keysyms: [0x63] },
  { it: 'Backspace', before: 'ab', after: 'a', keysyms: [0xff08] },
  { it: 'a completed word', before: 'helo', after: 'hello ', keysyms: [0xff08, 0x6c, 0x6f, 0x20] },
  { it: 'an emoji, taken away whole', before: 'a😀', after: 'a', keysyms: [0xff08] },
  { it: 'nothing', before: 'ab', after: 'ab', keysyms: [] },
])('$it', ({ before, after, keysyms }) => {
  expect(keysForEdit(before, after).map((key) => key.keysym)).toEqual(keysyms);
});

test('the keys, applied to the old text, give the new one', () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'é', '€', '漢', '😀'), { maxLength: 12 }).map((all) => all.join(''));
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const text = Array.from(before);
      for (const { keysym } of keysForEdit(before, after)) {
        if (keysym === KEYS.backspace.keysym) text.pop();
        else text.push(String.fromCodePoint(keysym < 0x01000000 ? keysym : keysym - 0x01000000));
      }
      expect(text.join('')).toBe(after);
    }),
  );
});
