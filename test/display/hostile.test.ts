/** Hostile browsers and VMs on real sockets: memory stays bounded, others are unharmed, nothing is left behind. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { DisplayEndpoint } from '@oriel/hosts';
import { expect, test, vi } from 'vitest';
import { SESSION_CLOSE, ticketProtocol } from '../../gateway/api/ticket.ts';
import { DISPLAY_LIMITS } from '../../gateway/relay/rfb/rfb-session.ts';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import {
  atEnd,
  type DisplayGateway,
  fakeVm,
  rfbServerHandshake,
  say,
  startDisplayGateway,
  unixEndpoint,
  until,
} from './support.ts';

const MIB = 1 << 20;
const DEPTH = Number(process.env['ORIEL_TEST_DEPTH'] ?? '1');

/** A VM that offers raw updates without end, counted. */
async function fountain(): Promise<{ vm: string; sent: () => number }> {
  let sent = 0;
  const vm = await fakeVm((socket) => {
    rfbServerHandshake(socket, { width: 512, height: 512 }).then(
      async (reader) => {
        await reader.read(8 + 10);
        const head = Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 0, 0]);
        const update = Buffer.concat([head, Buffer.alloc(512 * 512 * 4, 0x5a)]);
        while (!socket.destroyed) {
          sent += update.byteLength;
          if (!socket.write(update)) await once(socket, 'drain').catch(() => {});
        }
      },
      () => {},
    );
  });
  return { vm, sent: () => sent };
}

/** An upgrade by hand, with the cookie of somebody: gives the socket behind the 101. */
async function rawUpgrade(
  gateway: DisplayGateway,
  headers: Readonly<Record<string, string>>,
  ticket: string,
): Promise<Socket> {
  const socket = connect(gateway.server.port, '127.0.0.1');
  atEnd(() => socket.destroy());
  socket.on('error', () => {});
  const lines = Object.entries({
    host: 'x',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': `binary, ${ticketProtocol(ticket)}`,
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET /ws/session HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 101 /);
  return socket;
}
/** A masked frame, its mask all zeros. */
const frame = (first: number, payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([first, 0x80 | payload.byteLength, 0, 0, 0, 0]), payload]);

// Seen to fail with the rest of the VM (relay.ts, `backlogBytes`) taken out.
test('S21: a browser that does not read holds back its own VM, in bounded memory', async () => {
  const { vm, sent } = await fountain();
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann);
  const browser = gateway.socket(ann, ticket);
  await browser.rfb();
  browser.socket.pause();
  await browser.send(Buffer.concat([say.encodings(0), say.update(512, 512)]));
  // Until nothing moves any more: the kernel's buffers are full, and ours.
  let before = -1;
  await until('the VM to be held back', async () => {
    const now = sent();
    const isStill = now === before && 0 < now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return isStill;
  });
  const passed = gateway.feature.sessions.get(sessionId)?.bytesOut ?? 0;
  expect(sent() - passed).toBeLessThan(2 * MIB); // What is on our side of the kernel's buffers, the VM's included.
  browser.socket.resume();
  await until('the flow', () => before + 8 * MIB < sent());
});

// Seen to fail with the rest of the viewer (relay.ts, `writeBacklogBytes`) taken out.
test('S21: the VM sets the pace of a browser that sends without end', async () => {
  const vm = await fakeVm((socket) => {
    rfbServerHandshake(socket).then(
      () => socket.pause(),
      () => {},
    ); // And reads no more.
  });
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann);
  const browser = gateway.socket(ann, ticket);
  await browser.rfb();
  const keys = Buffer.concat(Array.from({ length: 8192 }, (_, i) => say.key(0x61, i % 2 === 0)));
  for (let i = 0; i < 400; i += 1) browser.socket.send(keys);
  let before = -1;
  await until('the browser to be held back', async () => {
    const now = gateway.feature.sessions.get(sessionId)?.bytesIn ?? 0;
    const isStill = now === before && 0 < now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return isStill;
  });
  expect(before).toBeLessThan(4 * MIB);
  expect(browser.socket.bufferedAmount).toBeGreaterThan(10 * MIB); // It waits at the browser.
});

// Seen to fail with half a KiB kept per frame in frame-reader.ts (535 MiB more).
test('S19: fragments of one byte pin no memory', async () => {
  let arrived = 0;
  const vm = await fakeVm(
    (socket) =>
      void rfbServerHandshake(socket).then(
        () => socket.on('data', (bytes) => (arrived += bytes.byteLength)),
        () => {},
      ),
  );
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const people = await Promise.all(Array.from({ length: 5 }, (_, i) => gateway.user(`user${i}`)));
  const sockets = await Promise.all(
    people.map(async (person) => rawUpgrade(gateway, person.headers, (await gateway.ticket(person)).ticket)),
  );
  for (const socket of sockets) socket.resume();
  const handshake = Buffer.concat([
    frame(0x82, Buffer.from('RFB 003.008\n')),
    frame(0x82, Buffer.of(1)),
    frame(0x82, Buffer.of(1)),
  ]);
  for (const socket of sockets) socket.write(handshake);
  await until('the sessions', () => gateway.feature.sessions.all().every(({ phase }) => phase.state === 'live'));
  // The key event 4 1 0 0 0 0 0 61, each byte a fragment of one message that never ends.
  const bytes = Buffer.concat(
    [4, 1, 0, 0, 0, 0, 0, 0x61, 4, 0, 0, 0, 0, 0, 0, 0x61].map((byte) => frame(0x00, Buffer.of(byte))),
  );
  const flood = Buffer.concat(Array.from({ length: 512 }, () => bytes));
  const before = process.memoryUsage().rss;
  for (const socket of sockets) {
    socket.write(frame(0x02, Buffer.alloc(0)));
    for (let i = 0; i < 16 * DEPTH; i += 1) socket.write(flood);
  }
  const all = 512 * 16 * 16 * DEPTH * sockets.length;
  await until('all fragments', () => all <= arrived, 25_000 * DEPTH);
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
});

test('S20: compression is never agreed on', async () => {
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => {}));
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket); // ws offers permessage-deflate.
  await browser.opened;
  expect(browser.socket.extensions).toBe('');
});

test.for([
  { it: 'a text frame', bytes: frame(0x81, Buffer.from('hi')), code: 1003 },
  { it: 'an unmasked frame', bytes: Buffer.from([0x82, 1, 0]), code: 1002 },
  { it: 'a frame of 2 GiB', bytes: Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), code: 1009 },
  { it: 'a reserved bit', bytes: frame(0xc2, Buffer.of(1)), code: 1002 },
])('$it is answered with close code $code, and the socket goes', async ({ bytes, code }) => {
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => {}));
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const socket = await rawUpgrade(gateway, ann.headers, (await gateway.ticket(ann)).ticket);
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  const all = Buffer.concat(heard);
  const close = all.lastIndexOf(0x88);
  expect(all.readUInt16BE(close + 2)).toBe(code);
});

test('S17: a viewer that speaks no RFB is cut off and its session ends; its neighbour does not notice', async () => {
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => {}));
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const neighbour = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  await neighbour.rfb();
  for (const junk of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(5000, 0xff)]) {
    const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
    await browser.send(junk);
    expect((await browser.closed).code).toBe(SESSION_CLOSE.POLICY);
  }
  const late = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  await late.rfb();
  await late.send(Buffer.of(99));
  expect((await late.closed).code).toBe(SESSION_CLOSE.POLICY);
  expect(neighbour.socket.readyState).toBe(neighbour.socket.OPEN);
});

test.for([
  { it: 'speaks another protocol', talk: (socket: Socket) => void socket.write('220 mail.example ESMTP\r\n') },
  {
    it: 'sends an encoding that nobody asked for',
    talk: (socket: Socket) =>
      void rfbServerHandshake(socket).then(
        () => socket.write(Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 5, 9])),
        () => {},
      ),
  },
  {
    it: 'claims a name of 2 GiB',
    talk: (socket: Socket) => void rfbServerHandshake(socket, { name: 'x'.repeat(100_000) }).catch(() => {}),
  },
  {
    it: 'has a name of markup',
    talk: (socket: Socket) =>
      void rfbServerHandshake(socket, { name: '<img src=x onerror=alert(1)>' }).then(
        () => socket.write(Buffer.of(77)),
        () => {},
      ),
  },
])('S8 S7: a VM that $it is found out; the browser hears a code and nothing of it', async ({ talk }) => {
  const vm = await fakeVm(talk);
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  browser.rfb().then(
    ({ name }) => expect(name).toBe('desktop d1'),
    () => {},
  );
  expect(await browser.closed).toEqual({ code: SESSION_CLOSE.VM_PROTOCOL, reason: 'vm-protocol' });
  expect(gateway.feature.sessions.all()).toHaveLength(0);
});

test('S25: a handshake that comes byte by byte, and ones that never end', async () => {
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => {}));
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const { ticket } = await gateway.ticket(ann);
  const head =
    `GET /ws/session HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n` +
    `sec-websocket-protocol: binary, ${ticketProtocol(ticket)}\r\ncookie: ${ann.headers.cookie}\r\norigin: ${ann.headers.origin}\r\n\r\n`;
  const slow = connect(gateway.server.port, '127.0.0.1').setNoDelay(true);
  atEnd(() => slow.destroy());
  for (const byte of Buffer.from(head)) {
    slow.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [answer] = (await once(slow, 'data')) as [Buffer];
  expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 101 /);
  const fat = connect(gateway.server.port, '127.0.0.1');
  atEnd(() => fat.destroy());
  fat.on('error', () => {});
  fat.write(`GET /ws/session HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}`);
  const [refused] = (await once(fat, 'data')) as [Buffer];
  expect(refused.toString('latin1')).toMatch(/^HTTP\/1.1 431 /);
});

test('S25: a head that never ends is cut off, and so is a refused browser that never hangs up', async () => {
  const gateway = await startDisplayGateway({});
  const head = `GET /ws/session HTTP/1.1\r\nhost: x\r\n`;
  const refused = `${head}upgrade: websocket\r\nconnection: Upgrade\r\norigin: http://elsewhere.example\r\n\r\n`;
  const answers = [head, refused].map(async (said) => {
    // Keeps its half open, whatever the other side does.
    const socket = connect({ port: gateway.server.port, host: '127.0.0.1', allowHalfOpen: true });
    atEnd(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(said);
    let heard = '';
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')));
    await once(socket, 'end');
    return heard.split('\r\n')[0];
  });
  expect(await Promise.all(answers)).toEqual(['HTTP/1.1 408 Request Timeout', 'HTTP/1.1 403 Forbidden']);
  const open = (): Promise<number> =>
    new Promise((resolve) => gateway.server.server.getConnections((_error, count) => resolve(count)));
  await until('no connection is left', async () => (await open()) === 0);
});

test('S25: a VM that is mute is away in the end, and its viewer hears of it', async () => {
  const timers = vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  atEnd(() => timers.useRealTimers());
  let calls = 0;
  const vm = await fakeVm(() => (calls += 1));
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  await until('the call to the VM', () => calls === 1);
  await browser.reader.read(12); // The viewer is greeted; the VM says nothing to anybody.
  timers.advanceTimersByTime(DISPLAY_LIMITS.handshakeMs);
  expect(await browser.closed).toEqual({ code: SESSION_CLOSE.VM_AWAY, reason: 'vm-away' });
});

test('what is typed before the serial port is connected arrives, in order', async () => {
  const heard: Buffer[] = [];
  const vm = await fakeVm((socket) => socket.on('data', (bytes) => heard.push(bytes)));
  let connectNow: () => void = () => {};
  const mayConnect = new Promise<void>((resolve) => (connectNow = resolve));
  const real = unixEndpoint(vm);
  const endpoint = (): DisplayEndpoint => ({ ...real, dial: (options) => mayConnect.then(() => real.dial(options)) });
  const gateway = await startDisplayGateway({ d1: { endpoint } });
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann, 'd1', { kind: 'serial' });
  const browser = gateway.socket(ann, ticket);
  const typed = Buffer.alloc(200_000, 'typed ahead; '); // More than may wait: the browser rests meanwhile.
  for (let at = 0; at < typed.byteLength; at += 1000) await browser.send(typed.subarray(at, at + 1000));
  await until('the browser to rest', () => 65_536 < (gateway.feature.sessions.get(sessionId)?.bytesIn ?? 0));
  connectNow();
  await until('all of it', () => heard.reduce((sum, { byteLength }) => sum + byteLength, 0) === typed.byteLength);
  expect(Buffer.concat(heard).equals(typed)).toBe(true);
});

test('an upgrade that is none is refused by its status', async () => {
  const gateway = await startDisplayGateway({});
  for (const headers of [
    { 'sec-websocket-version': '8' },
    { 'sec-websocket-key': 'short' },
    { 'sec-websocket-protocol': 'a, a' },
  ]) {
    await expect(rawUpgrade(gateway, headers, 'A'.repeat(43))).rejects.toThrow(/HTTP\/1.1 4\d\d/);
  }
});

test('a bandwidth cap holds by keeping the VM waiting', async () => {
  const { vm, sent } = await fountain();
  const policy = { ...DEFAULT_POLICY, bandwidthBytesPerSecond: 2 * MIB };
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm), policy } });
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann);
  const browser = gateway.socket(ann, ticket);
  await browser.rfb();
  const from = performance.now();
  await browser.send(Buffer.concat([say.encodings(0), say.update(512, 512)]));
  const passed = (): number => gateway.feature.sessions.get(sessionId)?.bytesOut ?? 0;
  await until('2 MiB', () => 2 * MIB < passed());
  // Never faster than the cap and its burst allow; how much slower is the machine's business.
  expect(passed()).toBeLessThan(2 * MIB * ((performance.now() - from) / 1000) + MIB);
  expect(sent() - passed()).toBeLessThan(4 * MIB);
});

test('NO-SECRET-OUT: what the VM needs to know never reaches the browser', async () => {
  const canary = 'hunter2!';
  const heard: Buffer[] = [];
  const vm = await fakeVm((socket) => {
    socket.on('data', (chunk) => heard.push(chunk));
    socket.write('RFB 003.008\n');
    socket.once('data', () => socket.write(Buffer.of(1, 2)));
  });
  const gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm, { oneTimeSecret: canary }) } });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  await until('the choice of the gateway', () => 13 <= Buffer.concat(heard).byteLength);
  expect(Buffer.concat(heard)[12]).toBe(2);
  expect(browser.reader.waiting.toString('latin1')).toBe('RFB 003.008\n');
});
