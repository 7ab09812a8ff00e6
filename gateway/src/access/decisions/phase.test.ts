import { expect, test } from 'vitest';
import { next, type Phase, type PhaseEvent } from './phase.ts';

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
