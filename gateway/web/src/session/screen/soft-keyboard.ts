/**
 * What an on-screen keyboard did to a text field. Phones send no usable key events, and their word completion rewrites text
 * that was already typed, so the two texts are compared: what is gone is Backspace, what is new is typed. Pure.
 */

export interface Edit {
  /** Characters that are gone from the end. */
  readonly removed: number;
  readonly typed: string;
}

/** What makes `after` of `before`, with the caret at the end as such keyboards have it. */
export function editOf(before: string, after: string): Edit {
  const old = Array.from(before);
  const now = Array.from(after);
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  return { removed: old.length - same, typed: now.slice(same).join('') };
}
