import { expect, test } from 'vitest';
import type { Role } from '../../../api/rights.ts';
import { type Access, route } from '../../../api/route.ts';
import { makePrincipal } from '../../platform/rights/rights.ts';
import { Rates } from './rates.ts';

const person = (id: string, role: Role = 'user') =>
  makePrincipal({ id, name: id, roles: [role], groupIds: [] }, [], { kind: 'local' });
const hasty = route({
  id: 'test.hasty',
  method: 'post',
  path: '/hasty/{id}',
  summary: 'Something that one may do twice a second',
  access: 'signed-in',
  rate: { times: 2, perMs: 1000 },
});

// Seen to fail with one count for everybody.
test('who is too quick waits, and nobody else does; another thing, or another second, is another count', () => {
  let now = 0;
  const rates = new Rates(() => now);
  const does = (userId: string, id: string) => () => rates.require(hasty, person(userId), { id });
  does('ann', 'a')();
  does('ann', 'a')();
  expect(does('ann', 'a')).toThrow(expect.objectContaining({ code: 'TOO_MANY', retryAfterSeconds: 1 }));
  expect(does('bob', 'a')).not.toThrow();
  expect(does('ann', 'b')).not.toThrow();
  now = 1000;
  expect(does('ann', 'a')).not.toThrow();
});

// Seen to fail without `LINES`: one account wrote seven hundred lines a second by making and taking back tokens.
test.for<{ it: string; access: Access; method: 'get' | 'post'; role: Role; isHeldUp: boolean }>([
  { it: 'with their own account', access: 'signed-in', method: 'post', role: 'user', isHeldUp: true },
  { it: 'with their own account, as an admin', access: 'signed-in', method: 'post', role: 'admin', isHeldUp: true },
  {
    it: 'with a desktop that is theirs',
    access: { right: 'manage', on: 'desktop', by: 'id' },
    method: 'post',
    role: 'user',
    isHeldUp: true,
  },
  {
    it: 'with any desktop, by role',
    access: { right: 'manage', on: 'desktop', by: 'id' },
    method: 'post',
    role: 'admin',
    isHeldUp: false,
  },
  { it: 'by looking', access: 'signed-in', method: 'get', role: 'user', isHeldUp: false },
])('S55: how many lines of the audit log one person leaves in a minute $it', ({ access, method, role, isHeldUp }) => {
  let now = 0;
  const rates = new Rates(() => now);
  const verb = route({ id: 'test.verb', method, path: '/verb/{id}', summary: 'A verb', access });
  const times = (): number => {
    for (let n = 0; n < 5_000; n += 1) {
      try {
        rates.require(verb, person('eve', role), { id: String(n) });
      } catch {
        return n;
      }
    }
    return 5_000;
  };
  expect(times()).toBe(isHeldUp ? 300 : 5_000);
  if (!isHeldUp) return;
  expect(() => rates.require(verb, person('ann', role), { id: 'a' })).not.toThrow();
  const hour: number[] = [];
  for (let minute = 1; minute < 60; minute += 1) {
    now = minute * 60_000;
    hour.push(times());
  }
  expect(300 + hour.reduce((sum, n) => sum + n, 0)).toBe(2_000);
});
