import { expect, test } from 'vitest';
import { afterLeaving, isDriving, type Seat, type Steering, steer } from './control.ts';

const seat = (sessionId: string, more: Partial<Seat> = {}): Seat => ({
  sessionId,
  userId: sessionId,
  mode: 'control',
  joinedId: null,
  isOperator: false,
  ...more,
});
const owner = seat('owner');
const guest = seat('guest', { joinedId: 'owner' });
const viewer = seat('viewer', { joinedId: 'owner', mode: 'view' });
const operator = seat('operator', { joinedId: 'owner', isOperator: true });
const seats = [owner, guest, viewer, operator];
const shared: Steering = { kind: 'shared' };
const one = (sessionId: string): Steering => ({ kind: 'one', sessionId });

test.for([
  { it: 'the owner takes', by: owner, now: one('guest'), asked: { action: 'take' }, to: one('owner') },
  { it: 'an operator takes', by: operator, now: shared, asked: { action: 'take' }, to: one('operator') },
  { it: 'a guest may not take', by: guest, now: shared, asked: { action: 'take' }, to: undefined },
  { it: 'a viewer may not take', by: viewer, now: shared, asked: { action: 'take' }, to: undefined },
  {
    it: 'the owner gives to a guest',
    by: owner,
    now: shared,
    asked: { action: 'give', toSessionId: 'guest' },
    to: one('guest'),
  },
  {
    it: 'nobody gives to a viewer',
    by: owner,
    now: shared,
    asked: { action: 'give', toSessionId: 'viewer' },
    to: undefined,
  },
  {
    it: 'nobody gives to somebody who is not there',
    by: owner,
    now: shared,
    asked: { action: 'give', toSessionId: 'gone' },
    to: undefined,
  },
  {
    it: 'a guest gives back what it holds',
    by: guest,
    now: one('guest'),
    asked: { action: 'give', toSessionId: 'owner' },
    to: one('owner'),
  },
  {
    it: 'a guest does not give what it does not hold',
    by: guest,
    now: one('owner'),
    asked: { action: 'give', toSessionId: 'guest' },
    to: undefined,
  },
  { it: 'the owner shares', by: owner, now: one('guest'), asked: { action: 'share' }, to: shared },
  { it: 'a guest that holds it shares', by: guest, now: one('guest'), asked: { action: 'share' }, to: shared },
  {
    it: 'a guest that does not hold it does not',
    by: guest,
    now: one('owner'),
    asked: { action: 'share' },
    to: undefined,
  },
] as const)('$it', ({ by, now, asked, to }) => expect(steer(seats, by, now, asked)).toEqual(to));

test('who drives', () => {
  expect(seats.filter((each) => isDriving(each, shared)).map(({ sessionId }) => sessionId)).toEqual([
    'owner',
    'guest',
    'operator',
  ]);
  expect(seats.filter((each) => isDriving(each, one('guest'))).map(({ sessionId }) => sessionId)).toEqual(['guest']);
  expect(isDriving(viewer, one('viewer'))).toBe(false);
});
test('control that nobody has any more is shared', () => {
  expect(afterLeaving([owner], one('guest'))).toEqual(shared);
  expect(afterLeaving(seats, one('guest'))).toEqual(one('guest'));
});
