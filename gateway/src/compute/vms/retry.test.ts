import { expect, test } from 'vitest';
import { afterDeath, afterFailure, delayAfter, RETRY, type Retry } from './retry.ts';

test.for([
  { failures: 1, ms: 1_000 },
  { failures: 2, ms: 2_000 },
  { failures: 5, ms: 16_000 },
  { failures: 9, ms: 256_000 },
  { failures: 10, ms: 300_000 },
  { failures: 5_000, ms: 300_000 },
])('after $failures failures it waits $ms ms', ({ failures, ms }) => expect(delayAfter(failures)).toBe(ms));

test('each failure waits longer than the one before', () => {
  let retry: Retry | undefined;
  const waits: number[] = [];
  for (let at = 0; at < 4; at++) {
    retry = afterFailure(retry, 'VM_START_FAILED', 'no memory', 0);
    waits.push(retry.notBefore);
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
  expect(retry?.isFinal).toBe(false);
});

test('what cannot work is not tried again', () => {
  expect(afterFailure(undefined, 'SPEC_UNSUPPORTED', 'no tpm', 0).isFinal).toBe(true);
});

test('one that ran for a while is started at once, one that keeps dying is slowed down', () => {
  const slowed = afterDeath(afterFailure(undefined, 'VM_DIED', 'x', 0), 5, 'x', 0);
  expect(slowed.notBefore).toBe(2_000);
  expect(afterDeath(slowed, RETRY.provenMs, 'x', 7)).toMatchObject({ failures: 0, notBefore: 7 });
});
