/** How often one person may do the same to the same thing. BOUNDED, by who causes it: nobody's haste slows anybody else. */
import type { Route } from '../../../api/route.ts';
import { GatewayError } from '../../errors.ts';

/** People and things that are remembered; beyond it those go first who were here longest ago. */
const KEPT = 10_000;

interface Count {
  readonly since: number;
  times: number;
}

export class Rates {
  readonly #now: () => number;
  /** In order of their windows. */
  readonly #counts = new Map<string, Count>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws TOO_MANY where the route has a rate and this person has been too quick. */
  require(route: Route, userId: string, params: Readonly<Record<string, unknown>>): void {
    if (route.rate === undefined) return;
    const { times, perMs } = route.rate;
    const key = JSON.stringify([route.id, userId, params]);
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
