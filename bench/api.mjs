// `npm run bench -- api`: the whole gateway under a day's worth of API calls in a minute: 200 mixed requests a second with
// 500 listeners on live events. The requests leave on a fixed schedule, whether or not earlier ones are answered, so that
// a slow answer counts for all that waited behind it.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { askAdmin } from '../gateway/dist/src/edge/local/admin-client.js';

export const title = 'API: 200 mixed requests a second for a minute, 500 listeners on live events';
export const packages = [];

const LOAD = { requestsPerSecond: 200, seconds: 60, listeners: 500, people: 20 };
const RIGHTS = [
  'see',
  'view',
  'open',
  'power',
  'manage',
  'backup',
  'restore',
  'attach',
  'network',
  'limits',
  'watch',
  'people',
  'audit',
  'settings',
];
const ORIEL = fileURLToPath(new URL('../gateway/bin/oriel.mjs', import.meta.url));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function run({ rounds, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'oriel-bench-'));
  const gateway = await start(folder);
  try {
    const people = await makePeople(gateway, folder);
    const listeners = await listen(gateway, people);
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const seconds = LOAD.seconds / rounds;
    await load(gateway, people, agent, 5, []); // Warm: code compiled, caches filled.
    let peak = 0;
    const sampler = setInterval(() => (peak = Math.max(peak, residentMiB(gateway.pid))), 500);
    const memory = [await gateway.live()];
    const results = [];
    for (let round = 1; round <= rounds; round += 1) {
      const times = [];
      const cpuBefore = cpuSeconds(gateway.pid);
      const { errors, sent, statuses } = await load(gateway, people, agent, seconds, times);
      times.sort((a, b) => a - b);
      results.push({
        errors,
        sent,
        p50: at(times, 0.5),
        p99: at(times, 0.99),
        cpu: (cpuSeconds(gateway.pid) - cpuBefore) / seconds,
      });
      log(
        `round ${round}: ${sent} requests, ${errors} errors, p99 ${at(times, 0.99).toFixed(1)} ms, ${residentMiB(gateway.pid).toFixed(0)} MiB, ${JSON.stringify(statuses)}`,
      );
      memory.push(await gateway.live());
      log(
        `after a forced collection: heap ${memory.at(-1).heap.toFixed(1)} MiB, RSS ${memory.at(-1).rss.toFixed(1)} MiB`,
      );
    }
    clearInterval(sampler);
    const heard = listeners.reduce((sum, one) => sum + one.events, 0);
    const lost = listeners.filter((one) => one.ended).length;
    for (const one of listeners) one.stop();
    agent.destroy();
    const row = (measure, value, unit, target) => ({ measure, value, unit, ...target });
    const errors = results.reduce((sum, one) => sum + one.errors, 0);
    // How much of a heap is garbage says nothing about a leak: what is alive after a forced collection does. What still
    // grows is the ring of the last events, until it has all it keeps.
    const growth = (of) => memory.at(-1)[of] - memory.at(-2)[of];
    const flat = (value) => ({ target: '< 32', met: value < 32 });
    return [
      row('requests answered wrongly or not at all', errors, 'of ' + results.reduce((sum, one) => sum + one.sent, 0), {
        target: '0',
        met: errors === 0,
      }),
      row('time to answer, p50', median(results.map((one) => one.p50)), 'ms'),
      row('time to answer, p99', median(results.map((one) => one.p99)), 'ms', {
        target: '< 100',
        met: median(results.map((one) => one.p99)) < 100,
      }),
      row('listeners cut off', lost, `of ${listeners.length}`, { target: '0', met: lost === 0 }),
      row('events delivered', heard, 'events'),
      row(
        'live heap after the last third of the run, against after the middle one',
        growth('heap'),
        'MiB',
        flat(growth('heap')),
      ),
      row('RSS with that heap, last third against the middle one', growth('rss'), 'MiB', flat(growth('rss'))),
      row('live heap', memory.at(-1).heap, 'MiB'),
      row('RSS after the forced collection', memory.at(-1).rss, 'MiB'),
      row('RSS under load, highest', peak, 'MiB'),
      row('CPU of the gateway', median(results.map((one) => one.cpu)), 'cores'),
    ];
  } finally {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start(folder) {
  const env = { ...process.env, ORIEL_DATA: folder, ORIEL_LISTEN: '127.0.0.1:0', ORIEL_LOG: 'warn' };
  // The inspector is there to force collections and to be asked what is alive; nothing of it runs during the load.
  const child = spawn(process.execPath, ['--inspect=127.0.0.1:0', ORIEL, 'start'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  for (let tries = 0; !text.includes('Ctrl-C stops the gateway'); tries += 1) {
    if (child.exitCode !== null || 600 < tries) throw new Error(`oriel start: ${text}`);
    await pause(50);
  }
  const origin = /Oriel is at (\S+)/.exec(text)[1];
  const inspector = await inspect(/ws:\/\/\S+/.exec(text)[0]);
  const live = async () => {
    await inspector.call('HeapProfiler.collectGarbage');
    await inspector.call('HeapProfiler.collectGarbage'); // What finalizers of the first let go.
    const expression = 'JSON.stringify(process.memoryUsage())';
    const { heapUsed, external } = JSON.parse((await inspector.call('Runtime.evaluate', { expression })).result.value);
    return { heap: (heapUsed + external) / 2 ** 20, rss: residentMiB(child.pid) };
  };
  const stop = async () => {
    inspector.close();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await exited;
    await new Promise((resolve) =>
      spawn(process.execPath, [ORIEL, 'stop', '--all', '--force'], { env, stdio: 'ignore' }).once('exit', resolve),
    );
  };
  return { origin, pid: child.pid, live, stop };
}

async function inspect(url) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map();
  let last = 0;
  socket.on('message', (text) => {
    const { id, result } = JSON.parse(text);
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  const call = (method, params) =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  return { call, close: () => socket.close() };
}

/** Half are admins, half plain users; each with a token, made on the local socket. */
async function makePeople(gateway, folder) {
  const { token } = await askAdmin(folder, { verb: 'access' });
  const agent = new Agent({ keepAlive: true });
  const people = [];
  for (let n = 0; n < LOAD.people; n += 1) {
    const isAdmin = n % 2 === 0;
    const body = { name: `bench-${n}`, roles: [isAdmin ? 'admin' : 'user'] };
    const made = await send(gateway, agent, { token }, 'POST', '/users', body);
    const given = await askAdmin(folder, {
      verb: 'token.create',
      user: body.name,
      name: 'bench',
      scopes: RIGHTS,
      expiresInDays: 1,
    });
    people.push({ id: JSON.parse(made.text).id, isAdmin, token: given.token });
  }
  agent.destroy();
  return people;
}

async function listen(gateway, people) {
  return Promise.all(
    Array.from({ length: LOAD.listeners }, async (_, n) => {
      const listener = { events: 0, ended: false, stop: () => undefined };
      const headers = { authorization: `Bearer ${people[n % people.length].token}` };
      await new Promise((resolve, reject) => {
        const sent = request(`${gateway.origin}/api/v1/events`, { headers, agent: false }, (response) => {
          response.on('data', (chunk) => (listener.events += chunk.toString().split('\ndata:').length - 1));
          response.on('close', () => (listener.ended = true));
          resolve();
        });
        sent.once('error', reject).end();
        listener.stop = () => sent.destroy();
      });
      return listener;
    }),
  );
}

/** What is asked, by how often of 20. */
const MIX = [
  [6, 'GET', () => '/me'],
  [4, 'GET', () => '/desktops'],
  [3, 'GET', () => '/vms'],
  [2, 'GET', () => '/tasks'],
  [2, 'GET', () => '/users?limit=50', 'admin'],
  [1, 'GET', () => '/audit?limit=50', 'admin'],
  [1, 'GET', (person) => `/users/${person.id}`, 'admin'],
  [1, 'PATCH', (person) => `/users/${person.id}`, 'admin', () => ({ displayName: `Bench ${Math.random()}` })],
].flatMap(([times, ...what]) => Array.from({ length: times }, () => what));

async function load(gateway, people, agent, seconds, times) {
  const admins = people.filter((person) => person.isAdmin);
  const statuses = {};
  const open = [];
  let errors = 0;
  const total = Math.round(LOAD.requestsPerSecond * seconds);
  const startedAt = performance.now();
  for (let n = 0; n < total; n += 1) {
    const due = startedAt + (n * 1000) / LOAD.requestsPerSecond;
    const wait = due - performance.now();
    if (1 < wait) await pause(wait);
    const [method, path, who, body] = MIX[(n * 7) % MIX.length];
    const from = who === 'admin' ? admins : people;
    const person = from[n % from.length];
    open.push(
      send(gateway, agent, person, method, path(person), body?.()).then(
        ({ status }) => {
          times.push(performance.now() - due);
          statuses[status] = (statuses[status] ?? 0) + 1;
          if (status !== 200) errors += 1;
        },
        () => (errors += 1),
      ),
    );
  }
  await Promise.all(open);
  return { errors, sent: total, statuses };
}

function send(gateway, agent, { token }, method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const text = body === undefined ? undefined : JSON.stringify(body);
    if (text !== undefined)
      Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    const sent = request(`${gateway.origin}/api/v1${path}`, { method, headers, agent }, (response) => {
      let answer = '';
      response.on('data', (chunk) => (answer += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text: answer }));
    });
    sent.once('error', reject).end(text);
  });
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
const median = (values) =>
  at(
    values.toSorted((a, b) => a - b),
    0.5,
  );
const residentMiB = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** User and system time so far; a tick is a hundredth of a second on Linux. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
