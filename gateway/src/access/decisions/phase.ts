/** The life of a session as a state machine: what an event makes of it. What time alone brings is in deadlines.ts. PURE. */
import type { SessionEnd } from '../../../api/session.ts';

export type Phase =
  /** A ticket is out. `hasBeenLive`: it is a resumption that is awaited. */
  | { readonly state: 'waiting'; readonly until: number }
  | { readonly state: 'connecting'; readonly since: number }
  | { readonly state: 'live'; readonly since: number; readonly warned: 'idle' | 'too-long' | undefined }
  /** Its socket went; its user may come back. */
  | { readonly state: 'parked'; readonly until: number; readonly why: SessionEnd }
  | { readonly state: 'ended'; readonly at: number; readonly end: SessionEnd };

export type PhaseEvent =
  | { readonly kind: 'opened'; readonly at: number }
  | { readonly kind: 'ready'; readonly at: number }
  /** The socket went. `why` is what the session ends with if nobody comes back. */
  | { readonly kind: 'lost'; readonly at: number; readonly why: SessionEnd }
  | { readonly kind: 'warned'; readonly why: 'idle' | 'too-long' | undefined }
  | { readonly kind: 'end'; readonly at: number; readonly end: SessionEnd };

export interface PhaseLimits {
  readonly idleMs: number | null;
  readonly absoluteMs: number | null;
  readonly warnMs: number;
  readonly graceMs: number;
}

/** Undefined: the event means nothing in this state (it came late). */
export function next(phase: Phase, event: PhaseEvent, limits: PhaseLimits): Phase | undefined {
  if (phase.state === 'ended') return undefined; // Nothing comes after the end.
  switch (event.kind) {
    case 'opened':
      return { state: 'connecting', since: event.at };
    case 'ready':
      return phase.state === 'connecting' ? { state: 'live', since: event.at, warned: undefined } : undefined;
    case 'lost':
      if (phase.state !== 'live' && phase.state !== 'connecting') return undefined;
      return { state: 'parked', until: event.at + limits.graceMs, why: event.why };
    case 'warned':
      return phase.state === 'live' && phase.warned !== event.why ? { ...phase, warned: event.why } : undefined;
    case 'end':
      return { state: 'ended', at: event.at, end: event.end };
  }
}
