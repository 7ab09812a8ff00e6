/**
 * The keyboard of the guest, as one connection has it: combinations, texts, and the person's own keys where the guest's
 * keyboard is another than theirs. Knows no React.
 */
import type RFB from '@novnc/novnc';
import { foreignStrokes, LEVEL_KEYS } from './foreign-keyboard.ts';
import { type Combination, type Key, keysymOf, strokesOf } from './keys.ts';
import { LAYOUTS, type LayoutId } from './layouts.ts';
import { type TypedText, typedText, underCapsLock } from './typing.ts';
import { type TypingProgress, Typist } from './typist.ts';

/** `mine`: the guest has the keyboard that the person has, so the places of the keys are right. */
export type KeyboardChoice = 'mine' | LayoutId;

export const KEYBOARDS: readonly KeyboardChoice[] = ['mine', ...(Object.keys(LAYOUTS) as LayoutId[])];

/** What typed text goes by where nothing was chosen: what consoles and installers begin with. */
export const USUAL_LAYOUT: LayoutId = 'us';

export interface GuestKeyboardEvents {
  readonly onTyping: (progress: TypingProgress | undefined) => void;
  /** A key was pressed that the guest's keyboard has not. */
  readonly onMissing: (character: string) => void;
}

export class GuestKeyboard {
  readonly #screen: HTMLElement;
  readonly #events: GuestKeyboardEvents;
  readonly #typist: Typist;
  readonly #held = new Map<string, Key>();
  #rfb: RFB | undefined;
  #choice: KeyboardChoice = 'mine';

  /** `screen` holds the canvas: keys are seen here before noVNC has them. */
  constructor(screen: HTMLElement, events: GuestKeyboardEvents) {
    this.#screen = screen;
    this.#events = events;
    this.#typist = new Typist({
      press: (chord) => this.press(hasCapsLock(this.#rfb) ? underCapsLock(chord) : chord),
      onProgress: events.onTyping,
      schedule: (task, ms) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  attach(rfb: RFB): void {
    this.#rfb = rfb;
    this.#screen.addEventListener('keydown', this.#onKeyDown, { capture: true });
    this.#screen.addEventListener('keyup', this.#onKeyUp, { capture: true });
    window.addEventListener('blur', this.#forget);
  }

  detach(): void {
    this.#rfb = undefined;
    this.#typist.stop();
    this.#held.clear();
    this.#screen.removeEventListener('keydown', this.#onKeyDown, { capture: true });
    this.#screen.removeEventListener('keyup', this.#onKeyUp, { capture: true });
    window.removeEventListener('blur', this.#forget);
  }

  choose(choice: KeyboardChoice): void {
    this.#choice = choice;
  }

  /** Together, as a hand would. */
  press(chord: Combination): void {
    for (const { keysym, code, down } of strokesOf(chord)) this.#rfb?.sendKey(keysym, code, down);
  }

  /** One chord after the other; resolves to how many were typed. */
  type(chords: readonly Combination[]): Promise<number> {
    return this.#typist.type(chords);
  }

  stopTyping(): void {
    this.#typist.stop();
  }

  /** The keys of a text. A server that takes no scancodes finds the key of a character by itself. */
  keysOf(text: string): TypedText {
    if (!takesScancodes(this.#rfb)) return keysymsOf(text);
    return typedText(text, this.#choice === 'mine' ? USUAL_LAYOUT : this.#choice);
  }

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    const level = LEVEL_KEYS.get(event.code);
    if (level !== undefined) this.#held.set(event.code, level);
    if (this.#choice === 'mine' || this.#rfb?.viewOnly !== false || !takesScancodes(this.#rfb)) return;
    const isThirdLevel = event.getModifierState('AltGraph');
    const isShortcut = !isThirdLevel && (event.ctrlKey || event.altKey || event.metaKey);
    const strokes = foreignStrokes({ key: event.key, held: [...this.#held.values()], isShortcut }, this.#choice);
    if (strokes === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (strokes === null) this.#events.onMissing(event.key);
    else for (const { keysym, code, down } of strokes) this.#rfb.sendKey(keysym, code, down);
  };

  readonly #onKeyUp = (event: KeyboardEvent): void => {
    this.#held.delete(event.code);
  };

  readonly #forget = (): void => this.#held.clear();
}

function keysymsOf(text: string): TypedText {
  const chords: Combination[] = [];
  const missing = new Set<string>();
  for (const character of text.replace(/\r\n?/g, '\n').normalize('NFC')) {
    const keysym = keysymOf(character);
    if (keysym === undefined) missing.add(character);
    else chords.push([{ keysym, code: character === '\n' ? 'Enter' : '' }]);
  }
  return { chords, missing: [...missing] };
}

/** What noVNC 1.7 knows of its server and has in no API (core/rfb.js). */
interface Insides {
  readonly _qemuExtKeyEventSupported?: boolean;
  readonly _remoteCapsLock?: boolean | null;
}

/** The server takes QEMU's extended key event: the scancode counts, not the character. */
export function takesScancodes(rfb: RFB | undefined): boolean {
  return (rfb as (RFB & Insides) | undefined)?._qemuExtKeyEventSupported === true;
}

function hasCapsLock(rfb: RFB | undefined): boolean {
  return takesScancodes(rfb) && (rfb as (RFB & Insides) | undefined)?._remoteCapsLock === true;
}
