import { expect, test } from 'vitest';
import { COMBINATIONS, functionKey, HARSH, KEYS, keysymOf, nameOf, strokesOf } from './keys.ts';

test('a combination is pressed in order and released in the reverse order', () => {
  const labels = strokesOf([KEYS.control, KEYS.alt, KEYS.delete]).map((s) => `${s.down ? '+' : '-'}${s.code}`);
  expect(labels).toEqual(['+ControlLeft', '+AltLeft', '+Delete', '-Delete', '-AltLeft', '-ControlLeft']);
});

test('every combination leaves no key down', () => {
  for (const keys of COMBINATIONS) {
    const held = new Set<string>();
    for (const { code, down } of strokesOf(keys)) {
      if (down) held.add(code);
      else held.delete(code);
    }
    expect(held.size, nameOf(keys)).toBe(0);
  }
});

test.for([
  { character: 'a', keysym: 0x61 },
  { character: 'é', keysym: 0xe9 },
  { character: 'ß', keysym: 0xdf },
  { character: '€', keysym: 0x010020ac },
  { character: '漢', keysym: 0x01006f22 },
  { character: '😀', keysym: 0x0101f600 },
  { character: '\n', keysym: 0xff0d },
  { character: '\t', keysym: 0xff09 },
  { character: '\u001b', keysym: undefined },
  { character: '\u0085', keysym: undefined },
  { character: '', keysym: undefined },
])('the keysym of $character', ({ character, keysym }) => {
  expect(keysymOf(character)).toBe(keysym);
});

test('function keys count from F1', () => {
  expect(functionKey(1)).toEqual({ keysym: 0xffbe, code: 'F1' });
  expect(functionKey(12)).toEqual({ keysym: 0xffc9, code: 'F12' });
});

test('a combination is called by what stands on its keys', () => {
  expect(COMBINATIONS.map(nameOf)).toEqual(
    expect.arrayContaining(['Ctrl-Alt-Del', 'Alt-F4', 'Super-L', 'Ctrl-W', 'Ctrl-Shift-T', 'Ctrl-PgUp', 'F11']),
  );
  expect(HARSH).not.toContain(COMBINATIONS[0]);
});
