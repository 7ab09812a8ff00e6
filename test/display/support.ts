/** Real peers for the display tests: QEMU and Xtigervnc as VMs, a WebSocket of the `ws` package as a browser. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DialOptions, DisplayEndpoint } from '@oriel/hosts';
import { afterEach } from 'vitest';
import { WebSocket } from 'ws';
import { createTicket, type TicketRequest, ticketProtocol } from '../../gateway/api/ticket.ts';
import { type SessionFeature, type SessionFeatureDeps, sessionFeature } from '../../gateway/src/access/feature.ts';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import type { DesktopFacts, SessionKind } from '../../gateway/src/access/sessions/ports.ts';
import { startTestGateway, type TestGateway, type TestPerson } from '../../gateway/src/edge/testing/gateway.ts';
import { openLog } from '../../gateway/src/log.ts';

const TOY = fileURLToPath(new URL('../../hosts/guests/toy/toy.bin', import.meta.url));

/** Undoes everything that a test has opened, last first. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
export function atEnd(step: () => unknown): void {
  undo.push(step);
}

export function tempFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-display-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A process that goes with the test. */
export function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.stdout?.resume();
  child.stderr?.resume();
  atEnd(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  return child;
}

/** Until the condition holds. There is no event to await where another program opens a socket. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (end < Date.now()) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(10);
  }
}

export interface Vm {
  readonly display: string;
  readonly serial: string;
  readonly qmp: string;
  readonly process: ChildProcess;
}

/** QEMU with the toy guest on TCG: screen and serial port on unix sockets. */
export async function startQemu(...more: string[]): Promise<Vm> {
  const folder = tempFolder();
  const [display, serial, qmp] = ['vnc', 'serial', 'qmp'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const child = run('qemu-system-x86_64', [
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-vga',
    'std',
    '-m',
    '32',
    '-accel',
    'tcg,tb-size=16',
    '-drive',
    `file=${TOY},format=raw,if=ide,snapshot=on,file.locking=off`,
    '-serial',
    `unix:${serial},server=on,wait=off`,
    '-qmp',
    `unix:${qmp},server=on,wait=off`,
    '-vnc',
    `unix:${display},share=force-shared`,
    ...more,
  ]);
  await until('QEMU', () => (existsSync(display) && existsSync(qmp)) || child.exitCode !== null);
  return { display, serial, qmp, process: child };
}

/** An endpoint as a driver gives it. `offer`: the relay's read buffers are used. */
export function unixEndpoint(file: string, more: Partial<DisplayEndpoint> = {}, offer = true): DisplayEndpoint {
  const dial = ({ onread }: DialOptions = {}): Promise<Socket> =>
    connected(createConnection(onread === undefined || !offer ? { path: file } : { path: file, onread }));
  return { kind: 'rfb', expires: Date.now() + 30_000, dial, ...more };
}
export function tcpEndpoint(port: number, more: Partial<DisplayEndpoint> = {}): DisplayEndpoint {
  return {
    kind: 'rfb',
    expires: Date.now() + 30_000,
    dial: () => connected(createConnection({ host: '127.0.0.1', port })),
    ...more,
  };
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** A VM that does what the test says, on a unix socket. */
export async function fakeVm(onConnection: (socket: Socket) => void): Promise<string> {
  const file = path.join(tempFolder(), 'vm');
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(file, resolve));
  atEnd(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return file;
}

/** The least that an RFB server says, up to and including ServerInit: 3.8, None. */
export async function rfbServerHandshake(
  socket: Socket,
  { width = 64, height = 48, name = 'vm' } = {},
): Promise<ByteReader> {
  const reader = new ByteReader(socket);
  socket.write('RFB 003.008\n');
  await reader.read(12);
  socket.write(Buffer.of(1, 1));
  await reader.read(1);
  socket.write(Buffer.alloc(4));
  await reader.read(1);
  const init = Buffer.alloc(24);
  init.writeUInt16BE(width, 0);
  init.writeUInt16BE(height, 2);
  Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]).copy(init, 4);
  init.writeUInt32BE(Buffer.byteLength(name), 20);
  socket.write(Buffer.concat([init, Buffer.from(name)]));
  return reader;
}

interface ByteSource {
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
}

/** Waits for exactly n bytes. */
export class ByteReader {
  #bytes: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(source: ByteSource) {
    source.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    });
    source.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  async read(n: number): Promise<Buffer> {
    while (this.#bytes.byteLength < n) {
      if (this.#isClosed) throw new Error(`closed after ${this.#bytes.byteLength} of ${n} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#bytes.subarray(0, n);
    this.#bytes = this.#bytes.subarray(n);
    return taken;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What has come so far. */
  get waiting(): Buffer {
    return this.#bytes;
  }
}

export interface DisplayGateway extends TestGateway {
  readonly feature: SessionFeature;
  /** What the desktops are; change it and the next session sees the change. */
  readonly desktops: Map<string, TestDesktop>;
  /** Somebody with the right `open` on the desktop. */
  user(name: string, desktopId?: string): Promise<TestPerson>;
  ticket(
    person: TestPerson,
    desktopId?: string,
    want?: Partial<TicketRequest>,
  ): Promise<{ ticket: string; sessionId: string }>;
  /** Opens the socket with a ticket, as the browser of that person. */
  socket(person: TestPerson | undefined, ticket: string, ...protocols: string[]): BrowserSocket;
}
export interface TestDesktop extends Partial<DesktopFacts> {
  readonly endpoint: (kind: SessionKind) => DisplayEndpoint | Promise<DisplayEndpoint>;
}

export async function startDisplayGateway(
  desktops: Readonly<Record<string, TestDesktop>>,
  options: Partial<Pick<SessionFeatureDeps, 'caps' | 'isTiedToAddress' | 'workers' | 'workerEntry'>> & {
    readonly webFolder?: string;
    /** Of the gateway's state, to start another on it. */
    readonly folder?: string;
    /** Every line of the gateway's log, from trace up. */
    readonly onLog?: (line: string) => void;
  } = {},
): Promise<DisplayGateway> {
  const known = new Map(Object.entries(desktops));
  const features: SessionFeature[] = [];
  const { onLog, folder, webFolder } = options;
  const gateway = await startTestGateway({
    ...(folder === undefined ? {} : { folder }),
    ...(onLog === undefined ? {} : { log: openLog({ level: 'trace', destination: { write: onLog } }) }),
    server: webFolder === undefined ? {} : { webFolder },
    features: (edge) => {
      const feature = sessionFeature({
        ...edge,
        ...options,
        desktops: {
          describe: async (id) => {
            const desktop = known.get(id);
            if (desktop === undefined) return undefined;
            return {
              name: `desktop ${id}`,
              kinds: ['display', 'serial'],
              isOn: true,
              policy: DEFAULT_POLICY,
              ...desktop,
            };
          },
          endpoint: async (id, kind) => {
            const desktop = known.get(id);
            if (desktop === undefined) throw new Error(`no desktop ${id}`);
            return await desktop.endpoint(kind);
          },
        },
      });
      features.push(feature);
      const desktop = async (id: string) => (known.has(id) ? { desktopId: id } : undefined);
      return { ...feature, lookups: { ...feature.lookups, desktop } };
    },
  });
  const [feature] = features as [SessionFeature];
  await feature.start();
  atEnd(async () => {
    await feature.close();
    await gateway.close();
  });
  return {
    ...gateway,
    feature,
    desktops: known,
    user: async (name, desktopId = 'd1') => {
      const person = await gateway.person(name, 'user');
      await gateway.assign(person.userId, desktopId, 'open');
      return person;
    },
    ticket: (person, desktopId = 'd1', want = {}) =>
      person.client.call(createTicket, { params: { desktopId }, body: { kind: 'display', mode: 'control', ...want } }),
    socket: (person, ticket, ...protocols) =>
      new BrowserSocket(gateway.origin, person?.headers ?? {}, ticket, protocols),
  };
}

/** A browser's WebSocket, read as a stream of bytes. */
export class BrowserSocket {
  readonly socket: WebSocket;
  readonly reader: ByteReader;
  /** The close code and reason. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly opened: Promise<void>;

  constructor(origin: string, headers: Readonly<Record<string, string>>, ticket: string, more: readonly string[] = []) {
    const protocols = ['binary', ticketProtocol(ticket), ...more];
    this.socket = new WebSocket(`${origin.replace('http', 'ws')}/ws/session`, protocols, { headers });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve());
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.reader = new ByteReader({
      on: (event: string, listener: (bytes: Buffer) => void) =>
        this.socket.on(event === 'data' ? 'message' : 'close', listener as () => void),
    });
    atEnd(() => this.socket.terminate());
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.opened;
    this.socket.send(bytes);
  }

  /** The viewer's side of the handshake, as noVNC does it. Gives ServerInit. */
  async rfb(): Promise<{ width: number; height: number; name: string }> {
    const version = await this.reader.read(12);
    await this.send(version);
    const [count = 0] = await this.reader.read(1);
    await this.reader.read(count);
    await this.send(Buffer.of(1));
    await this.reader.read(4);
    await this.send(Buffer.of(1));
    const init = await this.reader.read(24);
    const name = await this.reader.read(init.readUInt32BE(20));
    return { width: init.readUInt16BE(0), height: init.readUInt16BE(2), name: name.toString() };
  }
}

/** Until the toy guest echoes on its serial port: it is up, and what is typed from here on arrives. */
export async function guestAnswers(console: BrowserSocket): Promise<void> {
  await until('an echo of the guest', async () => {
    await console.send(Buffer.from('.'));
    return console.reader.waiting.includes('.');
  });
}

/** Client messages, RFC 6143, 7.5. */
export const say = {
  encodings: (...encodings: number[]): Buffer => {
    const bytes = Buffer.alloc(4 + 4 * encodings.length);
    bytes[0] = 2;
    bytes.writeUInt16BE(encodings.length, 2);
    encodings.forEach((encoding, i) => bytes.writeInt32BE(encoding, 4 + 4 * i));
    return bytes;
  },
  update: (width: number, height: number, isIncremental = false): Buffer => {
    const bytes = Buffer.alloc(10);
    bytes[0] = 3;
    bytes[1] = isIncremental ? 1 : 0;
    bytes.writeUInt16BE(width, 6);
    bytes.writeUInt16BE(height, 8);
    return bytes;
  },
  key: (keysym: number, isDown: boolean): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes[0] = 4;
    bytes[1] = isDown ? 1 : 0;
    bytes.writeUInt32BE(keysym, 4);
    return bytes;
  },
  pointer: (mask: number, x: number, y: number): Buffer => {
    const bytes = Buffer.alloc(6);
    bytes[0] = 5;
    bytes[1] = mask;
    bytes.writeUInt16BE(x, 2);
    bytes.writeUInt16BE(y, 4);
    return bytes;
  },
  cutText: (text: string): Buffer => {
    const body = Buffer.from(text, 'latin1');
    const bytes = Buffer.alloc(8 + body.byteLength);
    bytes[0] = 6;
    bytes.writeUInt32BE(body.byteLength, 4);
    body.copy(bytes, 8);
    return bytes;
  },
};

/** Reads one FramebufferUpdate of raw rectangles and desktop sizes; gives the pixels painted. */
export async function readRawUpdate(reader: ByteReader): Promise<number> {
  for (;;) {
    const [type] = await reader.read(1);
    if (type === 2) continue; // A bell.
    if (type !== 0) throw new Error(`message ${type} instead of an update`);
    break;
  }
  const rects = (await reader.read(3)).readUInt16BE(1);
  let pixels = 0;
  for (let i = 0; i < rects; i += 1) {
    const rect = await reader.read(12);
    const [width, height, encoding] = [rect.readUInt16BE(4), rect.readUInt16BE(6), rect.readInt32BE(8)];
    if (encoding !== 0) throw new Error(`encoding ${encoding}`);
    await reader.read(width * height * 4);
    pixels += width * height;
  }
  return pixels;
}
