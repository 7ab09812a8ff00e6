/**
 * Keys as X11 keysyms (keysymdef.h) and DOM codes: what noVNC's `sendKey(keysym, code, down)` takes. The code lets QEMU's
 * extended key event carry the scancode, so that a combination works whatever keyboard layout the guest has.
 */

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
  l: key(0x006c, 'KeyL'),
  r: key(0x0072, 'KeyR'),
  e: key(0x0065, 'KeyE'),
} as const satisfies Record<string, Key>;

/** F1 is `functionKey(1)`. */
export function functionKey(n: number): Key {
  return key(0xffbe + n - 1, `F${n}`);
}

export interface Combination {
  readonly label: string;
  readonly keys: readonly Key[];
}

/** What a browser or the local system would keep for itself. */
export const COMBINATIONS: readonly Combination[] = [
  { label: 'Ctrl-Alt-Del', keys: [KEYS.control, KEYS.alt, KEYS.delete] },
  { label: 'Ctrl-Alt-Backspace', keys: [KEYS.control, KEYS.alt, KEYS.backspace] },
  { label: 'Alt-Tab', keys: [KEYS.alt, KEYS.tab] },
  { label: 'Alt-F4', keys: [KEYS.alt, functionKey(4)] },
  { label: 'Ctrl-Esc', keys: [KEYS.control, KEYS.escape] },
  { label: 'Ctrl-Shift-Esc', keys: [KEYS.control, KEYS.shift, KEYS.escape] },
  { label: 'Super', keys: [KEYS.meta] },
  { label: 'Super-L', keys: [KEYS.meta, KEYS.l] },
  { label: 'Super-R', keys: [KEYS.meta, KEYS.r] },
  { label: 'Super-E', keys: [KEYS.meta, KEYS.e] },
  { label: 'Print Screen', keys: [KEYS.print] },
  { label: 'Alt-Print Screen', keys: [KEYS.alt, KEYS.print] },
  ...[1, 2, 3, 4, 5, 6, 7].map((n) => ({ label: `Ctrl-Alt-F${n}`, keys: [KEYS.control, KEYS.alt, functionKey(n)] })),
];

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
