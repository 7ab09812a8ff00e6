/** Who steers a desktop that several people look at. Pure. */
import type { SessionMode } from '../../../api/ticket.ts';

export interface Seat {
  readonly sessionId: string;
  readonly userId: string;
  readonly mode: SessionMode;
  /** The session that this one joined. */
  readonly joinedId: string | null;
  /** May take control over the owner: holds the right `watch`. */
  readonly isOperator: boolean;
}

/** `shared`: everybody in mode `control`. `one`: only that session. */
export type Steering = { readonly kind: 'shared' } | { readonly kind: 'one'; readonly sessionId: string };

export type ControlAction =
  | { readonly action: 'take' }
  | { readonly action: 'give'; readonly toSessionId: string }
  | { readonly action: 'share' };

export function isDriving(seat: Seat, steering: Steering): boolean {
  if (seat.mode !== 'control') return false;
  return steering.kind === 'shared' || steering.sessionId === seat.sessionId;
}

/** Undefined: refused. */
export function steer(seats: readonly Seat[], by: Seat, now: Steering, asked: ControlAction): Steering | undefined {
  // Owners (who came on their own) and operators decide; a guest decides only over what it was given.
  const decides = by.joinedId === null || by.isOperator;
  const holds = now.kind === 'one' && now.sessionId === by.sessionId;
  switch (asked.action) {
    case 'take':
      if (by.mode !== 'control' || !decides) return undefined;
      return { kind: 'one', sessionId: by.sessionId };
    case 'give': {
      const to = seats.find((seat) => seat.sessionId === asked.toSessionId);
      if (to === undefined || to.mode !== 'control' || (!decides && !holds)) return undefined;
      return { kind: 'one', sessionId: to.sessionId };
    }
    case 'share':
      return decides || holds ? { kind: 'shared' } : undefined;
  }
}

/** When somebody has gone: control that nobody has is everybody's. */
export function afterLeaving(seats: readonly Seat[], now: Steering): Steering {
  if (now.kind === 'shared') return now;
  return seats.some((seat) => seat.sessionId === now.sessionId) ? now : { kind: 'shared' };
}
