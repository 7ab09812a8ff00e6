/**
 * Why clients are refused or cut off, told with a limit. BOUNDED: a client that does nothing else cannot fill a log; what is
 * left out is counted, and the count is told with the next that is let through.
 */

/** In a window: so many are told. */
const TOLD_PER_WINDOW = 10;
const WINDOW_MS = 60_000;

export class Troubles {
  readonly #tell: (reason: string) => void;
  readonly #now: () => number;
  #windowEnds = -Infinity;
  #told = 0;
  #untold = 0;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(tell: (reason: string) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  add(reason: string): void {
    const now = this.#now();
    if (this.#windowEnds <= now) {
      this.#windowEnds = now + WINDOW_MS;
      this.#told = 0;
    }
    if (TOLD_PER_WINDOW <= this.#told) {
      this.#untold += 1;
      return;
    }
    this.#told += 1;
    const untold = this.#untold;
    this.#untold = 0;
    this.#tell(untold === 0 ? reason : `${reason} (${untold} more before it were not told)`);
  }
}
