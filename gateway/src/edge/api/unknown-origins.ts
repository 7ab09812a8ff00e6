/**
 * Addresses under which people reach the gateway and that it was not told: a proxy in front, and no ORIEL_ORIGIN. Kept since
 * the start, the newest few (BOUNDED), to be shown to whoever runs the gateway.
 */
import { listNotices, type Notice } from '../../../api/notice.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { iso } from '../../platform/store/time.ts';

const LIMITS = { kept: 8 } as const;

export class UnknownOrigins {
  readonly #now: () => number;
  /** The one that was seen last is last. */
  readonly #seen = new Map<string, { readonly times: number; readonly lastAt: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  note(origin: string): void {
    const times = (this.#seen.get(origin)?.times ?? 0) + 1;
    this.#seen.delete(origin);
    this.#seen.set(origin, { times, lastAt: this.#now() });
    const [oldest] = this.#seen.keys();
    if (LIMITS.kept < this.#seen.size && oldest !== undefined) this.#seen.delete(oldest);
  }

  /** Newest first. */
  list(): Notice[] {
    return [...this.#seen]
      .map(([origin, { times, lastAt }]) => ({ kind: 'unknown-origin' as const, origin, times, lastAt: iso(lastAt) }))
      .reverse();
  }
}

export function noticeRoutes(origins: UnknownOrigins): BoundRoute[] {
  return [bind(listNotices, async () => ({ items: origins.list() }))];
}
