/**
 * Text as keys of a guest's keyboard. A hypervisor hands scancodes on and knows no characters, so a character is what the
 * guest's own layout makes of a key: with Shift, AltGr, or after a dead key. Pure.
 */
import { type Combination, KEYS, type Key, keysymOf } from './keys.ts';
import { CODES, LAYOUTS, type Layout, type LayoutId } from './layouts.ts';

export interface TypedText {
  /** One after the other. */
  readonly chords: readonly Combination[];
  /** Characters that the keyboard cannot make, each once. */
  readonly missing: readonly string[];
}

/** Line ends of any kind are one Enter; what is told apart only by its composition is the same character. */
export function typedText(text: string, layoutId: LayoutId): TypedText {
  const chords: Combination[] = [];
  const missing = new Set<string>();
  for (const character of text.replace(/\r\n?/g, '\n').normalize('NFC')) {
    const made = chordsOf(character, layoutId);
    if (made === undefined) missing.add(character);
    else chords.push(...made);
  }
  return { chords, missing: [...missing] };
}

/** The chords that make one character, or undefined where the keyboard has no way to it. */
export function chordsOf(character: string, layoutId: LayoutId): readonly Combination[] | undefined {
  const fixed = FIXED.get(character);
  if (fixed !== undefined) return [[fixed]];
  const keys = keysOf(layoutId);
  const plain = keys.get(character);
  if (plain !== undefined) return [plain];
  const alone = ALONE.get(character);
  const dead = alone === undefined ? undefined : keys.get(alone);
  if (dead !== undefined) return [dead, [SPACE]];
  // An accented letter: the dead key of its accent, then the letter.
  const [letter = '', accent = '', ...more] = character.normalize('NFD');
  const mark = keys.get(accent);
  const base = keys.get(letter);
  return mark !== undefined && base !== undefined && more.length === 0 ? [mark, base] : undefined;
}

const SPACE: Key = { keysym: 0x20, code: 'Space' };
const FIXED: ReadonlyMap<string, Key> = new Map([
  [' ', SPACE],
  ['\u00a0', SPACE],
  ['\n', KEYS.enter],
  ['\t', KEYS.tab],
]);

/** What the dead key of an accent makes before a space. */
const ALONE: ReadonlyMap<string, string> = new Map([
  ['`', '\u0300'],
  ['´', '\u0301'],
  ['^', '\u0302'],
  ['~', '\u0303'],
  ['¨', '\u0308'],
  ['¸', '\u0327'],
]);

const LEVELS: readonly Combination[] = [[], [KEYS.shift], [KEYS.altGr], [KEYS.shift, KEYS.altGr]];
const tables = new Map<LayoutId, ReadonlyMap<string, Combination>>();

/** The chord of each character and dead key; the lowest level wins. */
function keysOf(layoutId: LayoutId): ReadonlyMap<string, Combination> {
  const known = tables.get(layoutId);
  if (known !== undefined) return known;
  const keys = new Map<string, Combination>();
  const layout: Layout = LAYOUTS[layoutId];
  for (const [level, row] of layout.entries()) {
    for (const [at, character] of Array.from(row).entries()) {
      const code = CODES[at];
      if (character === ' ' || code === undefined || keys.has(character)) continue;
      keys.set(character, [...(LEVELS[level] ?? []), { keysym: keysymOf(character) ?? 0, code }]);
    }
  }
  tables.set(layoutId, keys);
  return keys;
}

/** Caps Lock that is on in the guest turns Shift around, for letters. */
export function underCapsLock(chord: Combination): Combination {
  const last = chord.at(-1);
  if (last === undefined || !isLetter(last)) return chord;
  return chord.includes(KEYS.shift) ? chord.filter((key) => key !== KEYS.shift) : [KEYS.shift, ...chord];
}

function isLetter({ keysym, code }: Key): boolean {
  if (code === 'Enter' || code === 'Tab' || keysym === 0) return false;
  const character = String.fromCodePoint(0x01000000 <= keysym ? keysym - 0x01000000 : keysym);
  return /^\p{L}$/u.test(character);
}
