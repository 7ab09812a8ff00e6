/** The link against a socket that the test opens and closes: no network, no waiting. */
import { expect, test } from 'vitest';
import { SESSION_CLOSE, type Ticket } from '../../../../api/ticket.ts';
import { Link, type LinkState } from './link.ts';

const ticket: Ticket = {
  ticket: 'x'.repeat(43),
  expiresAt: '2026-01-01T00:00:00Z',
  socketPath: '/ws/session',
  sessionId: 's1',
  kind: 'display',
  mode: 'control',
};

class Socket extends EventTarget {
  isClosed = false;
  close(): void {
    this.isClosed = true;
  }
  drop(code: number): void {
    this.dispatchEvent(Object.assign(new Event('close'), { code }));
  }
}

/** A link, its states, its sockets, and its timers as a list that the test runs. */
function setUp(refusals: readonly unknown[] = []) {
  const states: LinkState[] = [];
  const sockets: Socket[] = [];
  const waits: { task: () => void; ms: number }[] = [];
  const left = [...refusals];
  let ready: () => void = () => undefined;
  let detached = 0;
  let tickets = 0;
  const link = new Link({
    ticket: async () => {
      tickets += 1;
      if (0 < left.length) throw left.shift();
      return ticket;
    },
    afterRefusal: (error) =>
      error === 'forbidden' ? { kind: 'ended', why: 'no', canReopen: false } : { kind: 'retry', why: 'away' },
    openSocket: () => {
      const socket = new Socket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    attach: (_, becameReady) => {
      ready = becameReady;
    },
    detach: () => {
      detached += 1;
    },
    onState: (state) => states.push(state),
    random: () => 0.5,
    schedule: (task, ms) => {
      const wait = { task, ms };
      waits.push(wait);
      return () => {
        const at = waits.indexOf(wait);
        if (0 <= at) waits.splice(at, 1);
      };
    },
  });
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const runWait = async () => {
    waits.shift()?.task();
    await settle();
  };
  const kinds = () => states.map((state) => state.kind);
  return {
    link,
    states,
    sockets,
    waits,
    settle,
    runWait,
    kinds,
    ready: () => ready(),
    counts: () => ({ detached, tickets }),
  };
}

test('a dropped socket comes back by itself with a fresh ticket, the first time at once', async () => {
  const { link, sockets, waits, settle, runWait, kinds, ready, counts } = setUp();
  link.start();
  await settle();
  ready();
  sockets[0]?.drop(1006);
  expect(waits[0]?.ms).toBe(0);
  await runWait();
  ready();
  expect(kinds()).toEqual(['opening', 'connected', 'waiting', 'retrying', 'connected']);
  expect(counts()).toEqual({ detached: 1, tickets: 2 });
});

test('each failed attempt waits longer, and a success starts over', async () => {
  const { link, sockets, waits, settle, runWait, ready } = setUp(['down', 'down', 'down']);
  link.start();
  const delays: (number | undefined)[] = [];
  await settle();
  for (let i = 0; i < 3; i++) {
    delays.push(waits[0]?.ms);
    await runWait();
  }
  expect(delays).toEqual([0, 250, 500]);
  ready();
  sockets.at(-1)?.drop(1006);
  expect(waits[0]?.ms).toBe(0);
});

test('an ended session stays ended until the person asks', async () => {
  const { link, sockets, waits, states, settle, ready } = setUp();
  link.start();
  await settle();
  ready();
  sockets[0]?.drop(SESSION_CLOSE.ENDED);
  expect(states.at(-1)).toMatchObject({ kind: 'ended', canReopen: true });
  expect(waits).toEqual([]);
  link.start();
  await settle();
  expect(sockets).toHaveLength(2);
});

test('a refused ticket ends it where asking again is of no use', async () => {
  const { link, states, settle } = setUp(['forbidden']);
  link.start();
  await settle();
  expect(states.at(-1)).toEqual({ kind: 'ended', why: 'no', canReopen: false });
});

test('"try now" does not wait', async () => {
  const { link, waits, sockets, settle, runWait } = setUp(['down', 'down']);
  link.start();
  await settle();
  await runWait();
  expect(waits).toHaveLength(1);
  link.retryNow();
  await settle();
  expect(waits).toEqual([]);
  expect(sockets).toHaveLength(1);
});

test('a silent network is treated as a drop, once', async () => {
  const { link, sockets, states, settle, ready } = setUp();
  link.start();
  await settle();
  ready();
  link.suspect('The network does not answer.');
  expect(sockets[0]?.isClosed).toBe(true);
  sockets[0]?.drop(1006);
  expect(states.filter((state) => state.kind === 'waiting')).toHaveLength(1);
});

test('after stop nothing starts and nothing is said any more', async () => {
  const { link, sockets, states, waits, settle, ready } = setUp();
  link.start();
  await settle();
  ready();
  link.stop();
  const said = states.length;
  sockets[0]?.drop(1006);
  expect(sockets[0]?.isClosed).toBe(true);
  expect(states).toHaveLength(said);
  expect(waits).toEqual([]);
});

test('while there is nothing to connect to, attempts come seldom; when there is, at once', async () => {
  const { link, waits, settle, counts } = setUp(['away', 'away']);
  link.hold(true);
  link.start();
  await settle();
  expect(waits.map(({ ms }) => ms)).toEqual([60_000]);
  link.hold(false);
  await settle();
  expect(counts().tickets).toBe(2);
});

test('sockets that never open, although tickets come, are said to be held back', async () => {
  const { link, states, sockets, waits } = setUp();
  link.start();
  for (let i = 0; i < 4; i += 1) {
    await expect.poll(() => sockets.length).toBe(i + 1);
    sockets[i]?.drop(1006);
    waits.shift()?.task();
  }
  const whys = states.flatMap((state) => (state.kind === 'waiting' ? [state.why] : []));
  expect(whys.slice(0, 2)).toEqual(['The connection was lost.', 'The connection was lost.']);
  expect(whys.at(-1)).toContain('WebSockets do not come through');
});
