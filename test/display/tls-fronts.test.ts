/** TLS in fronts, sessions in relay workers: three processes carry one session. Needs the built gateway, as `npm test` makes it. */

import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { resumeSession } from '../../gateway/api/session.ts';
import { SESSION_CLOSE } from '../../gateway/api/ticket.ts';
import {
  type ByteReader,
  fakeVm,
  readRawUpdate,
  rfbServerHandshake,
  say,
  startDisplayGateway,
  startQemu,
  unixEndpoint,
  until,
} from './support.ts';

// What fetch and WebSocket ask here has the self-signed certificate of a gateway that lives as long as one test.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';

const built = (file: string): string => fileURLToPath(new URL(`../../gateway/dist/src/${file}`, import.meta.url));
const WORKERS = { workers: 2, workerEntry: built('display/workers/worker.js') } as const;
const FRONTS = { tlsFronts: 2, tlsFrontEntry: built('http/tls-front.js') } as const;

async function start(desktops: Parameters<typeof startDisplayGateway>[0]) {
  const gateway = await startDisplayGateway(desktops, { ...WORKERS, ...FRONTS });
  const { fronts } = gateway.server;
  if (fronts === undefined) throw new Error('no fronts');
  await until('workers and fronts', () => gateway.feature.workers?.readyPids.length === 2 && fronts.pids.length === 2);
  const carried = (): number =>
    (gateway.feature.workers?.readyPids ?? []).reduce(
      (sum, pid) => sum + (gateway.feature.workers?.countOf(pid) ?? 0),
      0,
    );
  return { gateway, fronts, carried };
}

async function onFakeVm() {
  const heard: ByteReader[] = [];
  const vms: Socket[] = [];
  const vm = await fakeVm((socket) => {
    vms.push(socket);
    rfbServerHandshake(socket).then(
      (reader) => heard.push(reader),
      () => {},
    );
  });
  const started = await start({ d1: { endpoint: () => unixEndpoint(vm) } });
  const ann = await started.gateway.user('ann');
  const { ticket, sessionId } = await started.gateway.ticket(ann);
  const browser = started.gateway.socket(ann, ticket);
  await browser.rfb();
  return { ...started, ann, sessionId, browser, heard, vms };
}

// Seen to fail where a socket behind a front is taken for one that cannot be handed over (0).
test('a TLS session is carried by a worker: the screen of a QEMU VM', async () => {
  const vm = await startQemu();
  const { gateway, carried } = await start({ d1: { endpoint: () => unixEndpoint(vm.display) } });
  expect(gateway.origin).toMatch(/^https:/);
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann);
  const browser = gateway.socket(ann, ticket);
  const screen = await browser.rfb();
  expect(carried()).toBe(1);
  await until('the session', () => gateway.feature.sessions.get(sessionId)?.phase.state === 'live');
  expect(gateway.feature.sessions.get(sessionId)?.address).toBe('127.0.0.1');
  await browser.send(Buffer.concat([say.encodings(0), say.update(screen.width, screen.height)]));
  expect(await readRawUpdate(browser.reader)).toBeGreaterThan(100_000);
});

// Seen to fail, as the next one, with a pool that does not tell its worker to close.
test('it roams: the place that resumes it gets it, the other hears so', async () => {
  const { gateway, ann, sessionId, browser, carried } = await onFakeVm();
  const again = await ann.client.call(resumeSession, { params: { sessionId } });
  await gateway.socket(ann, again.ticket).rfb();
  expect((await browser.closed).code).toBe(SESSION_CLOSE.MOVED);
  await until('the session', () => gateway.feature.sessions.get(sessionId)?.phase.state === 'live');
  expect(carried()).toBe(1);
});

test('S6: a revocation reaches the socket behind a front and a worker within a second', async () => {
  const { gateway, ann, browser } = await onFakeVm();
  const from = performance.now();
  gateway.auth.revocations.publish({ kind: 'user', userId: ann.userId });
  expect(await browser.closed).toEqual({ code: SESSION_CLOSE.REVOKED, reason: 'revoked' });
  expect(performance.now() - from).toBeLessThan(1000); // The promise itself, not a speed.
});

// Seen to fail with fronts that are not started again.
test('a front that is killed takes no session with it: the page comes back through another, and connections are counted out', async () => {
  const { gateway, fronts, ann, sessionId, browser } = await onFakeVm();
  const before = fronts.pids;
  for (const pid of before) process.kill(pid, 'SIGKILL');
  expect((await browser.closed).code).toBe(1006);
  await until('the parked session', () => gateway.feature.sessions.get(sessionId)?.phase.state === 'parked');
  await until('new fronts', () => fronts.pids.length === 2 && !fronts.pids.some((pid) => before.includes(pid)));
  expect(fronts.connections).toBe(0);
  const again = await ann.client.call(resumeSession, { params: { sessionId } });
  await gateway.socket(ann, again.ticket).rfb();
  await until('the session', () => gateway.feature.sessions.get(sessionId)?.phase.state === 'live');
});

// Seen to fail with a front that writes only where there is room.
test('much at once, to a browser that is slow to read, arrives whole through front and worker', async () => {
  const { browser, vms, heard } = await onFakeVm();
  await browser.send(Buffer.concat([say.encodings(0), say.update(64, 48)]));
  const [reader] = heard as [ByteReader];
  await reader.read(18);
  browser.socket.pause();
  const pixels = Buffer.alloc(64 * 48 * 4, 7);
  const update = Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 64, 0, 48, 0, 0, 0, 0]), pixels]);
  const rounds = 1_000; // 12 MB: more than the buffers between VM and browser hold.
  const isUnderWay = new Promise((resolve) => vms[0]?.write(update, resolve));
  for (let i = 1; i < rounds; i += 1) vms[0]?.write(update);
  await isUnderWay;
  browser.socket.resume();
  for (let i = 0; i < rounds; i += 1) expect(await readRawUpdate(browser.reader)).toBe(64 * 48);
});

// Seen to fail with `#greet` that serves whoever comes.
test('the internal socket is ours alone, and serves nobody without a token', async () => {
  const { gateway } = await start({});
  const file = path.join(gateway.folder, 'run', 'tls.sock');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  for (const token of ['', 'A'.repeat(32)]) {
    const socket = connect(file);
    let said = '';
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
    socket.write(`${token}GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(40)}\r\n\r\n`);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(said).toBe('');
  }
});

// Seen to fail with fronts that say nothing when a connection is gone, and with half-open handshakes (5 s).
test('connections are counted while they are there, with and without a handshake; a closing gateway ends them', async () => {
  const { gateway, fronts } = await start({});
  const silent = connect(gateway.server.port, '127.0.0.1');
  const asked = connectTls({ port: gateway.server.port, host: '127.0.0.1' });
  await until('both', () => fronts.connections === 2);
  silent.destroy();
  await until('the one that is left', () => fronts.connections === 1, 3_000);
  asked.on('error', () => {});
  const closed = new Promise((resolve) => asked.once('close', resolve));
  const { pids } = fronts;
  await gateway.server.close();
  await closed;
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
});
