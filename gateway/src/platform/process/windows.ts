/** How often the same is done in a stretch of time. BOUNDED, by who causes it: nobody's haste slows anybody else. */
import { GatewayError } from '../../errors.ts';

/** What is remembered; beyond it goes first what began longest ago. */
const KEPT = 10_000;

export interface Rate {
  readonly times: number;
  readonly perMs: number;
}

interface Count {
  readonly since: number;
  times: number;
}

export class Windows {
  readonly #now: () => number;
  /** In order of their beginnings. */
  readonly #counts = new Map<string, Count>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws TOO_MANY where it was done so often already. */
  count(what: readonly unknown[], { times, perMs }: Rate): void {
    const key = JSON.stringify(what);
    const now = this.#now();
    const known = this.#counts.get(key);
    if (known === undefined || perMs <= now - known.since) return this.#begin(key, now);
    if (known.times < times) {
      known.times += 1;
      return;
    }
    const retryAfterSeconds = Math.max(1, Math.ceil((known.since + perMs - now) / 1000));
    throw new GatewayError('TOO_MANY', `at most ${times} times in ${perMs / 1000} s`, { retryAfterSeconds });
  }

  #begin(key: string, since: number): void {
    this.#counts.delete(key);
    this.#counts.set(key, { since, times: 1 });
    if (this.#counts.size <= KEPT) return;
    for (const oldest of this.#counts.keys()) {
      this.#counts.delete(oldest);
      return;
    }
  }
}
