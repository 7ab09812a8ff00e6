/** Whose session goes where there is no room: never that of somebody who asked for less. */
import { expect, test } from 'vitest';
import type { SessionState } from '../../../api/session.ts';
import { type Occupant, type Room, roomFor } from './room.ts';

const CAPS = { perUser: 8, perDesktop: 6, perAddress: 9, inAll: 20 };
const of = (userId: string, ...states: SessionState[]): Occupant[] =>
  states.map((state, i) => ({ id: `${userId}${i}`, userId, state }));
const many = (userId: string, count: number, state: SessionState): Occupant[] =>
  of(userId, ...Array.from({ length: count }, () => state));
const free: Room = { kind: 'free' };
const insteadOf = (id: string): Room => ({ kind: 'instead-of', id });
const full: unknown = expect.objectContaining({ kind: 'full' });

// Seen to fail with caps that refuse whoever comes last, as they were: sixteen unused tickets of one viewer kept the owner
// and the admin out.
test.for<{ it: string; there: Occupant[]; elsewhere?: Occupant[]; inAll?: number; is: unknown }>([
  { it: 'an empty desktop', there: [], is: free },
  { it: 'tickets of my own that I do not use', there: many('me', 4, 'waiting'), is: insteadOf('me0') },
  { it: 'four of mine in use', there: many('me', 4, 'live'), is: free },
  { it: 'a viewer with as many tickets as there is room', there: many('eve', 6, 'waiting'), is: insteadOf('eve0') },
  { it: 'a viewer who looks with six windows', there: many('eve', 6, 'live'), is: insteadOf('eve0') },
  {
    it: 'one who looks, and left some',
    there: of('eve', 'live', 'live', 'live', 'live', 'parked', 'waiting'),
    is: insteadOf('eve5'),
  },
  {
    it: 'six people with one each',
    there: ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((name) => of(name, 'live')),
    is: full,
  },
  { it: 'two with three each', there: [...many('a', 3, 'live'), ...many('b', 3, 'live')], is: insteadOf('a0') },
  {
    it: 'others with two each while I have one',
    there: [...of('me', 'live'), ...['a', 'b'].flatMap((name) => many(name, 2, 'live')), ...of('c', 'live')],
    is: full,
  },
  { it: 'as many as I may have', there: [], elsewhere: many('me', 8, 'live'), is: full },
  {
    it: 'the same, one of them unused',
    there: [],
    elsewhere: [...many('me', 7, 'live'), { id: 'unused', userId: 'me', state: 'waiting' }],
    is: insteadOf('unused'),
  },
  { it: 'a gateway that is full', there: [], inAll: 20, is: full },
])('$it', ({ there, elsewhere = [], inAll = 0, is }) => {
  const ofUser = [...elsewhere, ...there.filter(({ userId }) => userId === 'me')];
  expect(roomFor('me', { ofUser, onDesktop: there, inAll }, CAPS)).toEqual(is);
});
