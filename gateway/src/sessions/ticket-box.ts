/**
 * Tickets that have been given and not used. INVARIANT TICKETED: one use, 30 s at most, bound to a user, a desktop and
 * rights, and to the sign-in that asked; kept as a hash.
 *
 * They are kept in memory on purpose: a restart of the gateway ends every socket anyway, and what lives for half a minute
 * gains nothing from a disk (docs/design/display.md).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { TICKET_LIMITS } from '../../shared/ticket.ts';
import type { Via } from '../auth/rights.ts';
import { Tally } from './tally.ts';

export const TICKET_BOX_LIMITS = { perUser: 32, inAll: 10_000 } as const;

/** What a ticket admits to. */
export interface Grant {
  readonly sessionId: string;
  readonly userId: string;
  readonly via: Via;
  /** Set where policy ties a ticket to the address that asked for it. */
  readonly address: string | undefined;
}

/** Who shows a ticket: the sign-in of the request, if it has one, and where it comes from. */
export interface Bearer {
  readonly userId: string | undefined;
  readonly via: Via | undefined;
  readonly address: string;
}

export type Redeemed =
  | { readonly kind: 'admitted'; readonly grant: Grant }
  | { readonly kind: 'refused'; readonly why: 'unknown' | 'expired' | 'other-sign-in' | 'other-address' };

interface Entry {
  readonly hash: Buffer;
  readonly grant: Grant;
  readonly expiresAt: number;
}

export class TicketBox {
  readonly #now: () => number;
  /** By the hash in hex: whoever guesses learns nothing from how long a look-up takes. Oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #ofUser = new Tally();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Undefined: there are too many outstanding, the user's own or all. */
  issue(grant: Grant): { readonly ticket: string; readonly expiresAt: number } | undefined {
    this.#sweep();
    if (TICKET_BOX_LIMITS.inAll <= this.#entries.size) return undefined;
    if (TICKET_BOX_LIMITS.perUser <= this.#ofUser.of(grant.userId)) return undefined;
    const ticket = randomBytes(32).toString('base64url');
    const hash = hashOf(ticket);
    const expiresAt = this.#now() + TICKET_LIMITS.lifeMs;
    this.#entries.set(hash.toString('hex'), { hash, grant, expiresAt });
    this.#ofUser.add(grant.userId, 1);
    return { ticket, expiresAt };
  }

  /** INVARIANT TICKETED: it is gone from here on, whatever comes of it. */
  redeem(ticket: string, bearer: Bearer): Redeemed {
    const hash = hashOf(ticket);
    const key = hash.toString('hex');
    const entry = this.#entries.get(key);
    if (entry === undefined || !timingSafeEqual(entry.hash, hash)) return { kind: 'refused', why: 'unknown' };
    this.#forget(key, entry);
    const { grant } = entry;
    if (entry.expiresAt <= this.#now()) return { kind: 'refused', why: 'expired' };
    if (!isSameSignIn(grant, bearer)) return { kind: 'refused', why: 'other-sign-in' };
    if (grant.address !== undefined && grant.address !== bearer.address) {
      return { kind: 'refused', why: 'other-address' };
    }
    return { kind: 'admitted', grant };
  }

  /** Takes back what has not been used. */
  revoke(isMeant: (grant: Grant) => boolean): void {
    for (const [key, entry] of this.#entries) if (isMeant(entry.grant)) this.#forget(key, entry);
  }

  #sweep(): void {
    const now = this.#now();
    for (const [key, entry] of this.#entries) {
      if (now < entry.expiresAt) return; // They expire in the order in which they came.
      this.#forget(key, entry);
    }
  }

  #forget(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#ofUser.add(entry.grant.userId, -1);
  }
}

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}

/**
 * A ticket that a browser asked for works in that browser's sign-in only. One that was asked for with an API token is its
 * own proof: native clients have no cookie to show. If they do show who they are, it must be the same user.
 */
function isSameSignIn(grant: Grant, bearer: Bearer): boolean {
  if (bearer.userId !== undefined && bearer.userId !== grant.userId) return false;
  if (grant.via.kind !== 'browser') return true;
  return bearer.via?.kind === 'browser' && bearer.via.browserSessionId === grant.via.browserSessionId;
}
