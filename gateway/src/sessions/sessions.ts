/**
 * The broker of sessions: admits with tickets, keeps caps, connects people to desktops, lets go of them when a right, a
 * limit or an operator says so.
 */
import type { SessionEnd } from '../../shared/session.ts';
import {
  SESSION_CLOSE,
  SESSION_SOCKET_PATH,
  type SessionCloseName,
  type SessionMode,
  TICKET_LIMITS,
  type Ticket,
} from '../../shared/ticket.ts';
import type { Auth } from '../auth/auth.ts';
import type { Revocation } from '../auth/revocations.ts';
import { can, type Principal } from '../auth/rights.ts';
import { newId } from '../auth/secrets.ts';
import type { Conduit, ConduitEnd, ConduitEvents } from '../display/conduit.ts';
import { GatewayError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Announcer } from './announcer.ts';
import type { AuditLines } from './audit-lines.ts';
import { afterLeaving, type ControlAction, isDriving, type Seat, type Steering, steer } from './control.ts';
import type { DesktopFacts, DesktopPort, SessionKind } from './ports.ts';
import { iso, Session } from './session.ts';
import type { SessionStore } from './session-store.ts';
import { Tally } from './tally.ts';
import { type Grant, TicketBox } from './ticket-box.ts';

/** BOUNDED: sessions that have not ended. */
export interface SessionCaps {
  readonly perUser: number;
  readonly perDesktop: number;
  readonly perAddress: number;
  readonly inAll: number;
}
export const SESSION_CAPS: SessionCaps = { perUser: 32, perDesktop: 16, perAddress: 256, inAll: 10_000 };

export interface SessionsDeps {
  readonly auth: Pick<Auth, 'again' | 'revocations'>;
  readonly audit: AuditLines;
  readonly announcer: Announcer;
  readonly store: SessionStore;
  readonly desktops: DesktopPort;
  readonly log: Logger;
  readonly now: () => number;
  readonly caps?: SessionCaps;
  /** Tickets work only from the address that asked for them. Off: a phone changes its network. */
  readonly isTiedToAddress?: boolean;
}

export interface Joined {
  readonly sessionId: string;
  readonly isByConsent: boolean;
}

/** The longest a timer of Node can wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** How a socket is told what became of its session. */
const CLOSE_FOR: Readonly<Record<SessionEnd, SessionCloseName>> = {
  closed: 'NORMAL',
  dropped: 'NORMAL',
  revoked: 'REVOKED',
  idle: 'IDLE',
  'too-long': 'ENDED',
  operator: 'ENDED',
  owner: 'NORMAL',
  'vm-away': 'VM_AWAY',
  'vm-protocol': 'VM_PROTOCOL',
  'client-protocol': 'POLICY',
  'never-opened': 'TICKET',
  'gateway-stopped': 'GOING_AWAY',
};

export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #caps: SessionCaps;
  readonly #sessions = new Map<string, Session>();
  readonly #ofUser = new Tally();
  readonly #fromAddress = new Tally();
  /** By desktop. */
  readonly #byDesktop = new Map<string, Set<Session>>();
  /** By desktop and kind; absent means shared. */
  readonly #steering = new Map<string, Steering>();
  readonly tickets: TicketBox;
  readonly #unsubscribe: () => void;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#caps = deps.caps ?? SESSION_CAPS;
    this.tickets = new TicketBox(deps.now);
    this.#unsubscribe = deps.auth.revocations.subscribe((revocation) => this.#onRevocation(revocation));
  }

  /** A ticket for a new session. `joined` where it goes beside another's. */
  async create(
    principal: Principal,
    desktopId: string,
    want: { readonly kind: SessionKind; readonly mode: SessionMode },
    address: string,
    joined?: Joined,
  ): Promise<Ticket> {
    const right = want.mode === 'control' && joined?.isByConsent !== true ? 'open' : 'view';
    if (!can(principal, right, { desktopId })) {
      throw new GatewayError('FORBIDDEN', `this needs the right "${right}" on the desktop`);
    }
    const desktop = await this.#describe(desktopId, want.kind);
    this.#checkCaps(principal.userId, desktopId);
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
      isByConsent: joined?.isByConsent ?? false,
      isOperator: can(principal, 'watch'),
      createdAt: now,
      policy: desktop.policy,
    };
    const session = new Session(facts, principal.via, now + TICKET_LIMITS.lifeMs);
    const ticket = this.#issue(session, principal, address);
    this.#sessions.set(session.id, session);
    this.#ofUser.add(principal.userId, 1);
    const company = this.#byDesktop.get(desktopId) ?? new Set();
    this.#byDesktop.set(desktopId, company.add(session));
    this.#resteer(session);
    this.#changed(session);
    return ticket;
  }

  /** A ticket that brings the owner back into a session, from this sign-in or another. */
  async resume(principal: Principal, id: string, address: string): Promise<Ticket> {
    const session = this.require(id);
    if (session.facts.userId !== principal.userId) throw notFound(id);
    if (session.isEnded) throw new GatewayError('GONE', `session ${id} has ended`);
    if (!this.#mayBe(session, principal))
      throw new GatewayError('FORBIDDEN', 'the right to this desktop was taken away');
    await this.#describe(session.facts.desktopId, session.facts.kind);
    const ticket = this.#issue(session, principal, address);
    session.waitUntil(this.#deps.now() + TICKET_LIMITS.lifeMs);
    this.#arm(session);
    return ticket;
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  require(id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw notFound(id);
    return session;
  }

  /** Those that have not ended, newest first. */
  all(): Session[] {
    return [...this.#sessions.values()].reverse();
  }

  on(desktopId: string, kind?: SessionKind): Session[] {
    const there = [...(this.#byDesktop.get(desktopId) ?? [])].reverse();
    return kind === undefined ? there : there.filter(({ facts }) => facts.kind === kind);
  }

  /** How many sockets an address may still open. */
  hasRoomFor(address: string): boolean {
    return this.#fromAddress.of(address) < this.#caps.perAddress;
  }

  /**
   * A ticket was shown and a socket is open: connects it. `connect` makes the conduit; the session's earlier socket, if
   * it still has one, is told that it moved. Undefined: the session has ended meanwhile.
   */
  open(grant: Grant, address: string, connect: (session: Session, events: ConduitEvents) => void): Session | undefined {
    const session = this.#sessions.get(grant.sessionId);
    if (session === undefined || session.isEnded) return undefined;
    const earlier = this.#disconnect(session);
    session.via = grant.via;
    session.address = address;
    this.#fromAddress.add(address, 1);
    session.hasTicket = false;
    session.apply({ kind: 'opened', at: this.#deps.now() });
    earlier?.close(SESSION_CLOSE.MOVED, 'moved');
    this.#arm(session);
    session.openings += 1;
    const opening = session.openings;
    // What an earlier socket still says when the session has moved on means nothing.
    const whileCurrent = (then: () => void): void => {
      if (session.openings === opening && !session.isEnded) then();
    };
    connect(session, {
      onReady: () => whileCurrent(() => this.#ready(session)),
      onInput: () => whileCurrent(() => this.#input(session)),
      onEnd: (end) => whileCurrent(() => this.#conduitEnded(session, end)),
    });
    return session;
  }

  /** Ends a session for good. */
  end(session: Session, end: SessionEnd): void {
    if (!session.apply({ kind: 'end', at: this.#deps.now(), end })) return;
    clearTimeout(session.timer);
    const conduit = this.#disconnect(session);
    const close = CLOSE_FOR[end];
    conduit?.close(SESSION_CLOSE[close], close.toLowerCase().replaceAll('_', '-'));
    if (session.hasTicket) this.tickets.revoke((grant) => grant.sessionId === session.id);
    const { desktopId, kind, userId } = session.facts;
    this.#sessions.delete(session.id);
    this.#ofUser.add(userId, -1);
    const company = this.#byDesktop.get(desktopId);
    company?.delete(session);
    if (company?.size === 0) this.#byDesktop.delete(desktopId);
    this.#setSteering(desktopId, kind, afterLeaving(this.#seats(desktopId, kind), this.#steeringOf(desktopId, kind)));
    this.#deps.announcer.ended(session, end);
    this.#changed(session);
    this.#audit(session, 'session.end', { end, bytesIn: session.bytesIn, bytesOut: session.bytesOut });
  }

  /** Takes, gives or shares control; whoever loses it lets go of the keys. */
  control(session: Session, asked: ControlAction): void {
    const { desktopId, kind } = session.facts;
    const steering = steer(this.#seats(desktopId, kind), seatOf(session), this.#steeringOf(desktopId, kind), asked);
    if (steering === undefined) throw new GatewayError('FORBIDDEN', `this session cannot ${asked.action} control`);
    this.#setSteering(desktopId, kind, steering);
    this.#deps.announcer.participants(this.on(desktopId, kind));
  }

  /** Is the person still allowed to be in it? */
  #mayBe(session: Session, principal: Principal | undefined): boolean {
    if (principal === undefined) return false;
    const { facts } = session;
    // The owner's consent lets in who may at least look; control then comes from the owner.
    const right = facts.mode === 'control' && !facts.isByConsent ? 'open' : 'view';
    return can(principal, right, { desktopId: facts.desktopId });
  }

  async #describe(desktopId: string, kind: SessionKind): Promise<DesktopFacts> {
    const desktop = await this.#deps.desktops.describe(desktopId);
    if (desktop === undefined) throw new GatewayError('NOT_FOUND', `there is no desktop ${desktopId}`);
    if (!desktop.kinds.includes(kind))
      throw new GatewayError('NOT_SUPPORTED', `desktop ${desktop.name} has no ${kind}`);
    if (!desktop.isOn) throw new GatewayError('CONFLICT', `desktop ${desktop.name} does not run`);
    return desktop;
  }

  /** S5: the refusal is in the audit log as that of any request. */
  #checkCaps(userId: string, desktopId: string): void {
    if (this.#caps.inAll <= this.#sessions.size)
      throw new GatewayError('TOO_MANY', `${this.#caps.inAll} sessions are open`);
    const ofUser = this.#ofUser.of(userId);
    const onDesktop = this.#byDesktop.get(desktopId)?.size ?? 0;
    if (this.#caps.perUser <= ofUser) throw new GatewayError('TOO_MANY', `you have ${ofUser} sessions open`);
    if (this.#caps.perDesktop <= onDesktop)
      throw new GatewayError('TOO_MANY', `${onDesktop} sessions are on this desktop`);
  }

  #issue(session: Session, principal: Principal, address: string): Ticket {
    const issued = this.tickets.issue({
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

  #ready(session: Session): void {
    const isFirst = session.liveAt === null;
    if (!session.apply({ kind: 'ready', at: this.#deps.now() })) return;
    this.#resteer(session);
    this.#changed(session);
    this.#deps.announcer.participants(this.on(session.facts.desktopId, session.facts.kind));
    this.#audit(session, isFirst ? 'session.open' : 'session.resume', {
      mode: session.facts.mode,
      kind: session.facts.kind,
    });
  }

  #input(session: Session): void {
    session.lastInputAt = this.#deps.now();
    const { phase } = session;
    if (phase.state !== 'live' || phase.warned !== 'idle') return;
    session.apply({ kind: 'warned', why: undefined });
    this.#deps.announcer.warningOver(session);
    this.#arm(session);
  }

  #conduitEnded(session: Session, end: ConduitEnd): void {
    if (end.by === 'us') return; // Whoever closed it has said what becomes of the session.
    const conduit = this.#disconnect(session);
    const lost = (why: SessionEnd): void => {
      if (!session.apply({ kind: 'lost', at: this.#deps.now(), why })) return;
      this.#changed(session);
      this.#deps.announcer.participants(this.on(session.facts.desktopId, session.facts.kind));
    };
    switch (end.by) {
      case 'viewer':
        return lost(end.isGoodbye ? 'closed' : 'dropped');
      case 'too-slow':
        conduit?.close(SESSION_CLOSE.TOO_SLOW, 'too-slow');
        return lost('dropped');
      case 'vm':
        this.#deps.log.info(
          { sessionId: session.id, desktopId: session.facts.desktopId, reason: end.reason },
          'session.vm-away',
        );
        conduit?.close(SESSION_CLOSE.VM_AWAY, 'vm-away');
        return lost('vm-away');
      case 'vm-fault':
        this.#deps.log.warn(
          { sessionId: session.id, desktopId: session.facts.desktopId, reason: end.reason },
          'session.vm-protocol',
        );
        conduit?.close(SESSION_CLOSE.VM_PROTOCOL, 'vm-protocol');
        return this.end(session, 'vm-protocol');
      case 'viewer-fault':
        this.#deps.log.warn(
          { sessionId: session.id, userId: session.facts.userId, reason: end.reason },
          'session.client-protocol',
        );
        conduit?.close(SESSION_CLOSE.POLICY, 'policy');
        return this.end(session, 'client-protocol');
    }
  }

  /** Lets go of its socket, if it has one. */
  #disconnect(session: Session): Conduit | undefined {
    const conduit = session.dropConduit();
    if (conduit !== undefined && session.address !== null) this.#fromAddress.add(session.address, -1);
    return conduit;
  }

  #changed(session: Session): void {
    if (session.liveAt !== null) this.#deps.store.save(session);
    this.#deps.announcer.changed(session);
    this.#arm(session);
  }

  /** One timer per session, at what time brings next. Input moves the idle limit without touching it. */
  #arm(session: Session): void {
    clearTimeout(session.timer);
    const due = session.due();
    if (due === undefined) return;
    const waitMs = Math.min(Math.max(0, due.at - this.#deps.now()), MAX_TIMER_MS);
    session.timer = setTimeout(() => this.#onTime(session), waitMs);
    session.timer.unref();
  }

  #onTime(session: Session): void {
    const due = session.due();
    if (due !== undefined && due.at <= this.#deps.now()) {
      if (due.what === 'end') return this.end(session, due.end);
      session.apply({ kind: 'warned', why: due.why });
      this.#deps.announcer.warning(session, due.why, due.endsAt);
    }
    this.#arm(session);
  }

  #seats(desktopId: string, kind: SessionKind): Seat[] {
    return this.on(desktopId, kind).map(seatOf);
  }

  #steeringOf(desktopId: string, kind: SessionKind): Steering {
    return this.#steering.get(`${desktopId}/${kind}`) ?? { kind: 'shared' };
  }

  #setSteering(desktopId: string, kind: SessionKind, steering: Steering): void {
    if (steering.kind === 'shared') this.#steering.delete(`${desktopId}/${kind}`);
    else this.#steering.set(`${desktopId}/${kind}`, steering);
    for (const session of this.on(desktopId, kind)) this.#resteer(session);
  }

  #resteer(session: Session): void {
    const driving = isDriving(seatOf(session), this.#steeringOf(session.facts.desktopId, session.facts.kind));
    if (driving === session.isDriving) return;
    session.isDriving = driving;
    session.conduit?.drivingChanged();
  }

  /** INVARIANT TICKETED, second half: taking a right away ends its live sessions within a second. */
  #onRevocation(revocation: Revocation): void {
    switch (revocation.kind) {
      case 'user':
        return this.#revoke(({ facts }) => facts.userId === revocation.userId);
      case 'browser-session':
        return this.#revoke(
          ({ via }) => via.kind === 'browser' && via.browserSessionId === revocation.browserSessionId,
        );
      case 'token':
        return this.#revoke(({ via }) => via.kind === 'token' && via.tokenId === revocation.tokenId);
      case 'desktop':
        return this.#revoke(({ facts }) => facts.desktopId === revocation.desktopId);
      case 'rights':
        void this.#askAgain(revocation.userId).catch((err: unknown) => {
          this.#deps.log.error({ err }, 'session.ask-again-failed');
          // Nobody can say that they still may.
          this.#revoke(({ facts }) => facts.userId === revocation.userId);
        });
    }
  }

  #revoke(isMeant: (session: Session) => boolean): void {
    for (const session of this.all()) if (isMeant(session)) this.end(session, 'revoked');
  }

  async #askAgain(userId: string): Promise<void> {
    for (const session of this.all()) {
      if (session.facts.userId !== userId) continue;
      const principal = await this.#deps.auth.again(bareOf(session));
      if (!this.#mayBe(session, principal)) this.end(session, 'revoked');
    }
  }

  #audit(session: Session, action: string, detail: Readonly<Record<string, unknown>>): void {
    const { userId, userName, desktopId } = session.facts;
    const actor = { id: userId, name: userName, via: 'ticket' };
    const entry = {
      actor,
      action,
      target: desktopId,
      outcome: 'ok',
      address: session.address,
      detail: { sessionId: session.id, ...detail },
    } as const;
    this.#deps.audit.write(entry);
  }

  /** Every socket is told that the gateway goes; VMs run on (OUTLIVE). */
  async close(): Promise<void> {
    this.#unsubscribe();
    for (const session of this.all()) this.end(session, 'gateway-stopped');
    await Promise.all([this.#deps.store.flush(), this.#deps.audit.flush()]);
  }
}

function seatOf({ facts }: Session): Seat {
  return {
    sessionId: facts.id,
    userId: facts.userId,
    mode: facts.mode,
    joinedId: facts.joinedId,
    isOperator: facts.isOperator,
  };
}

/** Just enough of a principal to ask who it is now: it holds no right. */
function bareOf({ facts, via }: Session): Principal {
  return {
    userId: facts.userId,
    name: facts.userName,
    roles: [],
    groupIds: [],
    via,
    everywhere: new Set(),
    onDesktop: new Map(),
  };
}

function notFound(id: string): GatewayError {
  return new GatewayError('NOT_FOUND', `there is no session ${id}`);
}
