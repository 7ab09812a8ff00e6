/** Requests under way, and changes that must wait until there are none. */
import { VhdError } from '../errors.ts';

/** Counts requests; holds new ones back while a change is made, and lets it in when none runs. */
export class Gate {
  /** Requests under way. */
  running = 0;
  #closed: Promise<void> | undefined;
  #open: () => void = () => undefined;
  #onQuiet: (() => void) | undefined;

  /** What a new request has to wait for; `undefined` when it may start. */
  get closed(): Promise<void> | undefined {
    return this.#closed;
  }

  enter(): void {
    this.running++;
  }

  leave(): void {
    this.running--;
    if (this.running === 0) this.#onQuiet?.();
  }

  /** From now on new requests wait. Settles when those that ran are through. Errors: IN_PROGRESS where it is held already. */
  async hold(): Promise<void> {
    if (this.#closed !== undefined) throw new VhdError('IN_PROGRESS', 'requests are held already');
    this.#closed = new Promise((resolve) => {
      this.#open = resolve;
    });
    if (this.running === 0) return;
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
    this.#onQuiet = undefined;
  }

  release(): void {
    this.#closed = undefined;
    this.#open();
  }

  /** Runs `change` at a moment without requests: at once where there are none. */
  async whileQuiet(change: () => void): Promise<void> {
    while (this.#closed !== undefined) await this.#closed;
    if (this.running === 0) return change();
    await this.hold();
    try {
      change();
    } finally {
      this.release();
    }
  }
}
