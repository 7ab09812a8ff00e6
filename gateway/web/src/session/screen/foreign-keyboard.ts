/**
 * Types what stands on the person's keys, where the guest's keyboard is another (an installer, a rescue shell): each
 * character goes as the key that makes it there. Modifiers that are held are set as the guest needs them, and set back. Pure.
 */
import { KEYS, type Key, type Stroke, strokesOf } from './keys.ts';
import type { LayoutId } from './layouts.ts';
import { chordsOf } from './typing.ts';

export interface PressedKey {
  /** As the browser names it. */
  readonly key: string;
  /** Modifiers that are down in the guest already. */
  readonly held: readonly Key[];
  /** Control, Alt or Super: the key is meant, not its character. */
  readonly isShortcut: boolean;
}

/** What to send instead; undefined: not a character, it goes as it is; null: the guest's keyboard cannot make it. */
export function foreignStrokes(pressed: PressedKey, layoutId: LayoutId): readonly Stroke[] | null | undefined {
  if (pressed.key === 'Dead') return []; // The letter that follows comes composed.
  if (Array.from(pressed.key).length !== 1) return undefined;
  const chords = chordsOf(pressed.isShortcut ? pressed.key.toLowerCase() : pressed.key, layoutId);
  if (chords === undefined) return null;
  if (pressed.isShortcut) {
    const key = chords[0]?.at(-1);
    return key === undefined ? null : strokesOf([key]);
  }
  const held = pressed.held.filter(isLevel);
  const away = held.map((key) => ({ ...key, down: false }));
  const back = held.toReversed().map((key) => ({ ...key, down: true }));
  return [...away, ...chords.flatMap((chord) => strokesOf(chord)), ...back];
}

/** Shift and AltGr choose the character; the guest's own has to be chosen anew. */
function isLevel({ code }: Key): boolean {
  return code === 'ShiftLeft' || code === 'ShiftRight' || code === 'AltRight';
}

/** The modifier keys that are followed, by their DOM code. */
export const LEVEL_KEYS: ReadonlyMap<string, Key> = new Map([
  ['ShiftLeft', KEYS.shift],
  ['ShiftRight', { keysym: 0xffe2, code: 'ShiftRight' }],
  ['AltRight', KEYS.altGr],
]);
