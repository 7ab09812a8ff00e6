// The relay under test, from the built gateway: `node bench/relay-server.mjs '{"mode":…,"vm":…}'`. Prints its port.
//   plain     the relay alone, nothing looked at          walked    the RFB broker with every policy, both ways parsed
//   unwalked  the RFB broker, only the viewer parsed      sessions  tickets, sessions, store and audit log in front
//   workers   the RFB broker in `workers` processes, or in this one where that is 0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { rfbPolicy } from '../gateway/dist/relay/rfb/policy.js';
import { openDisplay, RelayShare } from '../gateway/dist/relay/rfb/rfb-session.js';
import { Backend } from '../gateway/dist/relay/stream/backend.js';
import { acceptResponse, answerUpgrade } from '../gateway/dist/relay/stream/handshake.js';
import { Relay } from '../gateway/dist/relay/stream/relay.js';
import { WsChannel } from '../gateway/dist/relay/stream/ws-channel.js';
import { DEFAULT_POLICY } from '../gateway/dist/src/access/policies/policy.js';
import { TLS_SETTINGS } from '../gateway/dist/src/edge/http/certificate.js';

const options = JSON.parse(process.argv[2]);
const share = new RelayShare();
const dial = ({ onread } = {}) =>
  new Promise((resolve, reject) => {
    const socket = connect(
      onread === undefined || options.generic ? { path: options.vm } : { path: options.vm, onread },
    );
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
const endpoint = async () => ({ kind: 'rfb', expires: Date.now() + 30_000, dial });

/** Raw bytes both ways. */
class PlainConversation {
  forVm = [];
  forViewer = [];
  fromViewer(bytes) {
    return bytes.byteLength;
  }
  fromVm(_whole, _from, to) {
    return to;
  }
}

/** The relay and nothing else. */
function plain(openChannel) {
  const relay = new Relay(share.pool, new PlainConversation(), { onEnd: () => channel.destroy() });
  const backend = new Backend(share.pool, share.turns, relay);
  const channel = openChannel(relay);
  relay.setBackend(backend);
  relay.setChannel(channel);
  dial({ onread: backend.onread }).then(
    (socket) => backend.attach(socket),
    () => channel.destroy(),
  );
}

async function startWorkers(count) {
  const { WorkerPool } = await import('../gateway/dist/relay/workers/pool.js');
  const pool = new WorkerPool(count);
  while (pool.readyPids.length < count) await delay(10);
  let desktops = 0;
  return (viewer, head) => {
    const conduit = pool.open({
      viewer,
      head,
      endpoint,
      desktopId: `d${desktops++}`,
      desktopName: 'bench',
      policy: DEFAULT_POLICY,
      isDriving: () => true,
      events: { onReady: () => {}, onInput: () => {}, onEnd: () => conduit.close(1000, 'end') },
    });
  };
}

function broker(openChannel, isWalked) {
  const conduit = openDisplay({
    share,
    openChannel,
    endpoint,
    desktopId: 'd1',
    desktopName: 'bench',
    policy: rfbPolicy(DEFAULT_POLICY, () => true),
    isWalked,
    bandwidthBytesPerSecond: null,
    now: Date.now,
    events: { onReady: () => {}, onInput: () => {}, onEnd: () => conduit.close(1000, 'end') },
  });
}

async function sessions() {
  const { sessionFeature } = await import('../gateway/dist/src/access/feature.js');
  const { openStore } = await import('../gateway/dist/src/platform/store/store.js');
  const { AuditLog } = await import('../gateway/dist/src/identity/audit/audit-log.js');
  const { Auth } = await import('../gateway/dist/src/identity/sign-in/auth.js');
  const { EventHub } = await import('../gateway/dist/src/platform/events/hub.js');
  const { openLog } = await import('../gateway/dist/src/log.js');
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const log = openLog({ level: 'silent' });
  const store = await openStore({ folder });
  const events = new EventHub();
  const audit = new AuditLog({ store, folder, events });
  const auth = new Auth({ store, audit, events, log });
  const caps = { perUser: 1e6, perDesktop: 1e6, perAddress: 1e6, inAll: 1e6 };
  const desktops = {
    describe: async (id) => ({
      name: id,
      kinds: ['display', 'serial'],
      isOn: true,
      policy: { ...DEFAULT_POLICY, graceMs: 1000 },
    }),
    endpoint,
  };
  const feature = sessionFeature({ auth, audit, events, store, log, desktops, caps });
  await feature.start();
  let tickets = '';
  for (let i = 0; i < options.tickets; i++) {
    const via = { kind: 'token', tokenId: `t${i}`, scopes: [] };
    const rights = new Set(['see', 'view', 'open']);
    const principal = {
      userId: `u${i}`,
      name: `u${i}`,
      roles: [],
      groupIds: [],
      via,
      everywhere: rights,
      onDesktop: new Map(),
    };
    tickets += `${(await feature.admission.create(principal, `d${i}`, { kind: 'display', mode: 'control' }, '127.0.0.1')).ticket}\n`;
  }
  writeFileSync(options.ticketFile, tickets);
  const [upgrade] = feature.upgrades;
  return (incoming, socket, head) =>
    upgrade.handle({
      incoming,
      socket,
      head,
      origin: 'absent',
      principal: undefined,
      address: '127.0.0.1',
      requestId: 'r',
      log,
      refuse: () => socket.destroy(),
    });
}

const handOver = options.mode === 'workers' && 0 < options.workers ? await startWorkers(options.workers) : undefined;
const brokered = options.mode === 'sessions' ? await sessions() : undefined;
const context = options.tls && {
  key: readFileSync(options.tls.key, 'utf8'),
  cert: readFileSync(options.tls.cert, 'utf8'),
  ...TLS_SETTINGS,
};
const server = context ? https.createServer(context) : http.createServer();
server.on('request', (_request, response) => response.end('here'));
server.on('upgrade', (request, socket, head) => {
  socket.on('error', () => socket.destroy());
  if (brokered !== undefined) return void brokered(request, socket, head);
  const answer = answerUpgrade(request);
  if (answer.kind === 'refuse') return void socket.destroy();
  socket.write(acceptResponse(answer.accept, 'binary'));
  if (handOver !== undefined) return handOver(socket, head);
  const openChannel = (events) => new WsChannel(socket, head, events);
  if (options.mode === 'plain') plain(openChannel);
  else broker(openChannel, options.mode !== 'unwalked');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`port ${server.address().port}`));
process.stdin.resume().on('end', () => process.exit(0));
