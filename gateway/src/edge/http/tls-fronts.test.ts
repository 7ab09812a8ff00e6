/** Fronts alone, with a gate of this test. Needs the built front, as `npm test` makes it. */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../config.ts';
import { peerOfSocket } from '../api/socket-peer.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { openCertificate, TLS_SETTINGS } from './certificate.ts';
import { ConnectionCounter } from './connections.ts';
import { TlsFronts } from './tls-fronts.ts';

const entry = fileURLToPath(new URL('../../../dist/src/edge/http/tls-front.js', import.meta.url));
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start() {
  const dataFolder = mkdtempSync(path.join(tmpdir(), 'oriel-fronts-'));
  undo.push(() => rmSync(dataFolder, { recursive: true, force: true }));
  const { cert, key } = await openCertificate({ ...parseConfig({ ORIEL_TLS: 'on' }), dataFolder }, Date.now());
  const counter = new ConnectionCounter(2);
  const server = http.createServer((request, response) => {
    const { address, isTls } = peerOfSocket(request.socket);
    response.end(`${address} ${isTls}`);
  });
  const gate = (address: string | undefined): (() => void) | undefined => counter.enter(address ?? '');
  const context = { ...TLS_SETTINGS, cert, key };
  const fronts = await TlsFronts.start(server, { count: 1, entry, dataFolder, context, gate });
  undo.push(async () => {
    server.close();
    server.closeAllConnections();
    await fronts.close();
  });
  await new Promise<void>((resolve) => fronts.tcp.listen(0, '127.0.0.1', resolve));
  const { port } = fronts.tcp.address() as AddressInfo;
  const dial = (): Socket => {
    const socket = connect({ port, host: '127.0.0.1', ca: cert });
    undo.push(() => socket.destroy());
    return socket.on('error', () => {});
  };
  return { counter, fronts, port, dial };
}

function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

async function ask(socket: Socket): Promise<string> {
  const answer = new Promise<string>((resolve) =>
    socket.on('data', (chunk: Buffer) => resolve(chunk.toString().split('\r\n').at(-1) ?? '')),
  );
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  return answer;
}

// Seen to fail with a `#gone` that does not leave.
test('BOUNDED: an address has its limit, whoever ends TLS, and gets its room back from connections that end or whose front dies', async () => {
  const { counter, fronts, port, dial } = await start();
  const [one, two] = [dial(), connectTcp(port, '127.0.0.1')];
  two.on('error', () => {});
  await expect.poll(() => fronts.connections).toBe(2);
  await closed(dial());
  two.destroy();
  await expect.poll(() => fronts.connections).toBe(1);
  expect(await ask(dial())).toBe('127.0.0.1 true');
  expect(fronts.connections).toBe(2);
  for (const pid of fronts.pids) process.kill(pid, 'SIGKILL');
  await closed(one);
  await expect.poll(() => counter.addresses).toBe(0);
  await expect.poll(() => fronts.pids.length).toBe(1);
  expect(await ask(dial())).toBe('127.0.0.1 true');
});

// Seen to fail with a start that waits for nobody.
test('an address that is taken, and a program that is not there, are said at the start', async () => {
  const { port } = await start();
  const env = { ORIEL_TLS: 'on', ORIEL_LISTEN: `127.0.0.1:${port}` };
  await expect(startTestGateway({ env, server: { tlsFronts: 1, tlsFrontEntry: entry } })).rejects.toThrow(
    `address 127.0.0.1:${port} is taken`,
  );
  await expect(
    startTestGateway({ env: { ORIEL_TLS: 'on' }, server: { tlsFronts: 1, tlsFrontEntry: '/nowhere.js' } }),
  ).rejects.toThrow('a process that ends TLS did not start');
});
