import { describe, expect, test } from 'vitest';
import { due, next, type Phase, type PhaseEvent } from './phase.ts';

const LIMITS = { idleMs: 1000, absoluteMs: 10_000, warnMs: 100, graceMs: 500 };
const waiting: Phase = { state: 'waiting', until: 30 };
const connecting: Phase = { state: 'connecting', since: 0 };
const live: Phase = { state: 'live', since: 0, warned: undefined };
const parked: Phase = { state: 'parked', until: 600, why: 'dropped' };
const ended: Phase = { state: 'ended', at: 9, end: 'owner' };

test.for<{ from: Phase; event: PhaseEvent; to: Phase | undefined }>([
  { from: waiting, event: { kind: 'opened', at: 5 }, to: { state: 'connecting', since: 5 } },
  { from: parked, event: { kind: 'opened', at: 5 }, to: { state: 'connecting', since: 5 } },
  { from: live, event: { kind: 'opened', at: 5 }, to: { state: 'connecting', since: 5 } },
  { from: connecting, event: { kind: 'ready', at: 6 }, to: { state: 'live', since: 6, warned: undefined } },
  { from: parked, event: { kind: 'ready', at: 6 }, to: undefined },
  { from: live, event: { kind: 'lost', at: 7, why: 'dropped' }, to: { state: 'parked', until: 507, why: 'dropped' } },
  {
    from: connecting,
    event: { kind: 'lost', at: 7, why: 'vm-away' },
    to: { state: 'parked', until: 507, why: 'vm-away' },
  },
  { from: parked, event: { kind: 'lost', at: 7, why: 'dropped' }, to: undefined },
  { from: live, event: { kind: 'warned', why: 'idle' }, to: { ...live, warned: 'idle' } },
  { from: { ...live, warned: 'idle' }, event: { kind: 'warned', why: undefined }, to: live },
  { from: live, event: { kind: 'end', at: 8, end: 'operator' }, to: { state: 'ended', at: 8, end: 'operator' } },
  ...(['opened', 'ready'] as const).map((kind) => ({ from: ended, event: { kind, at: 10 }, to: undefined })),
  { from: ended, event: { kind: 'end', at: 10, end: 'idle' }, to: undefined },
])('$from.state, $event.kind: $to.state', ({ from, event, to }) => {
  expect(next(from, event, LIMITS)).toEqual(to);
});

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
