// The relay beside websockify (with numpy), nginx stream, haproxy tcp and a plain `ws` relay, all on loopback, each with
// one process or thread for the relaying, VMs on unix sockets, interleaved rounds. The load comes from relay-load.c.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const title = "relay: WebSocket to the VM's socket";
export const packages = [
  'websockify',
  'python3-numpy',
  'nginx-light',
  'libnginx-mod-stream',
  'haproxy',
  'libssl-dev',
  'gcc',
];

const HERE = path.dirname(fileURLToPath(import.meta.url));
const SECONDS = 2;
const MIB = 1 << 20;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const TICKS_PER_SECOND = 100;

/** User and system time of a process and its children, in seconds. */
function cpuOf(pid) {
  let seconds = 0;
  for (const one of [pid, ...descendants(pid)]) {
    try {
      const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1].split(' ');
      seconds += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      if (one === pid) seconds += (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND; // Children that have ended.
    } catch {} // It has ended.
  }
  return seconds;
}
function descendants(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
      return children === ''
        ? []
        : children.split(' ').flatMap((child) => [Number(child), ...descendants(Number(child))]);
    });
  } catch {
    return [];
  }
}
function rssBytes(pid) {
  let kib = 0;
  for (const one of [pid, ...descendants(pid)]) {
    try {
      kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0);
    } catch {}
  }
  return kib * 1024;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
async function untilOpen(port) {
  for (let i = 0; i < 200; i++) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await delay(25);
  }
  throw new Error(`nothing listens on ${port}`);
}

class Bench {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-relay-'));
  children = [];

  start(command, args, stdio = ['pipe', 'pipe', 'ignore']) {
    const child = spawn(command, args, { stdio });
    this.children.push(child);
    return child;
  }
  async stop(child) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    this.children = this.children.filter((other) => other !== child);
  }
  async firstLine(child) {
    let text = '';
    for await (const chunk of child.stdout) {
      text += chunk;
      if (text.includes('\n')) break;
    }
    return text.split('\n')[0];
  }
  close() {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async backend(name, ...more) {
    const file = path.join(this.folder, name);
    const child = this.start(this.load, ['backend', file, ...more]);
    await this.lines(child).next();
    return file;
  }
  async *lines(child) {
    let text = '';
    child.stdout.setEncoding('utf8');
    for await (const chunk of child.stdout) {
      text += chunk;
      for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n')) {
        yield text.slice(0, at);
        text = text.slice(at + 1);
      }
    }
  }
  async node(script, ...args) {
    const child = this.start(process.execPath, [path.join(HERE, script), ...args], ['pipe', 'pipe', 'inherit']);
    const { value } = await this.lines(child).next();
    return { child, port: Number(value.split(' ')[1]), ws: 1 };
  }
  ours(options) {
    return this.node('relay-server.mjs', JSON.stringify({ vm: this.vm, ...options }));
  }
  async websockify() {
    const port = await freePort();
    const child = this.start(
      'websockify',
      ['--unix-target', this.vm, `127.0.0.1:${port}`],
      ['pipe', 'ignore', 'ignore'],
    );
    await untilOpen(port);
    return { child, port, ws: 1 };
  }
  async nginx() {
    const port = await freePort();
    const file = path.join(this.folder, 'nginx.conf');
    const modules = ['/usr/lib/nginx/modules/ngx_stream_module.so']
      .filter(existsSync)
      .map((so) => `load_module ${so};`);
    writeFileSync(
      file,
      `${process.getuid() === 0 ? 'user root;' : ''} ${modules.join('')} worker_processes 1; daemon off; pid ${this.folder}/nginx.pid; error_log /dev/null;
       events { worker_connections 8192; }
       stream { access_log off; server { listen 127.0.0.1:${port}; tcp_nodelay on; proxy_pass unix:${this.vm}; } }`,
    );
    const child = this.start('/usr/sbin/nginx', ['-c', file, '-p', this.folder], ['pipe', 'ignore', 'ignore']);
    await untilOpen(port);
    return { child, port, ws: 0 };
  }
  async haproxy() {
    const port = await freePort();
    const file = path.join(this.folder, 'haproxy.cfg');
    writeFileSync(
      file,
      `global\n nbthread 1\n maxconn 8192\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h
frontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n server s unix@${this.vm}\n`,
    );
    const child = this.start('/usr/sbin/haproxy', ['-f', file, '-db'], ['pipe', 'ignore', 'ignore']);
    await untilOpen(port);
    return { child, port, ws: 0 };
  }

  /** Runs the load against a relay; gives what it says and the CPU seconds that the relay took for it. */
  async measure(relay, mode, more = {}) {
    const args = Object.entries({ port: relay.port, ws: relay.ws, tls: relay.tls ?? 0, seconds: SECONDS, ...more });
    const child = this.start(
      this.load,
      [mode, ...args.map(([key, value]) => `${key}=${value}`)],
      ['pipe', 'pipe', 'inherit'],
    );
    const lines = this.lines(child);
    await lines.next(); // "start"
    const before = cpuOf(relay.child.pid);
    const { value } = await lines.next();
    const cpu = cpuOf(relay.child.pid) - before;
    await this.stop(child);
    if (value === undefined) throw new Error(`the load ${mode} said nothing`);
    return { ...JSON.parse(value), cpu };
  }
}

/** `ratio` against `limit` in the given sense. */
const row = (measure, value, unit, more) => ({ measure, value, unit, ...more });
const atLeast = (value, limit, unit = '') => ({ target: `>= ${limit}${unit}`, met: limit <= value });
const atMost = (value, limit, unit = '') => ({ target: `<= ${limit}${unit}`, met: value <= limit });

export async function run({ rounds, log }) {
  const bench = new Bench();
  try {
    bench.load = path.join(bench.folder, 'relay-load');
    execFileSync('gcc', ['-O2', '-pthread', path.join(HERE, 'relay-load.c'), '-lssl', '-lcrypto', '-o', bench.load]);
    bench.vm = await bench.backend('vm');
    const rows = [];
    rows.push(...(await flows(bench, rounds, log)));
    rows.push(...(await setUps(bench, rounds, log)));
    rows.push(...(await memory(bench, log)));
    rows.push(...(await policies(bench, rounds, log)));
    return rows;
  } finally {
    bench.close();
  }
}

async function flows(bench, rounds, log) {
  const relays = {
    ours: await bench.ours({ mode: 'plain' }),
    websockify: await bench.websockify(),
    nginx: await bench.nginx(),
    haproxy: await bench.haproxy(),
    ws: await bench.node('relay-plain-ws.mjs', bench.vm),
  };
  const results = Object.fromEntries(
    Object.keys(relays).map((name) => [name, { down: [], cpu: [], up: [], p50: [], p99: [] }]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const [name, relay] of Object.entries(relays)) {
      const down = await bench.measure(relay, 'down');
      results[name].down.push(down.bytes / down.seconds / MIB);
      results[name].cpu.push(down.cpu / (down.bytes / 2 ** 30));
    }
    for (const [name, relay] of Object.entries(relays)) {
      const up = await bench.measure(relay, 'up', { frame: 64 });
      results[name].up.push(up.bytes / up.seconds / MIB);
    }
    for (const [name, relay] of Object.entries(relays)) {
      const echo = await bench.measure(relay, 'echo', { neighbours: 1 });
      results[name].p50.push(echo.p50us / 1000);
      results[name].p99.push(echo.p99us / 1000);
    }
    log(
      `round ${round + 1}: down ${Object.keys(relays)
        .map((name) => `${name} ${results[name].down.at(-1).toFixed(0)}`)
        .join(', ')} MiB/s`,
    );
  }
  for (const relay of Object.values(relays)) await bench.stop(relay.child);
  const of = (name, what) => median(results[name][what]);
  const rows = [];
  const down = of('ours', 'down');
  for (const [peer, limit] of [
    ['websockify', 1.3],
    ['haproxy', 0.65],
    ['nginx', undefined],
    ['ws', undefined],
  ]) {
    const ratio = down / of(peer, 'down');
    rows.push(
      row('server to client', down, 'MiB/s', {
        peer,
        peerValue: of(peer, 'down'),
        ratio,
        ...(limit && atLeast(ratio, limit)),
      }),
    );
  }
  const cpu = of('ours', 'cpu');
  for (const [peer, limit] of [
    ['nginx', 1.1],
    ['websockify', undefined],
    ['haproxy', undefined],
    ['ws', undefined],
  ]) {
    const ratio = cpu / of(peer, 'cpu');
    rows.push(
      row('CPU per GiB', cpu, 's', { peer, peerValue: of(peer, 'cpu'), ratio, ...(limit && atMost(ratio, limit)) }),
    );
  }
  const up = of('ours', 'up');
  for (const [peer, limit] of [
    ['websockify', 40],
    ['ws', undefined],
  ]) {
    const ratio = up / of(peer, 'up');
    rows.push(
      row('64-byte client frames', up, 'MiB/s', {
        peer,
        peerValue: of(peer, 'up'),
        ratio,
        ...(limit && atLeast(ratio, limit)),
      }),
    );
  }
  for (const [what, limit] of [
    ['p50', 0.5],
    ['p99', 5],
  ]) {
    const value = of('ours', what);
    for (const [i, peer] of ['websockify', 'nginx', 'haproxy', 'ws'].entries()) {
      const target = i === 0 ? atMost(value, limit, ' ms') : {};
      rows.push(
        row(`echo beside a neighbour, ${what}`, value, 'ms', {
          peer,
          peerValue: of(peer, what),
          ratio: value / of(peer, what),
          ...target,
        }),
      );
    }
  }
  return rows;
}

async function setUps(bench, rounds, log) {
  const ticketFile = path.join(bench.folder, 'tickets');
  const rfb = await bench.backend('rfb', 'rfb=1');
  const results = { ours: [], cpu: [], websockify: [], nginx: [], ws: [] };
  for (let round = 0; round < rounds; round++) {
    const ours = await bench.ours({ mode: 'sessions', tickets: 6000, ticketFile, vm: rfb });
    const made = await bench.measure(ours, 'setups', { count: 4, tickets: ticketFile, rfb: 1 });
    await bench.stop(ours.child);
    results.ours.push(made.count / made.seconds);
    results.cpu.push(made.cpu / made.count);
    for (const [name, relay] of [
      ['websockify', await bench.websockify()],
      ['nginx', await bench.nginx()],
      ['ws', await bench.node('relay-plain-ws.mjs', bench.vm)],
    ]) {
      const peer = await bench.measure(relay, 'setups', { count: 4 });
      results[name].push(peer.count / peer.seconds);
      await bench.stop(relay.child);
    }
    log(
      `round ${round + 1}: set-ups ${results.ours.at(-1).toFixed(0)}/s at ${(results.cpu.at(-1) * 1e6).toFixed(0)} us of CPU`,
    );
  }
  const perSecond = median(results.ours);
  const perCore = 1 / median(results.cpu);
  return [
    row('set-ups, ticket and VM connect included', perCore, '/s of a core', atLeast(perCore, 1500)),
    ...['websockify', 'nginx', 'ws'].map((peer) =>
      row('set-ups as they came', perSecond, '/s', {
        peer,
        peerValue: median(results[peer]),
        ratio: perSecond / median(results[peer]),
      }),
    ),
  ];
}

async function memory(bench, log) {
  const rows = [];
  for (const [count, makers] of [
    [
      1000,
      {
        ours: () => bench.ours({ mode: 'plain' }),
        ws: () => bench.node('relay-plain-ws.mjs', bench.vm),
        nginx: () => bench.nginx(),
      },
    ],
    [9900, { ours: () => bench.ours({ mode: 'plain' }) }],
  ]) {
    const found = {};
    for (const [name, make] of Object.entries(makers)) {
      const relay = await make();
      const warm = await bench.hold(relay, 50);
      await bench.stop(warm);
      await delay(500);
      const before = rssBytes(relay.child.pid);
      const held = await bench.hold(relay, count);
      await delay(1500);
      const after = rssBytes(relay.child.pid);
      found[name] = { each: (after - before) / count / 1024, all: after / MIB };
      log(
        `${count} idle on ${name}: ${found[name].each.toFixed(1)} KiB each, ${found[name].all.toFixed(0)} MiB in all`,
      );
      await bench.stop(held);
      await bench.stop(relay.child);
    }
    if (count === 1000) {
      for (const [i, peer] of ['ws', 'nginx'].entries()) {
        rows.push(
          row('1,000 idle sessions, each', found.ours.each, 'KiB', {
            peer,
            peerValue: found[peer].each,
            ratio: found.ours.each / found[peer].each,
            ...(i === 0 && atMost(found.ours.each, 16, ' KiB')),
          }),
        );
      }
    } else rows.push(row(`${count} idle sessions, in all`, found.ours.all, 'MiB', atMost(found.ours.all, 400, ' MiB')));
  }
  const stalled = {};
  for (const [name, make] of [
    ['ours', () => bench.ours({ mode: 'plain' })],
    ['ws', () => bench.node('relay-plain-ws.mjs', bench.vm)],
  ]) {
    const relay = await make();
    await bench.measure(relay, 'echo', { neighbours: 1, seconds: 1 }); // Warm.
    await delay(300);
    const before = rssBytes(relay.child.pid);
    const child = bench.start(bench.load, ['stall', `port=${relay.port}`, `seconds=${4}`], ['pipe', 'pipe', 'inherit']);
    await bench.lines(child).next();
    stalled[name] = (rssBytes(relay.child.pid) - before) / MIB;
    await bench.stop(child);
    await bench.stop(relay.child);
  }
  log(`stalled client: ours ${stalled.ours.toFixed(2)} MiB, ws ${stalled.ws.toFixed(0)} MiB`);
  rows.push(
    row('stalled client, growth', stalled.ours, 'MiB', {
      peer: 'ws',
      peerValue: stalled.ws,
      ...atMost(stalled.ours, 2, ' MiB'),
    }),
  );
  return rows;
}

Bench.prototype.hold = async function hold(relay, count) {
  const child = this.start(
    this.load,
    ['idle', `port=${relay.port}`, `ws=${relay.ws}`, `count=${count}`],
    ['pipe', 'pipe', 'inherit'],
  );
  const { value } = await this.lines(child).next();
  const said = JSON.parse(value ?? '{}');
  if (said.count !== count) throw new Error(`${said.count} of ${count} sessions came up`);
  return child;
};

async function policies(bench, rounds, log) {
  const rfb = path.join(bench.folder, 'rfb');
  const key = path.join(bench.folder, 'key.pem');
  const cert = path.join(bench.folder, 'cert.pem');
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=bench',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  const relays = {
    walked: await bench.ours({ mode: 'walked', vm: rfb }),
    unwalked: await bench.ours({ mode: 'unwalked', vm: rfb }),
    plain: await bench.ours({ mode: 'plain' }),
    tls: { ...(await bench.ours({ mode: 'plain', tls: { key, cert } })), tls: 1 },
  };
  const results = { walked: [], unwalked: [], plain: [], tls: [], tlsCpu: [], plainCpu: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ['walked', 'unwalked']) {
      const down = await bench.measure(relays[name], 'down', { rfb: 1 });
      results[name].push(down.cpu / (down.bytes / 2 ** 30));
    }
    for (const name of ['plain', 'tls']) {
      const down = await bench.measure(relays[name], 'down');
      results[name].push(down.bytes / down.seconds / MIB);
      results[`${name}Cpu`].push(down.cpu / (down.bytes / 2 ** 30));
    }
    log(
      `round ${round + 1}: CPU per GiB walked ${results.walked.at(-1).toFixed(2)}, not ${results.unwalked.at(-1).toFixed(2)}; TLS ${results.tls.at(-1).toFixed(0)} of ${results.plain.at(-1).toFixed(0)} MiB/s`,
    );
  }
  for (const relay of Object.values(relays)) await bench.stop(relay.child);
  const share = (median(results.walked) / median(results.unwalked) - 1) * 100;
  const tls = median(results.tls) / median(results.plain);
  return [
    row('policy parsing, more CPU', share, '%', {
      peer: 'not walked (s/GiB)',
      peerValue: median(results.unwalked),
      ...atMost(share, 5, ' %'),
    }),
    row('TLS in the process', median(results.tls), 'MiB/s', {
      peer: 'plain',
      peerValue: median(results.plain),
      ratio: tls,
      ...atLeast(tls, 0.8),
    }),
  ];
}
