/**
 * One accepted NBD connection: handshake, perhaps TLS in the middle of it, then transmission. A client that breaks the
 * protocol, stays in the handshake too long or cannot be served costs its own connection and nothing else.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ExportUser, MetaContext, NbdExport } from './export.ts';
import type { NbdLimits } from './limits.ts';
import type { ReceivePool } from './receive-buffer.ts';
import type { SlabPool } from './reply-writer.ts';
import { type ExportDirectory, encodeGreeting, type Negotiated, ServerHandshake } from './server-handshake.ts';
import { Transmission, type Wire } from './transmission.ts';

/** The exports of a server; asked at each handshake. */
export interface ExportSource {
  names(): readonly string[];
  find(name: string): NbdExport | undefined;
}

/** What all connections of a server share. */
export interface ConnectionContext {
  readonly source: ExportSource;
  readonly limits: NbdLimits;
  readonly slabs: SlabPool;
  readonly receivePool: ReceivePool;
  /** Where this is set, TLS with client certificates is required. */
  readonly secure: ((plain: Socket) => TLSSocket) | undefined;
  /** Told what was refused, and why a connection ended when it was not the client's wish. */
  readonly onTrouble: (reason: string) => void;
}

type Phase =
  | { readonly name: 'handshake'; readonly machine: ServerHandshake }
  | { readonly name: 'transmission'; readonly transmission: Transmission }
  | { readonly name: 'closed' };

/** How long a client may take to read its last replies, in milliseconds. */
const FINISH_MS = 5_000;

export class Connection implements ExportUser {
  readonly ended: Promise<void>;
  readonly #context: ConnectionContext;
  #phase: Phase;
  #socket: Socket;
  #timer: NodeJS.Timeout;
  #settleEnded: () => void = () => {};

  constructor(socket: Socket, context: ConnectionContext) {
    this.#context = context;
    this.#socket = socket;
    const tls = context.secure === undefined ? 'off' : 'required';
    this.#phase = { name: 'handshake', machine: new ServerHandshake({ exports: this.#directory(), tls }) };
    this.#timer = setTimeout(() => this.destroy('handshake took too long'), context.limits.handshakeMs);
    this.ended = new Promise((resolve) => {
      this.#settleEnded = resolve;
    });
    this.#watch(socket);
    socket.write(encodeGreeting());
  }

  /** Bytes arrived during the handshake, or while the socket has no buffer of ours. False: pause. */
  feed(chunk: Buffer): boolean {
    switch (this.#phase.name) {
      case 'handshake':
        return this.#negotiate(this.#phase.machine, chunk);
      case 'transmission': {
        const { transmission } = this.#phase;
        for (let at = 0; at < chunk.byteLength; ) {
          const landing = transmission.landing();
          const count = chunk.copy(landing, 0, at);
          at += count;
          if (!transmission.received(count)) {
            if (at < chunk.byteLength) this.#socket.unshift(chunk.subarray(at));
            return false;
          }
        }
        return true;
      }
      case 'closed':
        return true;
    }
  }

  /** The transmission, once there is one: it receives into buffers of its own. */
  get transmission(): Transmission | undefined {
    return this.#phase.name === 'transmission' ? this.#phase.transmission : undefined;
  }

  destroy(reason: string): void {
    if (this.#phase.name === 'closed') return;
    this.#context.onTrouble(reason);
    this.#close();
    this.#socket.destroy();
  }

  #directory(): ExportDirectory {
    const { source, limits } = this.#context;
    return {
      names: () => source.names(),
      find: (name) => {
        const found = source.find(name);
        if (found !== undefined && limits.connections <= found.connections) {
          this.#context.onTrouble('too many connections of this export');
          return undefined;
        }
        return found?.info(limits);
      },
    };
  }

  #watch(socket: Socket): void {
    socket.on('error', (error) => this.destroy(error.message));
    socket.on('close', () => this.#close());
    socket.on('end', () => {
      if (this.#phase.name === 'transmission') this.#phase.transmission.ended();
      else socket.destroy();
    });
  }

  #close(): void {
    clearTimeout(this.#timer);
    const phase = this.#phase;
    this.#phase = { name: 'closed' };
    if (phase.name === 'transmission') {
      phase.transmission.abandon();
      void phase.transmission.idle.then(this.#settleEnded);
    } else if (phase.name === 'handshake') {
      this.#settleEnded();
    }
  }

  #negotiate(machine: ServerHandshake, chunk: Buffer): boolean {
    const { reply, outcome, refusals } = machine.receive(chunk);
    for (const reason of refusals) this.#context.onTrouble(reason);
    if (0 < reply.byteLength) this.#socket.write(reply);
    switch (outcome.kind) {
      case 'continue':
        return true;
      case 'close':
        this.#context.onTrouble(outcome.reason);
        this.#hangUp();
        return true;
      case 'aborted':
        this.#hangUp();
        return true;
      case 'start-tls':
        this.#startTls(machine);
        return true;
      case 'transmission':
        return this.#transmit(outcome.negotiated, outcome.rest);
    }
  }

  /** Closes behind what was already said. */
  #hangUp(): void {
    this.#close();
    this.#socket.end(() => this.#socket.destroy());
  }

  #startTls(machine: ServerHandshake): void {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const secure = this.#context.secure?.(plain);
    if (secure === undefined) return;
    machine.secured();
    this.#socket = secure;
    this.#watch(secure);
    secure.on('secure', () => {
      // `rejectUnauthorized` of a wrapped server socket is ours to enforce: no client certificate of our CA, no disk.
      const failure = (secure as TLSSocket & { ssl?: { verifyError(): Error | null } }).ssl?.verifyError() ?? null;
      const hasCertificate = Object.keys(secure.getPeerCertificate()).length !== 0;
      if (failure !== null || !hasCertificate)
        this.destroy(`client certificate refused: ${failure?.message ?? 'none sent'}`);
    });
    secure.on('data', (bytes: Buffer) => {
      if (!this.feed(bytes)) secure.pause();
    });
  }

  #transmit(negotiated: Negotiated, rest: Buffer): boolean {
    const { source, limits } = this.#context;
    const target = source.find(negotiated.exportInfo.name);
    if (target === undefined || target.isRevoked) {
      this.destroy('the export is gone');
      return true;
    }
    clearTimeout(this.#timer);
    const known = new Map(target.contexts().map((context): [string, MetaContext] => [context.name, context]));
    const transmission = new Transmission({
      disk: target.disk,
      rules: {
        sizeBytes: negotiated.exportInfo.sizeBytes,
        exportFlags: negotiated.exportInfo.flags,
        payloadBytes: limits.payloadBytes,
        hasStructuredReplies: negotiated.hasStructuredReplies,
        hasContexts: 0 < negotiated.contexts.length,
      },
      contexts: negotiated.contexts.flatMap(({ id, name }) => {
        const context = known.get(name);
        return context === undefined ? [] : [{ id, context }];
      }),
      limits,
      stats: target.stats,
      wire: this.#wire(),
      slabs: this.#context.slabs,
      receivePool: this.#context.receivePool,
    });
    this.#phase = { name: 'transmission', transmission };
    target.attach(this);
    return rest.byteLength === 0 || this.feed(rest);
  }

  #wire(): Wire {
    const socket = this.#socket;
    return {
      send: (bytes, taken) => void socket.write(bytes, taken),
      cork: () => socket.cork(),
      uncork: () => socket.uncork(),
      resume: () => void socket.resume(),
      finish: () => {
        socket.end();
        setTimeout(() => socket.destroy(), FINISH_MS).unref();
      },
      refused: (reason) => this.#context.onTrouble(reason),
      destroy: (reason) => this.destroy(reason),
    };
  }
}
