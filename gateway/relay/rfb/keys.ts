/**
 * Keys that an administrator can refuse, by the two numbers a key has on the wire: the X11 keysym (RFC 6143, 7.5.4) and
 * the XT scan code of QEMU's extended key event. A viewer may send either, so a key is recognised by both.
 */

export interface Key {
  readonly name: string;
  readonly keysyms: readonly number[];
  readonly codes: readonly number[];
}
/** Pressed together, in any order, whichever is last is refused. */
export type KeyCombination = readonly Key[];

function key(name: string, keysyms: readonly number[], codes: readonly number[]): Key {
  return { name, keysyms, codes };
}

const LETTER_CODES = [
  0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24, 0x25, 0x26, 0x32, 0x31, 0x18, 0x19, 0x10, 0x13, 0x1f,
  0x14, 0x16, 0x2f, 0x11, 0x2d, 0x15, 0x2c,
];

const TABLE: readonly Key[] = [
  key('Control', [0xffe3, 0xffe4], [0x1d, 0x9d]),
  key('Control_L', [0xffe3], [0x1d]),
  key('Control_R', [0xffe4], [0x9d]),
  key('Alt', [0xffe9, 0xffea, 0xffe7, 0xffe8, 0xfe03], [0x38, 0xb8]),
  key('Alt_L', [0xffe9, 0xffe7], [0x38]),
  key('Alt_R', [0xffea, 0xffe8, 0xfe03], [0xb8]),
  key('Shift', [0xffe1, 0xffe2], [0x2a, 0x36]),
  key('Shift_L', [0xffe1], [0x2a]),
  key('Shift_R', [0xffe2], [0x36]),
  key('Super', [0xffeb, 0xffec], [0xdb, 0xdc]),
  key('Super_L', [0xffeb], [0xdb]),
  key('Super_R', [0xffec], [0xdc]),
  // The one of the keypad does the same to a guest that counts.
  key('Delete', [0xffff, 0xff9f], [0xd3, 0x53]),
  key('BackSpace', [0xff08], [0x0e]),
  key('Tab', [0xff09, 0xfe20], [0x0f]),
  key('Escape', [0xff1b], [0x01]),
  key('Return', [0xff0d, 0xff8d], [0x1c, 0x9c]),
  key('Print', [0xff61, 0xff15], [0x54, 0xb7]),
  key('Pause', [0xff13, 0xff6b], [0xc6, 0x46]),
  ...Array.from({ length: 10 }, (_, i) => key(`F${i + 1}`, [0xffbe + i], [0x3b + i])),
  key('F11', [0xffc8], [0x57]),
  key('F12', [0xffc9], [0x58]),
  ...LETTER_CODES.map((code, i) => key(String.fromCharCode(0x61 + i), [0x61 + i, 0x41 + i], [code])),
];
const BY_NAME: ReadonlyMap<string, Key> = new Map(TABLE.map((entry) => [entry.name, entry]));

/** `Control+Alt+Delete`; undefined where a name is not known. */
export function parseCombination(text: string): KeyCombination | undefined {
  const keys = text.split('+').map((name) => BY_NAME.get(name.trim()));
  return keys.every((found) => found !== undefined) ? keys : undefined;
}

export interface KeyPress {
  readonly keysym: number;
  /** 0 where the viewer does not say. */
  readonly code: number;
}

export function isKey(wanted: Key, press: KeyPress): boolean {
  return (press.code !== 0 && wanted.codes.includes(press.code)) || wanted.keysyms.includes(press.keysym);
}

/** Would this press complete the combination, the others being held down? Pure. */
export function completes(combination: KeyCombination, held: readonly KeyPress[], press: KeyPress): boolean {
  return combination.some(
    (last, i) =>
      isKey(last, press) && combination.every((other, j) => i === j || held.some((already) => isKey(other, already))),
  );
}
