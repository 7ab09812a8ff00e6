import { expect, test } from 'vitest';
import type { Participant } from '../../../../api/session.ts';
import { NO_NEWS, type SessionNews, withEvent } from './session-news.ts';

const person = (id: string, state: Participant['state'] = 'live'): Participant => ({
  id,
  userId: `u-${id}`,
  userName: id,
  kind: 'display',
  mode: 'view',
  state,
  joinedId: null,
  isDriving: false,
});
const participants = (...items: Participant[]) => ({ type: 'session.participants', items }) as const;
const ME = { sessionId: 'me', userId: 'u-me' };
const arrivedIn = (news: SessionNews) => news.arrived.map(({ id }) => id);

test('whoever comes is told once, oneself never', () => {
  const one = withEvent(NO_NEWS, participants(person('me')), ME);
  expect(arrivedIn(one)).toEqual([]);
  const two = withEvent(one, participants(person('me'), person('olga')), ME);
  expect(arrivedIn(two)).toEqual(['olga']);
  const waved = { ...two, arrived: [] };
  expect(arrivedIn(withEvent(waved, participants(person('me'), person('olga')), ME))).toEqual([]);
});

test('oneself is no news either while one’s own session is still opening', () => {
  const elsewhere = { ...person('elsewhere'), userId: 'u-me' };
  const one = withEvent(NO_NEWS, participants(person('me', 'connecting'), elsewhere), ME);
  expect(arrivedIn(one)).toEqual([]);
  expect(arrivedIn(withEvent(NO_NEWS, participants(elsewhere, person('olga')), ME))).toEqual(['olga']);
});

test('a session that is not open yet is nobody; who leaves is told no more', () => {
  const waiting = withEvent(NO_NEWS, participants(person('me'), person('olga', 'waiting')), ME);
  expect(arrivedIn(waiting)).toEqual([]);
  const here = withEvent(waiting, participants(person('me'), person('olga')), ME);
  expect(arrivedIn(here)).toEqual(['olga']);
  expect(arrivedIn(withEvent(here, participants(person('me')), ME))).toEqual([]);
});

test('messages are bounded, newest last', () => {
  let news = NO_NEWS;
  for (let i = 0; i < 20; i++) {
    news = withEvent(news, { type: 'session.message', from: 'op', text: `${i}`, at: `${i}` }, ME);
  }
  expect(news.messages.map(({ text }) => text)).toEqual(['15', '16', '17', '18', '19']);
});

test('a warning goes when somebody types, everything when the session ends', () => {
  const warned = withEvent(NO_NEWS, { type: 'session.warning', why: 'idle', endsAt: '2026-01-01T00:00:00Z' }, ME);
  expect(warned.warning?.why).toBe('idle');
  expect(withEvent(warned, { type: 'session.warning-over' }, ME).warning).toBeUndefined();
  expect(withEvent(warned, { type: 'session.ended', end: 'idle' }, ME)).toEqual({ ...NO_NEWS, end: 'idle' });
});
