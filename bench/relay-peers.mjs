// What bench/relay.mjs starts and measures: ours, its peers, the load, and the CPU and memory they take.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WORKER_FLAGS } from '../gateway/dist/relay/workers/pool.js';

export const HERE = path.dirname(fileURLToPath(import.meta.url));
const SECONDS = 2;
export const MIB = 1 << 20;
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
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
export function rssBytes(pid) {
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

export class Bench {
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
  node(script, ...args) {
    return this.nodeWith([], script, ...args);
  }
  async nodeWith(flags, script, ...args) {
    const words = [...flags, path.join(HERE, script), ...args];
    const child = this.start(process.execPath, words, ['pipe', 'pipe', 'inherit']);
    const { value } = await this.lines(child).next();
    return { child, port: Number(value.split(' ')[1]), ws: 1 };
  }
  /** Node without a WebSocket or a relay. */
  async nodePipe(tls) {
    const pipe = await this.node('relay-node-pipe.mjs', this.vm, ...(tls === undefined ? [] : [tls.key, tls.cert]));
    return { ...pipe, ws: 0, tls: tls === undefined ? 0 : 1 };
  }
  /** As a relay worker runs. */
  ours(options) {
    return this.nodeWith(WORKER_FLAGS, 'relay-server.mjs', JSON.stringify({ vm: this.vm, ...options }));
  }
  /** As the gateway's own process runs. */
  oursInGateway(options) {
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
  async haproxy(tls) {
    const port = await freePort();
    const file = path.join(this.folder, `haproxy-${port}.cfg`);
    writeFileSync(
      file,
      `global\n nbthread 1\n maxconn 8192\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h
frontend f\n bind 127.0.0.1:${port} ${tls === undefined ? '' : `ssl crt ${tls.both} ssl-min-ver TLSv1.3`}\n default_backend b\nbackend b\n server s unix@${this.vm}\n`,
    );
    const child = this.start('/usr/sbin/haproxy', ['-f', file, '-db'], ['pipe', 'ignore', 'ignore']);
    await untilOpen(port);
    return { child, port, ws: 0, tls: tls === undefined ? 0 : 1 };
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

  /** A second of load that is not counted: what is compiled, allocated or grown at first is behind everybody. */
  async warm(relays, more = {}) {
    for (const relay of Object.values(relays)) await this.measure(relay, 'down', { ...more, seconds: 1 });
  }

  /** Asks for a page again and again; the function that it gives ends that and gives how long each took, in ms. */
  probe(port) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const took = [];
    let isStopped = false;
    const ask = () =>
      new Promise((resolve, reject) => {
        http
          .get({ port, host: '127.0.0.1', agent }, (answer) => answer.resume().on('end', resolve))
          .on('error', reject);
      });
    const ended = (async () => {
      while (!isStopped) {
        const from = performance.now();
        await ask();
        took.push(performance.now() - from);
        await delay(5);
      }
      agent.destroy();
    })();
    return async () => {
      isStopped = true;
      await ended;
      return took;
    };
  }

  /** ECDSA P-256, self-signed; `both` is what haproxy wants. */
  certificate() {
    const [key, cert, both] = ['key.pem', 'cert.pem', 'both.pem'].map((name) => path.join(this.folder, name));
    const how = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench';
    execFileSync('openssl', ['req', ...how.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
    writeFileSync(both, `${readFileSync(cert)}${readFileSync(key)}`);
    return { key, cert, both };
  }

  /** Opens so many connections and keeps them until the load is stopped. */
  async hold(relay, count) {
    const child = this.start(
      this.load,
      ['idle', `port=${relay.port}`, `ws=${relay.ws}`, `count=${count}`],
      ['pipe', 'pipe', 'inherit'],
    );
    const { value } = await this.lines(child).next();
    const said = JSON.parse(value ?? '{}');
    if (said.count !== count) throw new Error(`${said.count} of ${count} sessions came up`);
    return child;
  }
}
