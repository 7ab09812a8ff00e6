/**
 * Every key goes to the desktop, Tab too: somebody without a mouse needs a way out (WCAG 2.1.2). Control, Alt and Shift
 * pressed together and let go of, with no other key between, lead out; any other key makes them a chord of the desktop's.
 */

/** Marks where they lead to. */
export const LEAD_OUT = { 'data-lead-out': '' } as const;

export class LeadOut {
  readonly #down = new Set<string>();
  #isChord = false;

  /** By the DOM code of a key that went down. */
  pressed(code: string): void {
    const kind = kindOf(code);
    if (kind !== undefined) this.#down.add(kind);
    else if (0 < this.#down.size) this.#isChord = true; // A key that is typed by itself makes no chord of what follows.
  }

  /** Whether letting go of this key leads out. */
  released(code: string): boolean {
    const isAll = this.#down.size === 3 && !this.#isChord;
    const kind = kindOf(code);
    if (kind === undefined) return false;
    this.#down.delete(kind);
    if (this.#down.size === 0) this.#isChord = false;
    else if (isAll) this.#isChord = true; // Once: the other two follow.
    return isAll;
  }

  /** The focus went elsewhere: what was held is not known any more. */
  forget(): void {
    this.#down.clear();
    this.#isChord = false;
  }
}

/** By the code and not the name: with Shift held, Alt is called Meta on X11. */
function kindOf(code: string): string | undefined {
  return /^(Control|Alt|Shift)(Left|Right)$/.exec(code)?.[1];
}
