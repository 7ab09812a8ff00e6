/**
 * Turns what an on-screen keyboard does to a text field into keys. Phones send no usable key events, and their word
 * completion rewrites text that was already typed, so the two texts are compared: what is gone is Backspace, what is new
 * is typed. Pure: the component presses the keys.
 */
import { KEYS, type Key, keysymOf } from './keys.ts';

/** The keys that make `after` of `before`, with the caret at the end as such keyboards have it. */
export function keysForEdit(before: string, after: string): readonly Key[] {
  const old = Array.from(before);
  const now = Array.from(after);
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  const removed = Array.from({ length: old.length - same }, () => KEYS.backspace);
  return [...removed, ...keysForText(now.slice(same).join(''))];
}

/** One key per character. There is no code: the character is what is meant, not the place on a keyboard. */
export function keysForText(text: string): readonly Key[] {
  const keys: Key[] = [];
  for (const character of text) {
    const keysym = keysymOf(character);
    if (keysym !== undefined) keys.push({ keysym, code: keysym === KEYS.enter.keysym ? 'Enter' : '' });
  }
  return keys;
}
