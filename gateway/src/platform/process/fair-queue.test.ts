import { expect, test } from 'vitest';
import { FairQueue } from './fair-queue.ts';

/** Work that goes on until it is let go; `begun` has whose it is, in the order in which it began. */
function start(limits = { atOnce: 2, atOnceEach: 1, waiting: 4 }) {
  const queue = new FairQueue(limits, 'too much at once');
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const outcomes: Promise<string>[] = [];
  const ask = (who: string): void => {
    const work = (): Promise<void> => {
      begun.push(who);
      return new Promise((resolve) => ends.push(resolve));
    };
    const outcome = queue.run(who, work).then(
      () => 'done',
      (error: { code: string }) => error.code,
    );
    outcomes.push(outcome);
  };
  const settle = async (): Promise<void> => {
    while (ends.length !== 0) {
      ends.shift()?.();
      await new Promise((resume) => setImmediate(resume));
    }
  };
  return { ask, begun, settle, outcomes };
}

// Seen to fail with one line for all: Ann waited for all of Eve's.
test('who asks for much waits for themselves, and nobody else does', async () => {
  const { ask, begun, settle, outcomes } = start();
  for (const who of ['eve', 'eve', 'eve', 'ann', 'bob', 'ann']) ask(who);
  expect(begun).toEqual(['eve', 'ann']);
  await settle();
  // The line is Eve, Bob, Ann; it moves when the first of those at work is done.
  expect(begun).toEqual(['eve', 'ann', 'eve', 'bob', 'ann', 'eve']);
  expect(await Promise.all(outcomes)).toEqual(Array(6).fill('done'));
});

// Seen to fail with the newcomer refused, whoever it is.
test('where too much waits, who has most waiting is refused', async () => {
  const { ask, begun, settle, outcomes } = start();
  for (const who of ['eve', 'eve', 'eve', 'eve', 'eve', 'eve', 'ann', 'bob']) ask(who);
  await settle();
  expect(begun).toContain('ann');
  expect(begun).toContain('bob');
  const of = (await Promise.all(outcomes)).map((outcome) => outcome === 'TOO_MANY');
  expect(of).toEqual([false, false, false, false, true, true, false, false]);
});

test('what fails leaves its place to the next', async () => {
  const queue = new FairQueue({ atOnce: 1, atOnceEach: 1, waiting: 4 }, 'too much at once');
  const broken = queue.run('eve', async () => {
    throw new Error('broken');
  });
  const next = queue.run('eve', async () => 'fine');
  await expect(broken).rejects.toThrow('broken');
  expect(await next).toBe('fine');
});
