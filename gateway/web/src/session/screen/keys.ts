/**
 * Keys as X11 keysyms (keysymdef.h) and DOM codes: what noVNC's `sendKey(keysym, code, down)` takes. The code lets QEMU's
 * extended key event carry the scancode, so that a combination works whatever keyboard layout the guest has.
 */

import { text } from '../../text/text.ts';

export interface Key {
  readonly keysym: number;
  readonly code: string;
}

export interface Stroke extends Key {
  readonly down: boolean;
}

const key = (keysym: number, code: string): Key => ({ keysym, code });

export const KEYS = {
  control: key(0xffe3, 'ControlLeft'),
  shift: key(0xffe1, 'ShiftLeft'),
  alt: key(0xffe9, 'AltLeft'),
  altGr: key(0xfe03, 'AltRight'),
  meta: key(0xffeb, 'MetaLeft'),
  delete: key(0xffff, 'Delete'),
  backspace: key(0xff08, 'Backspace'),
  tab: key(0xff09, 'Tab'),
  enter: key(0xff0d, 'Enter'),
  escape: key(0xff1b, 'Escape'),
  insert: key(0xff63, 'Insert'),
  home: key(0xff50, 'Home'),
  end: key(0xff57, 'End'),
  pageUp: key(0xff55, 'PageUp'),
  pageDown: key(0xff56, 'PageDown'),
  left: key(0xff51, 'ArrowLeft'),
  up: key(0xff52, 'ArrowUp'),
  right: key(0xff53, 'ArrowRight'),
  down: key(0xff54, 'ArrowDown'),
  print: key(0xff61, 'PrintScreen'),
  menu: key(0xff67, 'ContextMenu'),
} as const satisfies Record<string, Key>;

/** F1 is `functionKey(1)`. */
export function functionKey(n: number): Key {
  return key(0xffbe + n - 1, `F${n}`);
}

/** Pressed together, in this order. */
export type Combination = readonly Key[];

export const CTRL_ALT_DEL: Combination = [KEYS.control, KEYS.alt, KEYS.delete];

/** A guest may restart at once: asked about first. */
export const HARSH: readonly Combination[] = [CTRL_ALT_DEL, [KEYS.control, KEYS.alt, KEYS.backspace]];

const letter = (name: string): Key => key(name.toLowerCase().charCodeAt(0), `Key${name}`);

/** What a browser or the local system would keep for itself. The first can do no harm: it has the focus in a menu. */
export const COMBINATIONS: readonly Combination[] = [
  [KEYS.alt, KEYS.tab],
  [KEYS.alt, functionKey(4)],
  [KEYS.control, functionKey(4)],
  ...['W', 'T', 'N', 'Q'].map((name) => [KEYS.control, letter(name)]),
  ...['T', 'N', 'W'].map((name) => [KEYS.control, KEYS.shift, letter(name)]),
  [KEYS.control, KEYS.tab],
  [KEYS.control, KEYS.shift, KEYS.tab],
  [KEYS.control, KEYS.pageUp],
  [KEYS.control, KEYS.pageDown],
  [KEYS.control, KEYS.escape],
  [KEYS.control, KEYS.shift, KEYS.escape],
  [KEYS.meta],
  ...['L', 'R', 'E', 'D'].map((name) => [KEYS.meta, letter(name)]),
  [functionKey(11)],
  [KEYS.print],
  [KEYS.alt, KEYS.print],
  ...[1, 2, 3, 4, 5, 6, 7].map((n) => [KEYS.control, KEYS.alt, functionKey(n)]),
  ...HARSH,
];

/** What stands on the keys: `Ctrl-Alt-Del`. A letter or function key is called as its code ends. */
export function nameOf(keys: Combination): string {
  return keys.map((each) => NAMES.get(each.code) ?? each.code.replace(/^Key/, '')).join('-');
}
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(text.session.keys).map(([name, said]) => [KEYS[name as keyof typeof text.session.keys].code, said]),
);

/** Presses in order, releases in the reverse order, as a hand would. */
export function strokesOf(keys: readonly Key[]): readonly Stroke[] {
  return [
    ...keys.map((each) => ({ ...each, down: true })),
    ...keys.toReversed().map((each) => ({ ...each, down: false })),
  ];
}

/** The keysym of a character: Latin-1 is itself, the rest is 0x01000000 + code point (X11 "Unicode keysyms"). */
export function keysymOf(character: string): number | undefined {
  const point = character.codePointAt(0);
  if (point === undefined) return undefined;
  if (point === 0x0a || point === 0x0d) return KEYS.enter.keysym;
  if (point === 0x09) return KEYS.tab.keysym;
  if (point < 0x20 || (0x7f <= point && point < 0xa0)) return undefined;
  return point <= 0xff ? point : 0x01000000 + point;
}
