/**
 * The proxies of docs/operations.md, as they are written there: each is started for real in front of a gateway, and a
 * desktop is opened through it. And what is said where a proxy is not set up like that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCertificate } from '../../gateway/src/edge/http/certificate.ts';
import { openLog } from '../../gateway/src/log.ts';
import { openBrowser } from '../support/browser.ts';
import { openStage, type Stage, startXServer, type XServer } from './stage.ts';
import { untilStatus } from './support.ts';

const DOCUMENT = readFileSync(fileURLToPath(new URL('../../docs/operations.md', import.meta.url)), 'utf8');
/** Somebody on this machine who is not the proxy, and who they say they are. */
const CLIENT = '127.0.0.3';
const LIAR = '9.9.9.9';

/** The example in that language. */
function example(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(DOCUMENT)?.[1];
  if (found === undefined) throw new Error(`docs/operations.md has no example for ${language}`);
  return found;
}

interface ProxyKind {
  readonly name: string;
  /** The program and its arguments. One process, which ends when it is killed. */
  readonly command: (file: string) => readonly [string, ...string[]];
  /** What Debian's own configuration has around the example. */
  readonly around: (example: string) => string;
}

const NGINX: ProxyKind = {
  name: 'nginx',
  command: (file) => ['/usr/sbin/nginx', '-c', file],
  around: (text) => `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
    events {}
    http { access_log off; client_body_temp_path ${folder}/n1; proxy_temp_path ${folder}/n2;
      fastcgi_temp_path ${folder}/n3; uwsgi_temp_path ${folder}/n4; scgi_temp_path ${folder}/n5;
      ${text} }`,
};
const PROXIES: readonly ProxyKind[] = [
  NGINX,
  { name: 'haproxy', command: (file) => ['/usr/sbin/haproxy', '-db', '-f', file], around: (text) => text },
  {
    name: 'caddy',
    command: (file) => ['/usr/bin/caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    around: (text) => `{\n admin off\n auto_https disable_redirects\n}\n${text}`,
  },
  {
    name: 'apache',
    command: (file) => ['/usr/sbin/apache2', '-X', '-f', file],
    around: (text) => {
      const modules = /a2enmod (.*)/.exec(text)?.[1]?.split(' ') ?? [];
      const load = ['mpm_event', 'authz_core', ...modules]
        .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
        .join('\n');
      const port = /<VirtualHost \*:(\d+)>/.exec(text)?.[1] ?? '';
      return `ServerName here.example\nServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/apache.pid
        ErrorLog ${folder}/apache.log\nUser www-data\nGroup www-data\n${load}\nListen ${port}\n${text}`;
    },
  },
];

let folder: string;
let x: XServer;
let stage: Stage;
let browser: Browser;
const ports = new Map<string, number>();
const children: ChildProcess[] = [];
const log: Record<string, unknown>[] = [];

/** A proxy that passes no WebSockets, and one whose name the gateway was not told. */
const NAMES = [...PROXIES.map(({ name }) => name), 'deaf', 'unknown'];
const hostOf = (name: string): string => `${name}.example`;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-proxies-'));
  for (const name of NAMES) ports.set(name, await freePort());
  const known = NAMES.filter((name) => name !== 'unknown').map((name) => `https://${hostOf(name)}`);
  x = await startXServer();
  const write = (line: string): void => void log.push(JSON.parse(line) as Record<string, unknown>);
  stage = await openStage(
    x.endpoint,
    {},
    {
      env: { ORIEL_ORIGIN: known.join(','), ORIEL_TRUSTED_PROXY: '127.0.0.1' },
      log: openLog({ destination: { write } }),
    },
  );
  const origins = NAMES.map((name) => `https://${hostOf(name)}`);
  const tls = { isOn: true, certFile: undefined, keyFile: undefined };
  const made = await openCertificate({ tls, origins, dataFolder: folder }, Date.now());
  for (const [name, text] of [
    ['cert.pem', made.cert],
    ['key.pem', made.key],
    ['both.pem', made.cert + made.key],
  ] as const) {
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  }
  const rules = [...ports].map(([name, port]) => `MAP ${hostOf(name)} 127.0.0.1:${port}`);
  browser = await openBrowser([`--host-resolver-rules=${rules.join(',')}`]);
}, 60_000);

afterAll(async () => {
  await browser?.close();
  for (const child of children) {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await gone;
  }
  await stage?.close();
  await x?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The example with the ports, files and names of this test in it. */
function adapted(text: string, name: string): string {
  const port = ports.get(name);
  return text
    .replaceAll('/etc/ssl/oriel', folder)
    .replaceAll('127.0.0.1:8443', `127.0.0.1:${stage.gateway.server.port}`)
    .replaceAll(/\b443\b/g, String(port))
    .replaceAll(/oriel\.example(?= \{)/g, `${hostOf(name)}:${port}`)
    .replaceAll('oriel.example', hostOf(name));
}

async function startProxy(kind: ProxyKind, text: string, name: string): Promise<void> {
  const file = path.join(folder, `${name}.conf`);
  writeFileSync(file, kind.around(adapted(text, name)));
  const [program, ...args] = kind.command(file);
  const child = spawn(program, args, { env: { ...process.env, HOME: folder }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  // There is no event to await where another program opens a port.
  await expect
    .poll(
      async () =>
        child.exitCode === null ? (await ask(name, 'GET', '/healthz').catch(() => undefined))?.status : said,
      {
        timeout: 15_000,
        interval: 50,
      },
    )
    .toBe(200);
}

interface Reply {
  readonly status: number | undefined;
  readonly cookie: string | undefined;
  readonly text: string;
}

/** A request through the proxy, from another address, by somebody who claims to have a third. */
async function send(name: string, method: string, route: string, body?: unknown, more = {}): Promise<IncomingMessage> {
  const request = https.request({
    host: '127.0.0.1',
    port: ports.get(name),
    localAddress: CLIENT,
    servername: hostOf(name),
    ca: readFileSync(path.join(folder, 'cert.pem')),
    agent: false,
    method,
    path: route,
    headers: {
      host: hostOf(name),
      'content-type': 'application/json',
      'x-forwarded-for': LIAR,
      ...more,
    },
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}
async function ask(name: string, method: string, route: string, body?: unknown): Promise<Reply> {
  const response = await send(name, method, route, body, { origin: `https://${hostOf(name)}` });
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode, cookie: response.headers['set-cookie']?.[0]?.split(';')[0], text };
}

/** Signs in with a one-time link, through the proxy. */
async function signIn(name: string): Promise<Reply> {
  const { token } = await stage.gateway.auth.links.create(stage.person.userId);
  return await ask(name, 'POST', '/api/v1/sign-in/link', { link: token });
}

/** A page of a browser of its own, at that address of the proxy. */
async function openPage(name: string, route: string, cookie = ''): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const [key = '', value = ''] = cookie.split('=');
  const own = { domain: hostOf(name), path: '/', secure: true, httpOnly: true };
  if (cookie !== '') await context.addCookies([{ name: key, value, ...own }]);
  const page = await context.newPage();
  await page.goto(`https://${hostOf(name)}${route}`);
  return page;
}

test.for(PROXIES)('$name: its example opens a desktop, passes live events and says who asks', async (kind) => {
  const { name } = kind;
  await startProxy(kind, example(name), name);
  const { status, cookie = '' } = await signIn(name);
  expect(status).toBe(200);
  expect(cookie).toMatch(/^__Host-oriel=/); // Only where the gateway knows that TLS is in front.
  const [line] = await stage.gateway.audit.list({ action: 'sign-in.link' }, 1);
  expect(line?.address).toBe(CLIENT);

  const events = await send(name, 'GET', '/api/v1/events?topics=session', undefined, { cookie });
  const [first] = (await once(events, 'data')) as [Buffer];
  expect(first.toString()).toContain('event: hello');
  events.destroy();

  const page = await openPage(name, '/desktops/d1', cookie);
  await untilStatus(page, 'Connected');
  await page.context().close();
});

const DEAF = `server {
  listen 443 ssl; server_name oriel.example;
  ssl_certificate /etc/ssl/oriel/cert.pem; ssl_certificate_key /etc/ssl/oriel/key.pem;
  location / { proxy_pass http://127.0.0.1:8443; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto https; }
}`;

test('a proxy that passes no WebSockets: the page and the log name the cause', async () => {
  await startProxy(NGINX, DEAF, 'deaf');
  const { cookie = '' } = await signIn('deaf');
  const page = await openPage('deaf', '/desktops/d1', cookie);
  await page.getByText('its WebSockets do not come through').first().waitFor();
  await page.context().close();
  expect(log.find(({ msg }) => msg === 'websocket.not-passed')).toMatchObject({
    level: 40,
    hint: expect.stringContaining('docs/operations.md'),
  });
});

test('an address that the gateway was not told: said there, in the log, and to who runs it', async () => {
  await startProxy(NGINX, example('nginx'), 'unknown');
  const page = await openPage('unknown', '/sign-in');
  await page.getByRole('textbox', { name: 'Name' }).fill('ann');
  await page.getByRole('textbox', { name: 'Password' }).fill('whatever it is');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('does not know https://unknown.example as an address of its own').first().waitFor();
  await page.context().close();
  expect(log.find(({ code }) => code === 'WRONG_ORIGIN')).toMatchObject({
    msg: 'request.refused',
    origin: 'https://unknown.example',
    hint: expect.stringContaining('ORIEL_ORIGIN'),
  });

  const root = await stage.gateway.person('root', 'admin');
  const admin = await openPage('deaf', '/account', root.headers.cookie);
  await admin.getByText('start it with ORIEL_ORIGIN=https://unknown.example').waitFor();
  await admin.getByRole('button', { name: 'Put away' }).click();
  await admin.getByText('ORIEL_ORIGIN=https://unknown.example').waitFor({ state: 'detached' });
  await admin.context().close();
  const ann = await openPage('deaf', '/account', stage.person.headers.cookie);
  await ann.getByRole('button', { name: 'Account of ann' }).waitFor();
  expect(await ann.getByText('unknown.example').count()).toBe(0);
  await ann.context().close();
});
