/** Wishes to see or steer another's session: asked, answered by the owner, used for a ticket. BOUNDED and short-lived. */
import { type Join, type JoinState, SESSION_LIMITS } from '../../../api/session.ts';
import type { SessionMode, Ticket } from '../../../api/ticket.ts';
import { GatewayError } from '../../errors.ts';
import { can, isOwn, type Principal } from '../../platform/rights/rights.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import { iso } from '../../platform/store/time.ts';
import type { Admission } from './admission.ts';
import type { Announcer } from './announcer.ts';
import type { Roll } from './roll.ts';
import type { Session } from './session.ts';
import type { Steerings } from './steerings.ts';

export const JOIN_LIMITS = { perUser: 8, inAll: 10_000 } as const;

interface Wish {
  readonly id: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly userName: string;
  mode: SessionMode;
  state: Exclude<JoinState, 'expired'>;
  readonly isByRight: boolean;
  expiresAt: number;
  timer: NodeJS.Timeout | undefined;
}

export interface JoinsDeps {
  readonly roll: Roll;
  readonly admission: Admission;
  readonly announcer: Announcer;
  readonly steerings: Steerings;
  readonly now: () => number;
}

export class Joins {
  readonly #deps: JoinsDeps;
  readonly #wishes = new Map<string, Wish>();

  constructor(deps: JoinsDeps) {
    this.#deps = deps;
  }

  /** With the right `watch` or a right on the desktop it is allowed at once, and the owner is told; else the owner is asked. */
  ask(principal: Principal, sessionId: string, mode: SessionMode): Join {
    const session = this.#open(sessionId);
    const { desktopId } = session.facts;
    const isByRight = can(principal, 'watch') && can(principal, mode === 'control' ? 'open' : 'view', { desktopId });
    if (!isByRight && !canLetIn(session)) throw new GatewayError('CONFLICT', 'nobody can be let in by this session');
    this.#makeRoom(sessionId, principal.userId);
    const wish: Wish = {
      id: newId(),
      sessionId,
      userId: principal.userId,
      userName: principal.name,
      mode,
      state: isByRight ? 'allowed' : 'asked',
      isByRight,
      expiresAt: this.#deps.now() + SESSION_LIMITS.joinLifeMs,
      timer: undefined,
    };
    if (JOIN_LIMITS.inAll <= this.#wishes.size) throw new GatewayError('TOO_MANY', 'too many wait to join');
    this.#wishes.set(wish.id, wish);
    this.#expire(wish);
    if (!isByRight) this.#deps.announcer.joinAsked(session, toApi(wish));
    return toApi(wish);
  }

  /** For who asked, and for the owner of the session. */
  get(principal: Principal, sessionId: string, id: string): Join {
    const wish = this.#require(sessionId, id);
    const owner = this.#deps.roll.get(sessionId)?.facts.userId;
    if (wish.userId !== principal.userId && !isOwn(principal, { ownerId: owner })) throw notFound(id);
    return toApi(wish);
  }

  answer(
    principal: Principal,
    sessionId: string,
    id: string,
    answer: { allow: boolean; mode?: SessionMode | undefined },
  ): Join {
    const session = this.#open(sessionId);
    const wish = this.#require(sessionId, id);
    if (session.facts.userId !== principal.userId) throw notFound(id);
    if (answer.allow && !this.#deps.steerings.mayAdmit(session, principal)) {
      throw new GatewayError('FORBIDDEN', 'to let somebody in, this session has to steer by a right of your own');
    }
    if (wish.state !== 'asked') throw new GatewayError('CONFLICT', `this wish was ${wish.state} already`);
    wish.state = answer.allow ? 'allowed' : 'refused';
    // Less may be given than was asked for, never more.
    if (answer.mode === 'view') wish.mode = 'view';
    wish.expiresAt = this.#deps.now() + SESSION_LIMITS.joinLifeMs;
    this.#expire(wish);
    this.#deps.announcer.joinAnswered(session, toApi(wish));
    return toApi(wish);
  }

  /** One ticket per wish: the next one is a wish of its own. */
  async ticket(principal: Principal, sessionId: string, id: string, address: string): Promise<Ticket> {
    const session = this.#open(sessionId);
    const wish = this.#require(sessionId, id);
    if (wish.userId !== principal.userId) throw notFound(id);
    if (wish.state !== 'allowed') throw new GatewayError('CONFLICT', `this wish is ${wish.state}`);
    if (wish.isByRight && !can(principal, 'watch')) throw new GatewayError('FORBIDDEN', 'this needs the right "watch"');
    const { desktopId, kind } = session.facts;
    const joined = { sessionId, isByConsent: !wish.isByRight };
    const ticket = await this.#deps.admission.create(principal, desktopId, { kind, mode: wish.mode }, address, joined);
    this.#forget(wish);
    return ticket;
  }

  close(): void {
    for (const wish of this.#wishes.values()) clearTimeout(wish.timer);
    this.#wishes.clear();
  }

  #open(sessionId: string): Session {
    const session = this.#deps.roll.require(sessionId);
    if (session.phase.state === 'waiting') throw new GatewayError('CONFLICT', 'nobody is in this session yet');
    return session;
  }

  #require(sessionId: string, id: string): Wish {
    const wish = this.#wishes.get(id);
    if (wish === undefined || wish.sessionId !== sessionId) throw notFound(id);
    return wish;
  }

  /**
   * BOUNDED, by who asks: somebody who asks for the same again, or for too much, takes the place of their own oldest wish,
   * never of anybody else's.
   */
  #makeRoom(sessionId: string, userId: string): void {
    const own = [...this.#wishes.values()].filter((wish) => wish.userId === userId);
    const again = own.filter((wish) => wish.sessionId === sessionId);
    const over = own
      .filter((wish) => wish.sessionId !== sessionId)
      .slice(0, Math.max(0, own.length - again.length + 1 - JOIN_LIMITS.perUser));
    for (const wish of [...again, ...over]) this.#expired(wish);
  }

  #expire(wish: Wish): void {
    clearTimeout(wish.timer);
    wish.timer = setTimeout(() => this.#expired(wish), SESSION_LIMITS.joinLifeMs).unref();
  }

  #expired(wish: Wish): void {
    const session = this.#deps.roll.get(wish.sessionId);
    this.#forget(wish);
    if (session !== undefined) this.#deps.announcer.joinAnswered(session, { ...toApi(wish), state: 'expired' });
  }

  #forget(wish: Wish): void {
    clearTimeout(wish.timer);
    this.#wishes.delete(wish.id);
  }
}

/** Whatever rights its owner has: what only looks, or was let in itself, lets nobody in. */
function canLetIn({ facts }: Session): boolean {
  return facts.mode === 'control' && !facts.isByConsent;
}

function toApi(wish: Wish): Join {
  const { id, sessionId, userId, userName, mode, state, isByRight } = wish;
  return { id, sessionId, userId, userName, mode, state, isByRight, expiresAt: iso(wish.expiresAt) };
}

function notFound(id: string): GatewayError {
  return new GatewayError('NOT_FOUND', `there is no join ${id}`);
}
