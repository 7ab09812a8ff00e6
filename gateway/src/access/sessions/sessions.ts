/**
 * The life of sessions: a socket comes with a ticket, goes live, is lost, comes back, ends. Who gets a ticket is in
 * admission.ts, who steers in steerings.ts, whose right is taken away in revoking.ts; what time brings is decided in deadlines.ts.
 */
import type { SessionEnd } from '../../../api/session.ts';
import { SESSION_CLOSE, type SessionCloseName } from '../../../api/ticket.ts';
import type { Conduit, ConduitEnd, ConduitEvents } from '../../../relay/conduit.ts';
import type { Logger } from '../../log.ts';
import type { Grant, TicketBox } from '../tickets/ticket-box.ts';
import type { Announcer } from './announcer.ts';
import type { AuditLines } from './audit-lines.ts';
import type { Roll } from './roll.ts';
import { Session } from './session.ts';
import type { SessionStore } from './session-store.ts';
import type { Steerings } from './steerings.ts';

export interface SessionsDeps {
  readonly roll: Roll;
  readonly tickets: TicketBox;
  readonly steerings: Steerings;
  readonly audit: AuditLines;
  readonly announcer: Announcer;
  readonly store: SessionStore;
  readonly log: Logger;
  readonly now: () => number;
}

/** The longest a timer of Node can wait. */
const MAX_TIMER_MS = 2_147_483_647;

/** How a socket is told what became of its session. */
const CLOSE_FOR: Readonly<Record<SessionEnd, SessionCloseName>> = {
  closed: 'NORMAL',
  dropped: 'NORMAL',
  revoked: 'REVOKED',
  'signed-out': 'SIGNED_OUT',
  idle: 'IDLE',
  'too-long': 'ENDED',
  operator: 'ENDED',
  owner: 'NORMAL',
  'vm-away': 'VM_AWAY',
  'vm-protocol': 'VM_PROTOCOL',
  'client-protocol': 'POLICY',
  'never-opened': 'TICKET',
  'gateway-stopped': 'GOING_AWAY',
  'consent-ended': 'ENDED',
  'made-room': 'LIMIT',
};

export class Sessions {
  readonly #deps: SessionsDeps;
  #isClosed = false;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
  }

  get tickets(): TicketBox {
    return this.#deps.tickets;
  }
  get(id: string): Session | undefined {
    return this.#deps.roll.get(id);
  }
  all(): Session[] {
    return this.#deps.roll.all();
  }
  hasRoomFor(address: string): boolean {
    return this.#deps.roll.hasRoomFor(address);
  }

  /** A ticket for it is out. */
  add(session: Session): void {
    this.#deps.roll.add(session);
    this.#deps.steerings.seat(session);
    this.#changed(session);
  }

  /** Another ticket for it is out, which may be used until then. */
  waitFor(session: Session, until: number): void {
    session.waitUntil(until);
    this.#arm(session);
  }

  /**
   * A ticket was shown and a socket is open: connects it. `connect` makes its channel; the session's earlier socket, if
   * it still has one, is told that it moved. Undefined: the session has ended meanwhile.
   */
  open(
    grant: Grant,
    address: string,
    connect: (session: Session, events: ConduitEvents) => Conduit,
  ): Session | undefined {
    const session = this.#deps.roll.get(grant.sessionId);
    if (session === undefined || session.isEnded) return undefined;
    const earlier = this.#disconnect(session);
    session.via = grant.via;
    session.address = address;
    this.#deps.roll.sockets.add(address, 1);
    session.hasTicket = false;
    session.apply({ kind: 'opened', at: this.#deps.now() });
    earlier?.(SESSION_CLOSE.MOVED, 'moved');
    this.#arm(session);
    session.openings += 1;
    const opening = session.openings;
    // What an earlier socket still says when the session has moved on means nothing.
    const whileCurrent = (then: () => void): void => {
      if (session.openings === opening && !session.isEnded) then();
    };
    const channel = connect(session, {
      onReady: () => whileCurrent(() => this.#ready(session)),
      onInput: () => whileCurrent(() => this.#input(session)),
      onClipboardRefused: (refusal) =>
        whileCurrent(() =>
          this.#deps.announcer.clipboardRefused(session, refusal, session.facts.policy.clipboardBytes),
        ),
      onEnd: (end) => whileCurrent(() => this.#channelEnded(session, end)),
    });
    session.channels = [channel];
    return session;
  }

  /** Ends a session for good. */
  end(session: Session, end: SessionEnd): void {
    if (!session.apply({ kind: 'end', at: this.#deps.now(), end })) return;
    clearTimeout(session.alarm?.timer);
    const close = this.#disconnect(session);
    const name = CLOSE_FOR[end];
    close?.(SESSION_CLOSE[name], name.toLowerCase().replaceAll('_', '-'));
    if (session.hasTicket) this.#deps.tickets.revoke(session.id);
    this.#deps.roll.remove(session);
    // What came by consent ends with it.
    for (const guest of this.#deps.roll.guestsOf(session))
      this.end(guest, end === 'gateway-stopped' ? end : 'consent-ended');
    this.#deps.steerings.left(session);
    this.#deps.announcer.ended(session, end);
    this.#changed(session);
    this.#audit(session, 'session.end', { end, bytesIn: session.bytesIn, bytesOut: session.bytesOut });
  }

  #ready(session: Session): void {
    const isFirst = session.liveAt === null;
    if (!session.apply({ kind: 'ready', at: this.#deps.now() })) return;
    this.#deps.steerings.seat(session);
    this.#changed(session);
    this.#tellCompany(session);
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

  #channelEnded(session: Session, end: ConduitEnd): void {
    if (end.by === 'us') return; // Whoever closed it has said what becomes of the session.
    const close = this.#disconnect(session);
    const lost = (why: SessionEnd): void => {
      if (!session.apply({ kind: 'lost', at: this.#deps.now(), why })) return;
      this.#deps.steerings.seat(session);
      this.#changed(session);
      this.#tellCompany(session);
    };
    switch (end.by) {
      case 'viewer':
        return lost(end.isGoodbye ? 'closed' : 'dropped');
      case 'too-slow':
        close?.(SESSION_CLOSE.TOO_SLOW, 'too-slow');
        return lost('dropped');
      case 'vm':
        this.#deps.log.info(
          { sessionId: session.id, desktopId: session.facts.desktopId, reason: end.reason },
          'session.vm-away',
        );
        close?.(SESSION_CLOSE.VM_AWAY, 'vm-away');
        return lost('vm-away');
      case 'vm-fault':
        this.#deps.log.warn(
          { sessionId: session.id, desktopId: session.facts.desktopId, reason: end.reason },
          'session.vm-protocol',
        );
        close?.(SESSION_CLOSE.VM_PROTOCOL, 'vm-protocol');
        return this.end(session, 'vm-protocol');
      case 'viewer-fault':
        this.#deps.log.warn(
          { sessionId: session.id, userId: session.facts.userId, reason: end.reason },
          'session.client-protocol',
        );
        close?.(SESSION_CLOSE.POLICY, 'policy');
        return this.end(session, 'client-protocol');
    }
  }

  /** Lets go of its channels; gives what tells them why, where it had any. */
  #disconnect(session: Session): ((code: number, reason: string) => void) | undefined {
    const channels = session.dropChannels();
    if (channels.length === 0) return undefined;
    if (session.address !== null) this.#deps.roll.sockets.add(session.address, -1);
    return (code, reason) => {
      for (const channel of channels) channel.close(code, reason);
    };
  }

  #changed(session: Session): void {
    if (session.liveAt !== null) this.#deps.store.save(session);
    this.#deps.announcer.changed(session);
    this.#arm(session);
  }

  #tellCompany({ facts: { desktopId, kind } }: Session): void {
    this.#deps.announcer.participants(this.#deps.roll.on(desktopId, kind));
  }

  /** One timer per session, at or before what time brings next: one that is early looks again, which is cheaper than a new one. */
  #arm(session: Session): void {
    if (this.#isClosed) return;
    const due = session.due();
    if (due === undefined || (session.alarm !== undefined && session.alarm.at <= due.at)) return;
    clearTimeout(session.alarm?.timer);
    const waitMs = Math.min(Math.max(0, due.at - this.#deps.now()), MAX_TIMER_MS);
    const timer = setTimeout(() => this.#onTime(session), waitMs).unref();
    session.alarm = { at: due.at, timer };
  }

  #onTime(session: Session): void {
    session.alarm = undefined;
    const due = session.due();
    if (due !== undefined && due.at <= this.#deps.now()) {
      if (due.what === 'end') return this.end(session, due.end);
      session.apply({ kind: 'warned', why: due.why });
      this.#deps.announcer.warning(session, due.why, due.endsAt);
    }
    this.#arm(session);
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

  /** What an earlier gateway left is waited for, as after a dropped connection. Once, at the start. */
  async takeUp(): Promise<void> {
    const now = this.#deps.now();
    const left = await this.#deps.store.takeLeftovers(now);
    for (const one of left.toSorted((a, b) => Number(a.facts.joinedId !== null) - Number(b.facts.joinedId !== null))) {
      const { joinedId } = one.facts;
      // Who joined somebody is not alone there now.
      if (joinedId !== null && this.#deps.roll.get(joinedId) === undefined) continue;
      this.add(Session.takenUp(one, now));
    }
  }

  /** Every socket is told that the gateway goes; who was in a session finds it again in the next. VMs run on (OUTLIVE). */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#deps.roll.all()) {
      clearTimeout(session.alarm?.timer);
      if (session.liveAt === null) {
        this.end(session, 'gateway-stopped');
        continue;
      }
      const close = this.#disconnect(session);
      session.apply({ kind: 'lost', at: this.#deps.now(), why: 'gateway-stopped' });
      this.#deps.store.save(session);
      close?.(SESSION_CLOSE.GOING_AWAY, 'going-away');
      this.#audit(session, 'session.park', { end: 'gateway-stopped' });
    }
    await Promise.all([this.#deps.store.flush(), this.#deps.audit.flush()]);
  }
}
