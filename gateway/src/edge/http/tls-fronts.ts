/**
 * TLS fronts, as the gateway sees them: it accepts and counts TCP connections and hands each, before anything is read, to the
 * process that ends TLS on it. That process comes back on a unix socket of ours with the token that went with the
 * connection, and from there on it is a plain connection of the ordinary server: one that a relay worker can carry, too.
 * A front that dies takes its connections with it, and is started again (docs/decisions/0006).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../config.ts';
import { StartError } from '../../errors.ts';
import { isFrontedFor } from '../api/socket-peer.ts';
import type { CertificateUser, TlsContext } from './certificate.ts';
import type { Gate } from './connections.ts';
import type { FromFront, ToFront } from './tls-front-messages.ts';

export interface TlsFrontsOptions {
  readonly count: number;
  /** Where the program of a front lies, when not beside the built gateway. */
  readonly entry?: string | undefined;
  readonly dataFolder: string;
  readonly context: TlsContext;
  readonly gate: Gate;
}

interface Arrival {
  readonly raw: Socket;
  readonly token: string;
  readonly leave: () => void;
}

interface Front {
  readonly child: ChildProcess;
  /** Connections that it holds, also those that have no request yet. */
  readonly arrivals: Map<number, Arrival>;
  isUp: boolean;
}

const FRONT_LIMITS = { restartMs: 500, lingerMs: 30_000, endMs: 2_000, ticketKeyBytes: 48 } as const;
/** 24 random bytes as base64url. */
const TOKEN_CHARS = 32;

/** In the built gateway the front lies beside this file. */
const ENTRY = fileURLToPath(new URL('./tls-front.js', import.meta.url));

export class TlsFronts implements CertificateUser {
  /** Where browsers connect. */
  readonly tcp: Server;
  readonly #options: TlsFrontsOptions;
  readonly #path: string;
  readonly #fronts = new Set<Front>();
  /** The browser's address, by the token that its front will show once. */
  readonly #tokens = new Map<string, string>();
  /** Sockets that have not shown theirs yet. */
  readonly #strangers = new Set<Socket>();
  #settings: ToFront;
  #nextId = 1;
  #isClosed = false;

  private constructor(options: TlsFrontsOptions) {
    this.#options = options;
    this.#path = path.join(options.dataFolder, 'run', 'tls.sock');
    this.#settings = this.#settingsFor(options.context);
    this.tcp = createServer({ pauseOnConnect: true, noDelay: true }, (raw) => this.#take(raw));
  }

  /** `server` listens on the internal socket then, and serves who comes through a front. `tcp` does not listen yet. */
  static async start(server: HttpServer, options: TlsFrontsOptions): Promise<TlsFronts> {
    const fronts = new TlsFronts(options);
    await fronts.#listenInside(server);
    try {
      await Promise.all(Array.from({ length: options.count }, () => fronts.#startFirst()));
    } catch (error) {
      server.close();
      await fronts.close();
      throw error;
    }
    return fronts;
  }

  /** The fronts that are up, by process id. */
  get pids(): readonly number[] {
    return [...this.#fronts].flatMap(({ child, isUp }) => (isUp && child.pid !== undefined ? [child.pid] : []));
  }

  /** Connections of browsers. */
  get connections(): number {
    return [...this.#fronts].reduce((sum, { arrivals }) => sum + arrivals.size, 0);
  }

  setSecureContext(context: TlsContext): void {
    this.#settings = this.#settingsFor(context);
    for (const front of this.#fronts) say(front, this.#settings);
  }

  /** Takes no more connections; those that are there go on. */
  stop(): void {
    this.tcp.close();
    for (const socket of this.#strangers) socket.destroy();
  }

  /** What was said to browsers still reaches them; then the fronts are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.stop();
    await Promise.all(
      [...this.#fronts].map(async ({ child }) => {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        if (child.connected) child.disconnect();
        const late = setTimeout(() => child.kill('SIGKILL'), 2 * FRONT_LIMITS.endMs);
        await gone;
        clearTimeout(late);
      }),
    );
  }

  #settingsFor(context: TlsContext): ToFront {
    const ticketKeys = randomBytes(FRONT_LIMITS.ticketKeyBytes).toString('base64');
    const { lingerMs, endMs } = FRONT_LIMITS;
    const handshakeTimeoutMs = LIMITS.headersTimeoutMs;
    return { kind: 'settings', context, ticketKeys, path: this.#path, handshakeTimeoutMs, lingerMs, endMs };
  }

  /** The server itself listens, since only one that does watches its timeouts; before it serves, the token is asked for. */
  async #listenInside(server: HttpServer): Promise<void> {
    const serve = server.listeners('connection') as ((this: HttpServer, socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) =>
      this.#greet(socket, () => {
        for (const each of serve) each.call(server, socket);
      }),
    );
    const folder = path.dirname(this.#path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700); // Nobody else may pass, whatever the socket's own mode is for a moment.
    await rm(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    await chmod(this.#path, 0o600);
  }

  #greet(socket: Socket, serve: () => void): void {
    const late = setTimeout(() => socket.destroy(), LIMITS.headersTimeoutMs);
    const onError = (): void => {};
    const onReadable = (): void => {
      const bytes = socket.read(TOKEN_CHARS) as Buffer | null;
      if (bytes === null) return;
      socket.off('readable', onReadable);
      const token = bytes.toString('latin1');
      const address = this.#tokens.get(token);
      if (address === undefined) return void socket.destroy();
      this.#tokens.delete(token); // Good for one connection.
      forget();
      socket.off('close', forget).off('error', onError);
      isFrontedFor(socket, address);
      serve();
    };
    const forget = (): void => {
      clearTimeout(late);
      this.#strangers.delete(socket);
    };
    this.#strangers.add(socket);
    socket.on('error', onError).on('close', forget).on('readable', onReadable);
  }

  #take(raw: Socket): void {
    raw.on('error', () => {});
    const address = raw.remoteAddress;
    const front = this.#idlest();
    // BOUNDED: `tcp` itself cannot count what it has handed over.
    const hasRoom = address !== undefined && front !== undefined && this.connections < LIMITS.connections;
    const leave = hasRoom ? this.#options.gate(address) : undefined;
    if (address === undefined || front === undefined || leave === undefined) return void raw.destroy();
    const id = this.#nextId;
    this.#nextId += 1;
    const token = randomBytes(24).toString('base64url');
    this.#tokens.set(token, address);
    front.arrivals.set(id, { raw, token, leave });
    // Else Node has `tcp` ask its children for their sockets when it closes, and wait for ever where one has died.
    Object.assign(raw, { server: undefined });
    say(front, { kind: 'connection', id, token }, raw);
  }

  #idlest(): Front | undefined {
    let found: Front | undefined;
    for (const front of this.#fronts)
      if (front.isUp && (found === undefined || front.arrivals.size < found.arrivals.size)) found = front;
    return found;
  }

  /** At the start of the gateway one that ends before it is up is an error; later it is started again. */
  async #startFirst(): Promise<void> {
    const { child } = this.#start();
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', () => reject(new StartError('a process that ends TLS did not start')));
    });
  }

  #start(): Front {
    const child = fork(this.#options.entry ?? ENTRY, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const front: Front = { child, arrivals: new Map(), isUp: false };
    this.#fronts.add(front);
    child.on('message', (message: FromFront) => {
      if (message.kind === 'gone') this.#gone(front, message.id);
      else front.isUp = true;
    });
    child.on('error', () => {}); // 'exit' follows.
    child.once('exit', () => {
      this.#fronts.delete(front);
      for (const id of front.arrivals.keys()) this.#gone(front, id);
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#start(), FRONT_LIMITS.restartMs).unref();
    });
    say(front, this.#settings);
    return front;
  }

  #gone(front: Front, id: number): void {
    const arrival = front.arrivals.get(id);
    if (arrival === undefined) return;
    front.arrivals.delete(id);
    this.#tokens.delete(arrival.token);
    arrival.raw.destroy(); // Where it was never sent; else nothing is left of it here.
    arrival.leave();
  }
}

function say({ child }: Front, message: ToFront, socket?: Socket): void {
  // What is left of the socket here has no handle any more: it only has to be counted out.
  if (child.connected) child.send(message, socket, { keepOpen: false }, () => socket?.destroy());
  else socket?.destroy();
}
