import { expect, test } from 'vitest';
import { type Combination, KEYS } from './keys.ts';
import { CODES, LAYOUTS, type LayoutId } from './layouts.ts';
import { chordsOf, typedText, underCapsLock } from './typing.ts';

const PRINTABLE = Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at));
const layoutIds = Object.keys(LAYOUTS) as LayoutId[];

test.for(layoutIds)('%s has a way to every printable character of ASCII', (layoutId) => {
  expect(typedText(PRINTABLE.join(''), layoutId).missing).toEqual([]);
});

test.for(layoutIds)('%s: no row is longer than the keyboard', (layoutId) => {
  for (const row of LAYOUTS[layoutId]) expect(Array.from(row).length).toBeLessThanOrEqual(CODES.length);
});

test.for(layoutIds)('%s: no two characters are the same chord', (layoutId) => {
  const chords = PRINTABLE.map((character) => said(chordsOf(character, layoutId)));
  expect(new Set(chords).size).toBe(PRINTABLE.length);
});

const said = (chords: readonly Combination[] | undefined): string =>
  (chords ?? []).map((chord) => chord.map(({ code }) => code).join('+')).join(' ');

test.for<{ layoutId: LayoutId; character: string; chords: string }>([
  { layoutId: 'us', character: 'a', chords: 'KeyA' },
  { layoutId: 'us', character: 'A', chords: 'ShiftLeft+KeyA' },
  { layoutId: 'us', character: '"', chords: 'ShiftLeft+Quote' },
  { layoutId: 'us', character: '\n', chords: 'Enter' },
  { layoutId: 'us', character: 'é', chords: '' },
  { layoutId: 'us', character: '漢', chords: '' },
  { layoutId: 'gb', character: '"', chords: 'ShiftLeft+Digit2' },
  { layoutId: 'de', character: 'z', chords: 'KeyY' },
  { layoutId: 'de', character: '@', chords: 'AltRight+KeyQ' },
  { layoutId: 'de', character: 'ß', chords: 'Minus' },
  { layoutId: 'de', character: '^', chords: 'Backquote Space' },
  { layoutId: 'de', character: 'é', chords: 'Equal KeyE' },
  { layoutId: 'de', character: 'à', chords: 'ShiftLeft+Equal KeyA' },
  { layoutId: 'fr', character: 'a', chords: 'KeyQ' },
  { layoutId: 'fr', character: '1', chords: 'ShiftLeft+Digit1' },
  { layoutId: 'fr', character: 'ê', chords: 'BracketLeft KeyE' },
  { layoutId: 'es', character: 'ñ', chords: 'Semicolon' },
  { layoutId: 'pl', character: 'ł', chords: 'AltRight+KeyL' },
  { layoutId: 'pl', character: 'Ł', chords: 'ShiftLeft+AltRight+KeyL' },
  { layoutId: 'se', character: '~', chords: 'AltRight+BracketRight Space' },
])('$layoutId: $character', ({ layoutId, character, chords }) => {
  expect(said(chordsOf(character, layoutId))).toBe(chords);
});

test('line ends of any kind are one Enter each, and none is lost', () => {
  expect(said(typedText('a\r\nb\rc\n\nd', 'us').chords)).toBe('KeyA Enter KeyB Enter KeyC Enter Enter KeyD');
});

test('what cannot be typed is named once', () => {
  expect(typedText('€ 漢漢 ok 😀', 'us').missing).toEqual(['€', '漢', '😀']);
  expect(typedText('e\u0301', 'de').missing).toEqual([]);
});

test('Caps Lock in the guest turns letters around and leaves signs', () => {
  const [a = []] = chordsOf('a', 'us') ?? [];
  const [capital = []] = chordsOf('A', 'us') ?? [];
  const [sign = []] = chordsOf('!', 'us') ?? [];
  expect([a, capital, sign, [KEYS.enter]].map((chord) => said([underCapsLock(chord)]))).toEqual([
    'ShiftLeft+KeyA',
    'KeyA',
    'ShiftLeft+Digit1',
    'Enter',
  ]);
});
