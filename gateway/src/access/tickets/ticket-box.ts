/**
 * Tickets that have been given and not used. INVARIANT TICKETED: one use, 30 s at most, bound to a user, a desktop and
 * rights, and to the sign-in that asked; kept as a hash.
 *
 * They are kept in memory on purpose: a restart of the gateway ends every socket anyway, and what lives for half a minute
 * gains nothing from a disk (docs/design/display.md).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { TICKET_LIMITS } from '../../../api/ticket.ts';
import { Tally } from '../../../relay/tally.ts';
import type { Via } from '../../platform/rights/rights.ts';

export const TICKET_BOX_LIMITS = { perUser: 32, inAll: 10_000 } as const;

/** What a ticket is to admit to. */
export interface GrantTerms {
  readonly sessionId: string;
  readonly userId: string;
  readonly via: Via;
  /** Set where policy ties a ticket to the address that asked for it. */
  readonly address: string | undefined;
}

let admit: (terms: GrantTerms) => Grant;

/**
 * Admission, proven by a ticket. INVARIANT TICKETED: nobody but this file can make one (the class is not exported, and
 * nothing that is written down by hand has its private member), so whatever asks for a Grant is behind the box.
 */
class Grant implements GrantTerms {
  readonly sessionId: string;
  readonly userId: string;
  readonly via: Via;
  readonly address: string | undefined;
  declare protected readonly isProven: true;

  static {
    admit = (terms) => new Grant(terms);
  }

  private constructor({ sessionId, userId, via, address }: GrantTerms) {
    this.sessionId = sessionId;
    this.userId = userId;
    this.via = via;
    this.address = address;
  }
}

export type { Grant };

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
  readonly grant: GrantTerms;
  readonly expiresAt: number;
}

export class TicketBox {
  readonly #now: () => number;
  /** By the hash in hex: whoever guesses learns nothing from how long a look-up takes. Oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #ofUser = new Tally();
  /** Keys by session. */
  readonly #ofSession = new Map<string, Set<string>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * BOUNDED by who asks: with too many outstanding the user's own oldest is taken back. Undefined: all users together have
   * too many.
   */
  issue(grant: GrantTerms): { readonly ticket: string; readonly expiresAt: number } | undefined {
    this.#sweep();
    if (TICKET_BOX_LIMITS.perUser <= this.#ofUser.of(grant.userId)) this.#forgetOldestOf(grant.userId);
    if (TICKET_BOX_LIMITS.inAll <= this.#entries.size) return undefined;
    const ticket = randomBytes(32).toString('base64url');
    const hash = hashOf(ticket);
    const expiresAt = this.#now() + TICKET_LIMITS.lifeMs;
    const key = hash.toString('hex');
    this.#entries.set(key, { hash, grant, expiresAt });
    this.#ofUser.add(grant.userId, 1);
    const keys = this.#ofSession.get(grant.sessionId) ?? new Set();
    this.#ofSession.set(grant.sessionId, keys.add(key));
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
    return { kind: 'admitted', grant: admit(grant) };
  }

  /** Takes back what has not been used for this session. */
  revoke(sessionId: string): void {
    for (const key of this.#ofSession.get(sessionId) ?? []) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#forget(key, entry);
    }
  }

  #forgetOldestOf(userId: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.grant.userId !== userId) continue;
      this.#forget(key, entry);
      return;
    }
  }

  #sweep(): void {
    const now = this.#now();
    for (const [key, entry] of this.#entries) {
      if (now < entry.expiresAt) return; // They expire in the order in which they came.
      this.#forget(key, entry);
    }
  }

  #forget(key: string, entry: Entry): void {
    const { sessionId, userId } = entry.grant;
    this.#entries.delete(key);
    this.#ofUser.add(userId, -1);
    const keys = this.#ofSession.get(sessionId);
    keys?.delete(key);
    if (keys?.size === 0) this.#ofSession.delete(sessionId);
  }
}

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}

/**
 * A ticket that a browser asked for works in that browser's sign-in only. One that was asked for with an API token is its
 * own proof: native clients have no cookie to show. If they do show who they are, it must be the same user.
 */
function isSameSignIn(grant: GrantTerms, bearer: Bearer): boolean {
  if (bearer.userId !== undefined && bearer.userId !== grant.userId) return false;
  if (grant.via.kind !== 'browser') return true;
  return bearer.via?.kind === 'browser' && bearer.via.browserSessionId === grant.via.browserSessionId;
}
