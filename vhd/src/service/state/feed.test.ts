/** Who follows a feed hears of every thing that changed, in its newest state, however slowly it reads. */
import { expect, test } from 'vitest';
import { Feed } from './feed.ts';

interface Thing {
  readonly id: string;
  readonly size: number;
}

function things() {
  const all = new Map<string, Thing>();
  const feed = new Feed<Thing>({ all: () => [...all.values()], get: (id) => all.get(id) });
  const put = (id: string, size: number): void => {
    all.set(id, { id, size });
    feed.changed(id);
  };
  const remove = (id: string): void => {
    all.delete(id);
    feed.changed(id);
  };
  return { feed, put, remove };
}

test('first all there is, then the newest state of what changed, once', async () => {
  const { feed, put, remove } = things();
  put('a', 1);
  put('b', 1);
  const events = feed.follow();
  expect((await events.next()).value).toEqual({
    kind: 'all',
    all: [
      { id: 'a', size: 1 },
      { id: 'b', size: 1 },
    ],
  });
  for (let size = 2; size <= 1000; size++) put('a', size);
  remove('b');
  expect((await events.next()).value).toEqual({ kind: 'changed', item: { id: 'a', size: 1000 } });
  expect((await events.next()).value).toEqual({ kind: 'removed', id: 'b' });
  const later = events.next();
  put('c', 1);
  expect((await later).value).toEqual({ kind: 'changed', item: { id: 'c', size: 1 } });
});

test('what changes while the list is made is told after it', async () => {
  let made: (list: readonly Thing[]) => void = () => undefined;
  const feed = new Feed<Thing>({
    all: () => new Promise((resolve) => (made = resolve)),
    get: (id) => ({ id, size: 2 }),
  });
  const events = feed.follow();
  const first = events.next();
  feed.changed('a');
  made([{ id: 'a', size: 1 }]);
  expect((await first).value).toEqual({ kind: 'all', all: [{ id: 'a', size: 1 }] });
  expect((await events.next()).value).toEqual({ kind: 'changed', item: { id: 'a', size: 2 } });
});

test('a stream ends with its signal, and all of them when the feed does', async () => {
  const { feed, put } = things();
  const left = new AbortController();
  const leaving = feed.follow(left.signal);
  const staying = feed.follow();
  await leaving.next();
  await staying.next();
  const end = leaving.next();
  left.abort();
  expect(await end).toEqual({ done: true, value: undefined });
  put('a', 1);
  expect((await staying.next()).value).toMatchObject({ kind: 'changed' });
  const last = staying.next();
  feed.close();
  expect(await last).toEqual({ done: true, value: undefined });
});

test('followers have a number', async () => {
  const { feed } = things();
  const streams = Array.from({ length: 256 }, () => feed.follow());
  for (const stream of streams) await stream.next();
  await expect(feed.follow().next()).rejects.toMatchObject({ code: 'TOO_LARGE' });
  await streams[0]?.return(undefined);
  expect((await feed.follow().next()).value).toMatchObject({ kind: 'all' });
});
