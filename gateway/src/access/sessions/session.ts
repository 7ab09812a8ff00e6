/**
 * One session: its facts, its phase, the connection it has now. What it decides is in phase.ts and deadlines.ts; who may is in
 * admission.ts.
 */

import type { Session as ApiSession, Participant, SessionEnd, SessionPolicy } from '../../../api/session.ts';
import type { SessionMode } from '../../../api/ticket.ts';
import type { Conduit } from '../../../relay/conduit.ts';
import type { Via } from '../../platform/rights/rights.ts';
import { iso } from '../../platform/store/time.ts';
import { type Clocks, type Due, due } from '../decisions/deadlines.ts';
import { next, type Phase, type PhaseEvent } from '../decisions/phase.ts';

export interface SessionFacts {
  readonly id: string;
  readonly desktopId: string;
  readonly desktopName: string;
  readonly kind: 'display' | 'serial';
  readonly userId: string;
  readonly userName: string;
  readonly mode: SessionMode;
  readonly joinedId: string | null;
  /** Here because the owner said yes, not by a right on the desktop. */
  readonly isByConsent: boolean;
  readonly createdAt: number;
  readonly policy: SessionPolicy;
}

/** What an earlier gateway left: a session whose user may come back to it. */
export interface LeftSession {
  readonly facts: SessionFacts;
  readonly via: Via;
  readonly liveAt: number;
  readonly address: string | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export class Session {
  readonly facts: SessionFacts;
  #phase: Phase;
  /** The sign-in that it was last opened or asked for with. */
  via: Via;
  address: string | null = null;
  /** What it has open now: a screen or a console has one channel. */
  channels: readonly Conduit[] = [];
  isDriving: boolean;
  liveAt: number | null = null;
  /** How many sockets it has had. */
  openings = 0;
  /** What others typed before it came may be shown to it: by a right of its person's own when the ticket was given. */
  canLookBack = false;
  /** A ticket for it may be out. */
  hasTicket = true;
  lastInputAt: number;
  /** When it is looked at next, at the latest. */
  alarm: { readonly at: number; readonly timer: NodeJS.Timeout } | undefined;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(facts: SessionFacts, via: Via, until: number) {
    this.facts = facts;
    this.via = via;
    this.#phase = { state: 'waiting', until };
    this.isDriving = facts.mode === 'control';
    this.lastInputAt = facts.createdAt;
  }

  /** Parked, as if its socket had just gone. */
  static takenUp(left: LeftSession, now: number): Session {
    const session = new Session(left.facts, left.via, now);
    session.#phase = { state: 'parked', until: now + left.facts.policy.graceMs, why: 'gateway-stopped' };
    session.liveAt = left.liveAt;
    session.address = left.address;
    session.lastInputAt = now;
    session.hasTicket = false;
    session.#bytesIn = left.bytesIn;
    session.#bytesOut = left.bytesOut;
    return session;
  }

  get id(): string {
    return this.facts.id;
  }
  get phase(): Phase {
    return this.#phase;
  }
  get isEnded(): boolean {
    return this.#phase.state === 'ended';
  }

  /** False: the event came late and changes nothing. */
  apply(event: PhaseEvent): boolean {
    const phase = next(this.#phase, event, this.facts.policy);
    if (phase === undefined) return false;
    this.#phase = phase;
    if (phase.state === 'live' && event.kind === 'ready') {
      this.liveAt ??= event.at;
      this.lastInputAt = event.at;
    }
    return true;
  }

  /** A ticket is out that may be used until then: the session waits for it at least so long. */
  waitUntil(until: number): void {
    if ((this.#phase.state === 'parked' || this.#phase.state === 'waiting') && this.#phase.until < until) {
      this.#phase = { ...this.#phase, until };
    }
  }

  due(): Due | undefined {
    const clocks: Clocks = { createdAt: this.facts.createdAt, lastInputAt: this.lastInputAt };
    return due(this.#phase, clocks, this.facts.policy);
  }

  /** Lets go of its channels; what they moved is added up. */
  dropChannels(): readonly Conduit[] {
    const { channels } = this;
    this.channels = [];
    for (const { bytesIn, bytesOut } of channels) {
      this.#bytesIn += bytesIn;
      this.#bytesOut += bytesOut;
    }
    return channels;
  }

  get end(): SessionEnd | null {
    return this.#phase.state === 'ended' ? this.#phase.end : null;
  }
  get endedAt(): number | null {
    return this.#phase.state === 'ended' ? this.#phase.at : null;
  }
  get keptUntil(): number | null {
    return this.#phase.state === 'parked' ? (this.due()?.at ?? null) : null;
  }
  get bytesIn(): number {
    return this.channels.reduce((sum, { bytesIn }) => sum + bytesIn, this.#bytesIn);
  }
  get bytesOut(): number {
    return this.channels.reduce((sum, { bytesOut }) => sum + bytesOut, this.#bytesOut);
  }

  toApi(): ApiSession {
    const { facts } = this;
    return {
      id: facts.id,
      desktopId: facts.desktopId,
      desktopName: facts.desktopName,
      kind: facts.kind,
      userId: facts.userId,
      userName: facts.userName,
      mode: facts.mode,
      state: this.#phase.state,
      joinedId: facts.joinedId,
      isDriving: this.isDriving,
      address: this.address,
      createdAt: iso(facts.createdAt),
      liveAt: this.liveAt === null ? null : iso(this.liveAt),
      keptUntil: this.keptUntil === null ? null : iso(this.keptUntil),
      endedAt: this.endedAt === null ? null : iso(this.endedAt),
      end: this.end,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      policy: facts.policy,
    };
  }

  toParticipant(): Participant {
    const { id, userId, userName, kind, mode, joinedId } = this.facts;
    return { id, userId, userName, kind, mode, joinedId, state: this.#phase.state, isDriving: this.isDriving };
  }
}
