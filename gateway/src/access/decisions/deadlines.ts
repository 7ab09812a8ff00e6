/**
 * The deadlines of a session: when it is warned and closed because it is idle or too old, or because nobody opened it or came
 * back. Timers that ask here are set in sessions.ts. PURE.
 */
import type { SessionEnd } from '../../../api/session.ts';
import type { Phase, PhaseLimits } from './phase.ts';

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

export interface Clocks {
  readonly createdAt: number;
  readonly lastInputAt: number;
}

export type Due =
  | { readonly what: 'end'; readonly at: number; readonly end: SessionEnd }
  | { readonly what: 'warn'; readonly at: number; readonly why: 'idle' | 'too-long'; readonly endsAt: number };
