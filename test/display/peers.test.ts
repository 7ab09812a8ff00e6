/** Peers that are not ours on both sides: TigerVNC's server, rfb2 as a client, noVNC in Chromium. */
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import 'reflect-metadata'; // Before the next one, which needs it.
import * as x509 from '@peculiar/x509';
import { expect, test } from 'vitest';
import { resumeSession } from '../../gateway/api/session.ts';
import { SESSION_CLOSE, ticketProtocol } from '../../gateway/api/ticket.ts';
import { rfbPolicy } from '../../gateway/relay/rfb/policy.ts';
import { openDisplay, RelayShare } from '../../gateway/relay/rfb/rfb-session.ts';
import { answerChallenge } from '../../gateway/relay/rfb/vnc-auth.ts';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import { openBrowser } from '../support/browser.ts';
import { StreamChannel } from './stream-channel.ts';
import {
  atEnd,
  guestAnswers,
  readRawUpdate,
  run,
  say,
  startDisplayGateway,
  startQemu,
  tcpEndpoint,
  tempFolder,
  unixEndpoint,
  until,
} from './support.ts';

const NOVNC = path.dirname(createRequire(import.meta.url).resolve('@novnc/novnc')).replace(/core$/, '');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** TigerVNC's X server. Its password file is the password under a key that everybody knows. */
async function startXvnc(...more: string[]): Promise<{ port: number; folder: string }> {
  return startXvncWith({}, ...more);
}

async function startXvncWith(
  env: Readonly<Record<string, string>>,
  ...more: string[]
): Promise<{ port: number; folder: string }> {
  const folder = tempFolder();
  const port = await freePort();
  const known = String.fromCharCode(23, 82, 107, 6, 35, 78, 88, 7);
  writeFileSync(path.join(folder, 'passwd'), answerChallenge(Buffer.from('secret12'), known), { mode: 0o600 });
  const args = `:${port} -geometry 320x240 -depth 24 -interface 127.0.0.1 -rfbport ${port} -AlwaysShared -nolisten tcp`;
  const child = run('Xtigervnc', [...args.split(' '), '-PasswordFile', path.join(folder, 'passwd'), ...more], env);
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await until('Xtigervnc', () => {
    if (child.exitCode !== null) throw new Error(`Xtigervnc ended: ${log}`);
    return log.includes('created VNC server');
  });
  return { port, folder };
}

async function certificates(folder: string, serverName: string): Promise<{ ca: string; cert: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const [caKeys, keys] = [
    await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
    await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
  ];
  const notBefore = new Date(Date.now() - 60_000);
  const notAfter = new Date(Date.now() + 3_600_000);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test CA',
    keys: caKeys,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter,
    extensions: [new x509.BasicConstraintsExtension(true)],
  });
  const cert = await x509.X509CertificateGenerator.create({
    subject: `CN=${serverName}`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    notBefore,
    notAfter,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: serverName }])],
  });
  const files = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') };
  writeFileSync(files.cert, cert.toString('pem'));
  writeFileSync(
    files.key,
    x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    { mode: 0o600 },
  );
  return { ca: ca.toString('pem'), ...files };
}

test('Xtigervnc with VNC authentication: the gateway knows the password, the browser does not', async () => {
  const { port } = await startXvnc('-SecurityTypes', 'VncAuth');
  const gateway = await startDisplayGateway({
    d1: { endpoint: () => tcpEndpoint(port, { oneTimeSecret: 'secret12' }) },
  });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  expect(await browser.rfb()).toEqual({ width: 320, height: 240, name: 'desktop d1' });
  await browser.send(Buffer.concat([say.encodings(0), say.update(320, 240)]));
  expect(await readRawUpdate(browser.reader)).toBe(320 * 240);
});

test('a wrong secret is a VM that does not let us in, and the browser does not hear why', async () => {
  const { port } = await startXvnc('-SecurityTypes', 'VncAuth');
  const gateway = await startDisplayGateway({ d1: { endpoint: () => tcpEndpoint(port, { oneTimeSecret: 'wrong' }) } });
  const ann = await gateway.user('ann');
  const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  expect(await browser.closed).toEqual({ code: SESSION_CLOSE.VM_PROTOCOL, reason: 'vm-protocol' });
});

test('Xtigervnc with VeNCrypt and X509: the certificate is checked by CA and name', async () => {
  const folder = tempFolder();
  const { ca, cert, key } = await certificates(folder, 'vm.example');
  const other = await certificates(tempFolder(), 'vm.example');
  const { port } = await startXvnc('-SecurityTypes', 'X509Vnc,X509None,TLSNone', '-X509Cert', cert, '-X509Key', key);
  const tls = { ca, serverName: 'vm.example' };
  const gateway = await startDisplayGateway({
    vnc: { endpoint: () => tcpEndpoint(port, { oneTimeSecret: 'secret12', tls }) },
    none: { endpoint: () => tcpEndpoint(port, { tls }) },
    name: { endpoint: () => tcpEndpoint(port, { tls: { ca, serverName: 'other.example' } }) },
    ca: { endpoint: () => tcpEndpoint(port, { tls: { ca: other.ca, serverName: 'vm.example' } }) },
  });
  const ann = await gateway.person('ann', 'operator');
  for (const desktop of ['vnc', 'none']) {
    const browser = gateway.socket(ann, (await gateway.ticket(ann, desktop)).ticket);
    expect(await browser.rfb()).toMatchObject({ width: 320, height: 240 });
    await browser.send(Buffer.concat([say.encodings(0), say.update(320, 240)]));
    expect(await readRawUpdate(browser.reader)).toBe(320 * 240);
  }
  for (const desktop of ['name', 'ca']) {
    const browser = gateway.socket(ann, (await gateway.ticket(ann, desktop)).ticket);
    expect((await browser.closed).code).toBe(SESSION_CLOSE.VM_PROTOCOL);
  }
});

/** PAM from files of our own: the library is put under the server, the machine's own services stay as they are. */
function pamWith(folder: string, user: string, password: string): Record<string, string> {
  const users = path.join(folder, 'users');
  const matrix = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/pam_wrapper/pam_matrix.so`;
  writeFileSync(users, `${user}:${password}:vnc\n`, { mode: 0o600 });
  mkdirSync(path.join(folder, 'pam.d'));
  const lines = ['auth', 'account', 'session'].map((type) => `${type} required ${matrix} passdb=${users}\n`);
  writeFileSync(path.join(folder, 'pam.d', 'vnc'), lines.join(''));
  return { LD_PRELOAD: 'libpam_wrapper.so', PAM_WRAPPER: '1', PAM_WRAPPER_SERVICE_DIR: path.join(folder, 'pam.d') };
}

test('Xtigervnc with VeNCrypt X509Plain: name and password of the endpoint, a wrong one is refused', async () => {
  const folder = tempFolder();
  const { ca, cert, key } = await certificates(folder, 'vm.example');
  const { port } = await startXvncWith(
    pamWith(folder, 'oriel', 'a long one-time secret'),
    '-SecurityTypes',
    'X509Plain',
    '-PlainUsers',
    'oriel',
    '-X509Cert',
    cert,
    '-X509Key',
    key,
  );
  const secured = { tls: { ca, serverName: 'vm.example' }, oneTimeSecret: 'a long one-time secret', userName: 'oriel' };
  const gateway = await startDisplayGateway({
    right: { endpoint: () => tcpEndpoint(port, secured) },
    name: { endpoint: () => tcpEndpoint(port, { ...secured, userName: 'other' }) },
    secret: { endpoint: () => tcpEndpoint(port, { ...secured, oneTimeSecret: 'a long one-time secreT' }) },
  });
  const ann = await gateway.person('ann', 'operator');
  const browser = gateway.socket(ann, (await gateway.ticket(ann, 'right')).ticket);
  expect(await browser.rfb()).toMatchObject({ width: 320, height: 240 });
  await browser.send(Buffer.concat([say.encodings(0), say.update(320, 240)]));
  expect(await readRawUpdate(browser.reader)).toBe(320 * 240);
  for (const desktop of ['name', 'secret']) {
    const refused = gateway.socket(ann, (await gateway.ticket(ann, desktop)).ticket);
    expect((await refused.closed).code).toBe(SESSION_CLOSE.VM_PROTOCOL);
  }
});

test.for(['TLSNone,TLSVnc', 'TLSNone,VncAuth,None', 'VncAuth', 'None'])(
  'S16: a VM that offers %s where a certificate is expected is refused',
  async (offered) => {
    const { port } = await startXvnc('-SecurityTypes', offered);
    const tls = { ca: (await certificates(tempFolder(), 'vm')).ca, serverName: 'vm' };
    const gateway = await startDisplayGateway({
      d1: { endpoint: () => tcpEndpoint(port, { oneTimeSecret: 'secret12', tls }) },
    });
    const ann = await gateway.user('ann');
    const browser = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
    expect((await browser.closed).code).toBe(SESSION_CLOSE.VM_PROTOCOL);
  },
);

interface Rfb2 {
  readonly width: number;
  readonly height: number;
  on(event: 'connect' | 'error', listener: (error?: Error) => void): void;
  on(event: 'rect', listener: (rect: { width: number; height: number; data?: Buffer }) => void): void;
  requestUpdate(isIncremental: boolean, x: number, y: number, width: number, height: number): void;
  end(): void;
}

test('rfb2, over a connection without a WebSocket, paints the screen of a QEMU VM', async () => {
  const vm = await startQemu();
  const share = new RelayShare();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const conduit = openDisplay({
      share,
      openChannel: (events) => new StreamChannel(socket, events),
      endpoint: async () => unixEndpoint(vm.display),
      desktopId: 'd1',
      desktopName: 'unframed',
      policy: rfbPolicy(DEFAULT_POLICY, () => true),
      isWalked: true,
      bandwidthBytesPerSecond: null,
      now: Date.now,
      events: {
        onReady: () => {},
        onInput: () => {},
        onClipboardRefused: () => {},
        onEnd: () => conduit.close(SESSION_CLOSE.NORMAL, ''),
      },
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const rfb2 = createRequire(import.meta.url)('rfb2') as {
    createConnection(options: object): Rfb2;
    encodings: { raw: number; copyRect: number };
  };
  const { port } = server.address() as { port: number };
  const client = rfb2.createConnection({
    host: '127.0.0.1',
    port,
    encodings: [rfb2.encodings.raw, rfb2.encodings.copyRect],
  });
  atEnd(() => client.end());
  let pixels = 0;
  client.on('rect', ({ width, height }) => (pixels += width * height));
  await new Promise<void>((resolve, reject) => {
    client.on('connect', () => resolve());
    client.on('error', (error) => reject(error ?? new Error('rfb2 failed')));
  });
  expect(client.width).toBeGreaterThan(600);
  client.requestUpdate(false, 0, 0, client.width, client.height);
  await until('a screen full of pixels', () => 100_000 < pixels);
});

const PAGE = '<div id="screen"></div><script type="module" src="/page.js"></script>';
/** Gives the milliseconds from the call to the first pixels that are not one colour. */
const PAGE_SCRIPT = `
import RFB from '/core/rfb.js';
globalThis.openScreen = async ([url, protocol]) => {
  const from = performance.now();
  const target = document.getElementById('screen');
  target.replaceChildren();
  const rfb = (globalThis.rfb = new RFB(target, url, { wsProtocols: ['binary', protocol] }));
  await new Promise((resolve, reject) => {
    rfb.addEventListener('connect', resolve);
    rfb.addEventListener('disconnect', () => reject(new Error('disconnected')));
  });
  const isPainted = () => {
    const canvas = target.querySelector('canvas');
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size > 2;
  };
  while (!isPainted()) await new Promise((resolve) => requestAnimationFrame(resolve));
  return performance.now() - from;
};`;

test('noVNC in Chromium shows a QEMU VM, types into it, and is back in the same screen after a drop', async () => {
  const vm = await startQemu();
  const webFolder = tempFolder();
  for (const part of ['core', 'vendor'])
    cpSync(path.join(NOVNC, part), path.join(webFolder, part), { recursive: true });
  writeFileSync(path.join(webFolder, 'index.html'), PAGE);
  writeFileSync(path.join(webFolder, 'page.js'), PAGE_SCRIPT);
  const gateway = await startDisplayGateway(
    { d1: { endpoint: (kind) => unixEndpoint(kind === 'display' ? vm.display : vm.serial) } },
    { webFolder },
  );
  const ann = await gateway.user('ann');
  const console = gateway.socket(ann, (await gateway.ticket(ann, 'd1', { kind: 'serial' })).ticket);
  await guestAnswers(console);
  const browser = await openBrowser();
  atEnd(() => browser.close());
  const context = await browser.newContext();
  const [name = '', value = ''] = ann.headers.cookie.split('=');
  await context.addCookies([{ name, value, url: gateway.origin }]);
  const page = await context.newPage();
  await page.goto(`${gateway.origin}/`);
  await page.waitForFunction('globalThis.openScreen !== undefined');
  const socketUrl = `${gateway.origin.replace('http', 'ws')}/ws/session`;
  const open = (ticket: string): Promise<number> =>
    page.evaluate<number>(`openScreen(${JSON.stringify([socketUrl, ticketProtocol(ticket)])})`);
  const { ticket, sessionId } = await gateway.ticket(ann);
  await open(ticket);
  await page.locator('canvas').click();
  await page.keyboard.type('oriel');
  await until('what was typed', () => console.reader.waiting.toString().includes('oriel'));

  await page.evaluate('rfb.disconnect()');
  await until('the parked session', () => gateway.feature.sessions.get(sessionId)?.phase.state === 'parked');
  const again = await ann.client.call(resumeSession, { params: { sessionId } });
  const backMs = await open(again.ticket);
  expect(gateway.feature.sessions.get(sessionId)?.phase.state).toBe('live');
  process.stderr.write(`back in the same screen after ${backMs.toFixed(0)} ms\n`);
});
