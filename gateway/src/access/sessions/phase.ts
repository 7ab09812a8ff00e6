/** The life of a session as a state machine. Pure: facts and a time in, the next state and what is due out. */
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

export interface Clocks {
  readonly createdAt: number;
  readonly lastInputAt: number;
}

export type Due =
  | { readonly what: 'end'; readonly at: number; readonly end: SessionEnd }
  | { readonly what: 'warn'; readonly at: number; readonly why: 'idle' | 'too-long'; readonly endsAt: number };

/** What time will bring next, if nothing else happens. */
export function due(phase: Phase, clocks: Clocks, limits: PhaseLimits): Due | undefined {
  const candidates: Due[] = [];
  const ends = (at: number, end: SessionEnd): void => void candidates.push({ what: 'end', at, end });
  if (phase.state === 'ended') return undefined;
  if (phase.state === 'waiting') ends(phase.until, 'never-opened');
  if (phase.state === 'parked') ends(phase.until, phase.why);
  if (limits.absoluteMs !== null) ends(clocks.createdAt + limits.absoluteMs, 'too-long');
  if (phase.state === 'live' && limits.idleMs !== null) ends(clocks.lastInputAt + limits.idleMs, 'idle');
  const first = candidates.sort((a, b) => a.at - b.at)[0];
  if (phase.state !== 'live' || first?.what !== 'end' || phase.warned !== undefined) return first;
  const why = first.end === 'idle' ? 'idle' : 'too-long';
  return { what: 'warn', at: first.at - limits.warnMs, why, endsAt: first.at };
}
