import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editOf } from './soft-keyboard.ts';

test.for([
  { it: 'a letter', before: 'ab', after: 'abc', removed: 0, typed: 'c' },
  { it: 'Backspace', before: 'ab', after: 'a', removed: 1, typed: '' },
  { it: 'a completed word', before: 'helo', after: 'hello ', removed: 1, typed: 'lo ' },
  { it: 'an emoji, taken away whole', before: 'a😀', after: 'a', removed: 1, typed: '' },
  { it: 'nothing', before: 'ab', after: 'ab', removed: 0, typed: '' },
])('$it', ({ before, after, removed, typed }) => {
  expect(editOf(before, after)).toEqual({ removed, typed });
});

test('the edit, applied to the old text, gives the new one', () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'é', '€', '漢', '😀'), { maxLength: 12 }).map((all) => all.join(''));
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const { removed, typed } = editOf(before, after);
      const kept = Array.from(before).slice(0, Array.from(before).length - removed);
      expect(kept.join('') + typed).toBe(after);
    }),
  );
});
