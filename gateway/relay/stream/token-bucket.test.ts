import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('a burst is free, what comes after it waits for its tokens', () => {
  const bucket = new TokenBucket(1000, 500, 0);
  expect(bucket.take(500, 0)).toBe(0);
  expect(bucket.take(100, 0)).toBe(100);
  expect(bucket.take(100, 200)).toBe(0);
});
test('rest is not saved up beyond the burst', () => {
  const bucket = new TokenBucket(1000, 500, 0);
  expect(bucket.take(1500, 3_600_000)).toBe(1000);
});
test('over a long time it is the rate', () => {
  const bucket = new TokenBucket(1000, 500, 0);
  let now = 0;
  for (let i = 0; i < 100; i += 1) now += bucket.take(300, now);
  expect(now).toBeGreaterThanOrEqual(29_000);
  expect(now).toBeLessThanOrEqual(30_000);
});
test('a clock that goes back gains nothing and loses nothing', () => {
  const bucket = new TokenBucket(1000, 500, 1000);
  expect(bucket.take(500, 500)).toBe(0);
  expect(bucket.take(1, 500)).toBe(1);
});
