import { expect, test } from 'vitest';
import { route } from '../../../api/route.ts';
import { Rates } from './rates.ts';

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
  const does = (userId: string, id: string) => () => rates.require(hasty, userId, { id });
  does('ann', 'a')();
  does('ann', 'a')();
  expect(does('ann', 'a')).toThrow(expect.objectContaining({ code: 'TOO_MANY', retryAfterSeconds: 1 }));
  expect(does('bob', 'a')).not.toThrow();
  expect(does('ann', 'b')).not.toThrow();
  now = 1000;
  expect(does('ann', 'a')).not.toThrow();
});
