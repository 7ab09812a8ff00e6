import { describe, expect, test } from 'vitest';
import { due } from './deadlines.ts';
import type { Phase } from './phase.ts';

const LIMITS = { idleMs: 1000, absoluteMs: 10_000, warnMs: 100, graceMs: 500 };
const waiting: Phase = { state: 'waiting', until: 30 };
const live: Phase = { state: 'live', since: 0, warned: undefined };
const parked: Phase = { state: 'parked', until: 600, why: 'dropped' };
const ended: Phase = { state: 'ended', at: 9, end: 'owner' };

describe('what time brings next', () => {
  const clocks = { createdAt: 0, lastInputAt: 200 };
  test.for([
    { it: 'an unused ticket', phase: waiting, due: { what: 'end', at: 30, end: 'never-opened' } },
    { it: 'the end of the grace', phase: parked, due: { what: 'end', at: 600, end: 'dropped' } },
    { it: 'a warning before the idle limit', phase: live, due: { what: 'warn', at: 1100, why: 'idle', endsAt: 1200 } },
    {
      it: 'the idle limit after the warning',
      phase: { ...live, warned: 'idle' as const },
      due: { what: 'end', at: 1200, end: 'idle' },
    },
    { it: 'nothing after the end', phase: ended, due: undefined },
  ])('$it', ({ phase, due: expected }) => expect(due(phase, clocks, LIMITS)).toEqual(expected));

  test('the absolute limit, whatever is typed', () => {
    const busy = { createdAt: 0, lastInputAt: 9999 };
    expect(due(live, busy, LIMITS)).toEqual({ what: 'warn', at: 9900, why: 'too-long', endsAt: 10_000 });
    expect(due(parked, busy, { ...LIMITS, absoluteMs: 550 })).toEqual({ what: 'end', at: 550, end: 'too-long' });
  });
  test('nothing where there are no limits', () => {
    expect(due(live, clocks, { ...LIMITS, idleMs: null, absoluteMs: null })).toBeUndefined();
  });
});
