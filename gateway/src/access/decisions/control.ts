/**
 * Who steers a desktop that several people look at. Pure. Every verb asks what the caller may do at that moment: rights
 * come in with each call and are never kept.
 */
import type { SessionMode } from '../../../api/ticket.ts';

export interface Seat {
  readonly sessionId: string;
  readonly mode: SessionMode;
  /** The session that this one joined. */
  readonly joinedId: string | null;
  /** Let in by the owner of that session: it steers where it is told to, and only beside the owner. */
  readonly isByConsent: boolean;
  /** Of one that came by consent: the session that it joined is live. */
  readonly isHostLive: boolean;
}

/** Somebody who wants to decide, with the rights of their own on the desktop as they are now. */
export interface Caller {
  readonly seat: Seat;
  readonly canOpen: boolean;
  readonly canWatch: boolean;
}

/** `shared`: everybody in mode `control`. `one`: only that session. */
export type Steering = { readonly kind: 'shared' } | { readonly kind: 'one'; readonly sessionId: string };

export type ControlAction =
  | { readonly action: 'take' }
  | { readonly action: 'give'; readonly toSessionId: string }
  | { readonly action: 'share' };

export function isDriving(seat: Seat, steering: Steering): boolean {
  if (seat.mode !== 'control' || (seat.isByConsent && !seat.isHostLive)) return false;
  return steering.kind === 'shared' || steering.sessionId === seat.sessionId;
}

/**
 * May the caller decide who steers, and let others in? What only views decides nothing, what came by consent hands
 * nothing on, and who joined somebody else by right has to have that right still.
 */
export function decides({ seat, canOpen, canWatch }: Caller): boolean {
  if (seat.mode !== 'control' || seat.isByConsent || !canOpen) return false;
  return seat.joinedId === null || canWatch;
}

/** Undefined: refused. */
export function steer(seats: readonly Seat[], by: Caller, now: Steering, asked: ControlAction): Steering | undefined {
  const { seat } = by;
  switch (asked.action) {
    case 'take':
      return decides(by) ? { kind: 'one', sessionId: seat.sessionId } : undefined;
    case 'give': {
      const to = seats.find((each) => each.sessionId === asked.toSessionId);
      const holds = now.kind === 'one' && now.sessionId === seat.sessionId;
      // Who was let in gives back to who let them in, and to nobody else.
      const givesBack = holds && seat.isByConsent && seat.joinedId === asked.toSessionId;
      if (to?.mode !== 'control' || !(decides(by) || givesBack)) return undefined;
      return { kind: 'one', sessionId: to.sessionId };
    }
    case 'share':
      return decides(by) ? { kind: 'shared' } : undefined;
  }
}

/** When somebody has gone: control that nobody has is everybody's. */
export function afterLeaving(seats: readonly Seat[], now: Steering): Steering {
  if (now.kind === 'shared') return now;
  return seats.some((seat) => seat.sessionId === now.sessionId) ? now : { kind: 'shared' };
}
