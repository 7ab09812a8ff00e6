/** Large writes under way, and changes of the chain that must wait until there are none. */

/** Counts writes; lets a change in when none runs, and holds new ones back meanwhile. */
export class WriteGate {
  /** Writes under way. */
  writes = 0;
  #closed: Promise<void> | undefined;
  #onDrained: (() => void) | undefined;

  /** What a new write has to wait for; `undefined` when it may start. */
  get closed(): Promise<void> | undefined {
    return this.#closed;
  }

  enter(): void {
    this.writes++;
  }

  leave(): void {
    this.writes--;
    if (this.writes === 0) this.#onDrained?.();
  }

  /** Runs `change` at a moment without writes: at once where there are none. */
  async whileQuiet(change: () => void): Promise<void> {
    while (this.#closed !== undefined) await this.#closed;
    if (this.writes === 0) return change();
    let open: () => void = () => undefined;
    this.#closed = new Promise((resolve) => {
      open = resolve;
    });
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    this.#onDrained = undefined;
    this.#closed = undefined;
    try {
      change();
    } finally {
      open();
    }
  }
}
