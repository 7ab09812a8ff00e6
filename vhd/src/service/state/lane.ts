/** A lane: so many at a time, the others wait in the order in which they came. */
import { VhdError } from '../../errors.ts';

export class Lane {
  readonly #width: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#width = width;
  }

  /** True where whoever comes now has to wait. */
  get isFull(): boolean {
    return this.#width <= this.#taken;
  }

  /** Settles when it is one's turn; then `leave` has to be called, once. Errors: CANCELLED when `signal` comes first. */
  async enter(signal: AbortSignal): Promise<void> {
    if (!this.isFull) {
      this.#taken += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(new VhdError('CANCELLED', 'the task was cancelled while it waited for its turn'));
      };
      this.#waiting.push(go);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }

  /** The place goes to who has waited longest. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}
