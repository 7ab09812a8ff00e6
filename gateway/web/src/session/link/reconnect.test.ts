import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RECONNECT, retryDelayMs } from './reconnect.ts';

test('the first attempt is immediate', () => {
  expect(retryDelayMs(0, 0.9)).toBe(0);
});

test.for([
  { attempt: 1, ms: 250 },
  { attempt: 2, ms: 500 },
  { attempt: 3, ms: 1000 },
  { attempt: 6, ms: 8000 },
  { attempt: 60, ms: 8000 },
])('attempt $attempt waits $ms ms without jitter', ({ attempt, ms }) => {
  expect(retryDelayMs(attempt, 0.5)).toBe(ms);
});

test('no attempt, however late, waits longer than the cap and its jitter', () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const ms = retryDelayMs(attempt, random);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(RECONNECT.capMs * (1 + RECONNECT.jitter));
    }),
  );
});
