/** Admission: who may have a ticket, for a new session or back into one (TICKETED). What it opens is in sessions.ts. */
import { SESSION_SOCKET_PATH, type SessionMode, TICKET_LIMITS, type Ticket } from '../../../api/ticket.ts';
import { GatewayError } from '../../errors.ts';
import { can, type Principal, type Via } from '../../platform/rights/rights.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import { iso } from '../../platform/store/time.ts';
import type { TicketBox } from '../tickets/ticket-box.ts';
import type { DesktopFacts, DesktopPort, SessionKind } from './ports.ts';
import type { Roll } from './roll.ts';
import { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

export interface AdmissionDeps {
  readonly roll: Roll;
  readonly tickets: TicketBox;
  readonly sessions: Sessions;
  readonly desktops: DesktopPort;
  readonly now: () => number;
  /** Tickets work only from the address that asked for them. Off: a phone changes its network. */
  readonly isTiedToAddress?: boolean;
}

export interface Joined {
  readonly sessionId: string;
  readonly isByConsent: boolean;
}

export class Admission {
  readonly #deps: AdmissionDeps;

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** A ticket for a new session. `joined` where it goes beside another's. */
  async create(
    principal: Principal,
    desktopId: string,
    want: { readonly kind: SessionKind; readonly mode: SessionMode; readonly takeUp?: boolean },
    address: string,
    joined?: Joined,
  ): Promise<Ticket> {
    const isByConsent = joined?.isByConsent ?? false;
    const right = rightFor({ mode: want.mode, isByConsent });
    if (!can(principal, right, { desktopId })) {
      throw new GatewayError('FORBIDDEN', `this needs the right "${right}" on the desktop`);
    }
    const own = want.takeUp === true ? this.#ownSession(principal, desktopId, want) : undefined;
    if (own !== undefined) return await this.resume(principal, own.id, address);
    const desktop = await this.#describe(desktopId, want.kind, principal);
    this.#makeRoom(principal.userId, desktopId);
    const now = this.#deps.now();
    const facts = {
      id: newId(),
      desktopId,
      desktopName: desktop.name,
      kind: want.kind,
      userId: principal.userId,
      userName: principal.name,
      mode: want.mode,
      joinedId: joined?.sessionId ?? null,
      isByConsent,
      createdAt: now,
      policy: desktop.policy,
    };
    const session = new Session(facts, principal.via, now + TICKET_LIMITS.lifeMs);
    const ticket = this.#issue(session, principal, address);
    this.#deps.sessions.add(session);
    return ticket;
  }

  /** The newest that could be gone on with: what another window of this sign-in has open is not left, and stays there. */
  #ownSession(
    principal: Principal,
    desktopId: string,
    want: { readonly kind: SessionKind; readonly mode: SessionMode },
  ): Session | undefined {
    return this.#deps.roll.on(desktopId, want.kind).find(({ facts, phase, via }) => {
      const isOwn = facts.userId === principal.userId && facts.mode === want.mode && facts.joinedId === null;
      return isOwn && (phase.state === 'parked' || (phase.state !== 'waiting' && !isSameSignIn(via, principal.via)));
    });
  }

  /** A ticket that brings the owner back into a session, from this sign-in or another. */
  async resume(principal: Principal, id: string, address: string): Promise<Ticket> {
    const session = this.#deps.roll.require(id);
    if (session.facts.userId !== principal.userId) throw new GatewayError('NOT_FOUND', `there is no session ${id}`);
    if (session.isEnded) throw new GatewayError('GONE', `session ${id} has ended`);
    if (!mayStay(session, principal)) throw new GatewayError('FORBIDDEN', 'the right to this desktop was taken away');
    await this.#describe(session.facts.desktopId, session.facts.kind, principal);
    const ticket = this.#issue(session, principal, address);
    this.#deps.sessions.waitFor(session, this.#deps.now() + TICKET_LIMITS.lifeMs);
    return ticket;
  }

  #makeRoom(userId: string, desktopId: string): void {
    const { roll, sessions } = this.#deps;
    const room = roll.roomFor(userId, desktopId);
    if (room.kind === 'full') throw new GatewayError('TOO_MANY', room.why);
    if (room.kind === 'instead-of') sessions.end(roll.require(room.id), 'made-room');
  }

  async #describe(desktopId: string, kind: SessionKind, principal: Principal): Promise<DesktopFacts> {
    const desktop = await this.#deps.desktops.describe(desktopId, principal);
    if (desktop === undefined) throw new GatewayError('NOT_FOUND', `there is no desktop ${desktopId}`);
    if (!desktop.kinds.includes(kind))
      throw new GatewayError('NOT_SUPPORTED', `desktop ${desktop.name} has no ${kind}`);
    if (!desktop.isOn) throw new GatewayError('CONFLICT', `desktop ${desktop.name} does not run`);
    return desktop;
  }

  #issue(session: Session, principal: Principal, address: string): Ticket {
    const { desktopId, isByConsent } = session.facts;
    session.canLookBack = !isByConsent && can(principal, 'history', { desktopId });
    const issued = this.#deps.tickets.issue({
      sessionId: session.id,
      userId: principal.userId,
      via: principal.via,
      address: this.#deps.isTiedToAddress === true ? address : undefined,
    });
    if (issued === undefined)
      throw new GatewayError('TOO_MANY', 'too many tickets are waiting to be used', { retryAfterSeconds: 30 });
    return {
      ticket: issued.ticket,
      expiresAt: iso(issued.expiresAt),
      socketPath: SESSION_SOCKET_PATH,
      sessionId: session.id,
      kind: session.facts.kind,
      mode: session.facts.mode,
    };
  }
}

function isSameSignIn(one: Via, other: Via): boolean {
  if (one.kind === 'browser') return other.kind === 'browser' && one.browserSessionId === other.browserSessionId;
  if (one.kind === 'token') return other.kind === 'token' && one.tokenId === other.tokenId;
  return other.kind === one.kind;
}

/** Is the person still allowed to be in it? Who joined another's session by right needs that right as long as it lasts. */
export function mayStay({ facts }: Session, principal: Principal): boolean {
  const isJoinedByRight = facts.joinedId !== null && !facts.isByConsent;
  if (isJoinedByRight && !can(principal, 'watch')) return false;
  return can(principal, rightFor(facts), { desktopId: facts.desktopId });
}

/** The owner's consent lets in who may at least look; control then comes from the owner. */
function rightFor({
  mode,
  isByConsent,
}: {
  readonly mode: SessionMode;
  readonly isByConsent: boolean;
}): 'open' | 'view' {
  return mode === 'control' && !isByConsent ? 'open' : 'view';
}
