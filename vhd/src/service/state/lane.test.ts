/** So many at a time, the others in the order in which they came, unless they give up. */
import { expect, test } from 'vitest';
import { Lane } from './lane.ts';

test('who waits longest goes next, and who is cancelled leaves the line', async () => {
  const lane = new Lane(1);
  const went: string[] = [];
  const signals = { b: new AbortController(), c: new AbortController(), d: new AbortController() };
  await lane.enter(new AbortController().signal);
  const waits = Object.entries(signals).map(([name, { signal }]) => lane.enter(signal).then(() => went.push(name)));
  const late = waits[1]?.catch((error: unknown) => went.push((error as { code: string }).code));
  signals.c.abort();
  await late;
  lane.leave();
  await waits[0];
  lane.leave();
  await waits[2];
  expect(went).toEqual(['CANCELLED', 'b', 'd']);
  lane.leave();
  expect(lane.isFull).toBe(false);
});

test('who is cancelled before it waits does not wait', async () => {
  const lane = new Lane(1);
  await lane.enter(new AbortController().signal);
  await expect(lane.enter(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
  lane.leave();
  expect(lane.isFull).toBe(false);
});
