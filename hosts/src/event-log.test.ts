import { expect, test } from 'vitest';
import { EVENT_LOG_LIMITS, EventLog } from './event-log.ts';
import { vmId } from './ids.ts';

const gone = { kind: 'removed', vm: vmId('a') } as const;

test('a watcher that is slower than the ring starts over with a resync, and nothing was queued for it', async () => {
  const log = new EventLog();
  const watcher = log.watch(() => [], undefined);
  expect((await watcher.next()).value).toMatchObject({ kind: 'resync' });
  for (let at = 0; at <= EVENT_LOG_LIMITS.events + 1; at++) log.emit(gone);
  expect((await watcher.next()).value).toMatchObject({ kind: 'resync' });
  const next = watcher.next();
  log.emit(gone);
  expect((await next).value).toMatchObject({ kind: 'removed' });
  await watcher.return();
  expect(log.watchers).toBe(0);
});

test('cursors of a later log are above those of an earlier one', () => {
  let now = 1_000_000;
  const first = new EventLog(() => now).emit(gone);
  now += 1;
  const later = new EventLog(() => now).emit(gone);
  expect(first.cursor).toBeLessThan(later.cursor);
});

test('closing or aborting ends a watch that waits', async () => {
  const log = new EventLog();
  const abort = new AbortController();
  const watcher = log.watch(() => [], undefined, { signal: abort.signal });
  await watcher.next();
  const waiting = watcher.next();
  abort.abort();
  expect((await waiting).done).toBe(true);
  const other = log.watch(() => [], undefined);
  await other.next();
  const closed = other.next();
  log.close();
  expect((await closed).done).toBe(true);
});
