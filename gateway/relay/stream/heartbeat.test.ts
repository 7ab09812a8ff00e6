/** Pings for as long as a socket lives, over real sockets; what follows from silence as a table. */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { ChannelClose } from './channel.ts';
import { encodeFrame, OPCODE } from './frame.ts';
import { due, HEARTBEAT, Heartbeat } from './heartbeat.ts';
import { WsChannel } from './ws-channel.ts';

const pulse = { pingedAt: 0, unansweredSince: undefined, isResting: false };
test.for([
  { it: 'nothing is due at first', at: 19_999, pulse, is: 'nothing' },
  { it: 'a ping is, whatever else passes', at: 20_000, pulse, is: 'ping' },
  { it: 'and one again', at: 40_000, pulse: { ...pulse, pingedAt: 20_000 }, is: 'ping' },
  {
    it: 'an unanswered one has time',
    at: 49_999,
    pulse: { ...pulse, pingedAt: 40_000, unansweredSince: 20_000 },
    is: 'nothing',
  },
  {
    it: 'then the peer is gone',
    at: 50_000,
    pulse: { ...pulse, pingedAt: 40_000, unansweredSince: 20_000 },
    is: 'gone',
  },
  {
    it: 'whom we do not read may be silent',
    at: 60_000,
    pulse: { pingedAt: 40_000, unansweredSince: 20_000, isResting: true },
    is: 'ping',
  },
])('$it', ({ at, pulse: now, is }) => expect(due(at, now, HEARTBEAT)).toBe(is));

test('a mute peer is let go within a minute', () => {
  expect(HEARTBEAT.pingEveryMs + HEARTBEAT.patienceMs + 2 * HEARTBEAT.lookEveryMs).toBeLessThanOrEqual(60_000);
});

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

/** A channel that looks often, and the bare socket of its peer. */
async function pair(): Promise<{ channel: WsChannel; peer: Socket; closed: Promise<ChannelClose> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const peer = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  undo.push(() => (peer.destroy(), socket.destroy(), server.close()));
  let onClosed: (how: ChannelClose) => void = () => {};
  const closed = new Promise<ChannelClose>((resolve) => (onClosed = resolve));
  const often = new Heartbeat({ pingEveryMs: 20, patienceMs: 60, lookEveryMs: 5 });
  const channel = new WsChannel(socket, Buffer.alloc(0), { onBytes: () => {}, onDrained: () => {}, onClosed }, often);
  return { channel, peer, closed };
}
const PING = encodeFrame(OPCODE.ping, Buffer.alloc(0));
/** A masked pong without payload. */
const PONG = Buffer.of(0x80 | OPCODE.pong, 0x80, 0, 0, 0, 0);

// Seen to fail with `socket.setTimeout(ms, ping)`, which listens once: the second ping never came.
test('pings come for as long as the socket lives and is answered', async () => {
  const { peer, closed } = await pair();
  let pings = 0;
  const many = new Promise<void>((resolve) => {
    peer.on('data', (bytes: Buffer) => {
      for (let at = bytes.indexOf(PING); at !== -1; at = bytes.indexOf(PING, at + PING.byteLength)) {
        peer.write(PONG);
        pings += 1;
        if (pings === 8) resolve();
      }
    });
  });
  expect(await Promise.race([many, closed])).toBeUndefined();
});

// Seen to fail with the timeout of the socket, which starts again with everything that is sent.
test('who answers nothing is dropped, also while a screen is sent that blinks', async () => {
  const { channel, peer, closed } = await pair();
  peer.resume();
  const blinking = setInterval(() => channel.send(Buffer.alloc(20), 10, 20, () => {}), 5);
  undo.push(() => clearInterval(blinking));
  expect(await closed).toMatchObject({ by: 'dropped' });
});
