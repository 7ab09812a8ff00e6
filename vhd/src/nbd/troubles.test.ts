import { expect, test } from 'vitest';
import { Troubles } from './troubles.ts';

test('ten a minute are told, the rest is counted and told with the next', () => {
  const told: string[] = [];
  let now = 0;
  const troubles = new Troubles(
    (reason) => told.push(reason),
    () => now,
  );
  for (let i = 0; i < 1000; i++) troubles.add(`bad ${i}`);
  expect(told).toEqual(Array.from({ length: 10 }, (_, i) => `bad ${i}`));
  now = 59_999;
  troubles.add('still too many');
  expect(told).toHaveLength(10);
  now = 60_000;
  troubles.add('one');
  troubles.add('two');
  expect(told.slice(10)).toEqual(['one (991 more before it were not told)', 'two']);
});
