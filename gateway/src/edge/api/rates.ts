/** How often one person may do the same to the same thing. BOUNDED, by who causes it: nobody's haste slows anybody else. */
import type { Route } from '../../../api/route.ts';
import { Windows } from '../../platform/process/windows.ts';
import { can, type Principal } from '../../platform/rights/rights.ts';

/**
 * What leaves a line in the audit log and asks for no right that reaches everybody: so many of them a minute, and an hour.
 * One account could else push the history of years out of the log by making and taking back tokens of its own.
 */
const LINES = [
  { times: 300, perMs: 60_000 },
  { times: 2_000, perMs: 3_600_000 },
] as const;

export class Rates {
  readonly #things: Windows;
  readonly #lines: Windows;

  constructor(now: () => number) {
    this.#things = new Windows(now);
    this.#lines = new Windows(now);
  }

  /** Throws TOO_MANY where the route has a rate, or leaves lines, and this person has been too quick. */
  require(route: Route, principal: Principal, params: Readonly<Record<string, unknown>>): void {
    const { rate } = route;
    const { userId } = principal;
    if (rate !== undefined) this.#things.count([route.id, userId, rate.of === 'person' ? {} : params], rate);
    if (isCounted(route, principal)) for (const each of LINES) this.#lines.count([userId, each.perMs], each);
  }
}

/** Whose right reaches everything may do as much as their work takes. */
function isCounted({ access, audited, method }: Route, principal: Principal): boolean {
  if (!(audited ?? method !== 'get') || access === 'public') return false;
  return access === 'signed-in' || ('on' in access && !can(principal, access.right));
}
