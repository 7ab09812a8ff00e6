/**
 * A small NBD client: a remote export as a `Disk`. For tests, for reading exports of others, and for checking our own.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContextOptions } from 'node:tls';
import { type Disk, type Extent, partOf } from '../disk.ts';
import { VhdError } from '../errors.ts';
import { ClientHandshake, type ClientNegotiated } from './client-handshake.ts';
import type { StatusRun } from './reply.ts';
import { ReplyParser, type ReplyPart } from './reply-parser.ts';
import { BASE_ALLOCATION, CMD, CMD_FLAG, ERRNO, EXPORT_FLAG, REQUEST, REQUEST_MAGIC, STATE, writeU64 } from './wire.ts';

export interface NbdConnectOptions {
  /** Metadata contexts to ask for besides `base:allocation`. */
  readonly contexts?: readonly string[];
  /** Certificates for an `nbds` URI. */
  readonly tls?: SecureContextOptions;
  readonly signal?: AbortSignal;
}

interface OpenRequest {
  readonly read: { readonly into: Uint8Array; readonly offset: number } | undefined;
  readonly status: Map<number, StatusRun[]>;
  readonly resolve: () => void;
  readonly reject: (error: VhdError) => void;
}

/** Connects to `nbd://host:port/export`, `nbds://…` or `nbd+unix:///export?socket=path`. Errors: NBD_REFUSED, NBD_PROTOCOL, IO, USAGE. */
export async function connectNbd(uri: string, options: NbdConnectOptions = {}): Promise<NbdClient> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  if (url === undefined) throw new VhdError('USAGE', `${JSON.stringify(uri)} is no URI of an NBD export`);
  const socketPath = url.searchParams.get('socket');
  const socket = socketPath === null ? connect(Number(url.port || 10809), url.hostname) : connect(socketPath);
  const wantsTls = url.protocol.startsWith('nbds');
  const handshake = new ClientHandshake({
    exportName: decodeURIComponent(url.pathname.replace(/^\//, '')),
    contexts: [BASE_ALLOCATION, ...(options.contexts ?? [])],
    wantsTls,
  });
  try {
    const { channel, negotiated, rest } = await negotiate(socket, handshake, options, url.hostname);
    return new NbdClient(uri, channel, negotiated, rest);
  } catch (cause) {
    socket.destroy();
    if (cause instanceof VhdError) throw cause;
    throw new VhdError('IO', `cannot connect to ${uri}`, { cause });
  }
}

async function negotiate(
  plain: Socket,
  handshake: ClientHandshake,
  options: NbdConnectOptions,
  hostname: string,
): Promise<{ channel: Socket; negotiated: ClientNegotiated; rest: Buffer }> {
  let channel = plain;
  options.signal?.addEventListener('abort', () => plain.destroy(new Error('aborted')), { once: true });
  for (;;) {
    const chunk = await nextChunk(channel);
    const { reply, outcome } = handshake.receive(chunk);
    if (0 < reply.byteLength) channel.write(reply);
    if (outcome.kind === 'transmission') return { channel, negotiated: outcome.negotiated, rest: outcome.rest };
    if (outcome.kind === 'start-tls') {
      const secure = connectTls({
        socket: plain,
        ...(hostname === '' ? {} : { servername: hostname }),
        ...options.tls,
      });
      await new Promise<void>((resolve, reject) => {
        secure.once('secureConnect', resolve);
        secure.once('error', reject);
      });
      channel = secure;
      channel.write(handshake.secured());
    }
  }
}

function nextChunk(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (work: () => void): void => {
      socket.pause();
      socket.off('data', onData).off('error', reject).off('close', onClose);
      work();
    };
    const onData = (chunk: Buffer): void => settle(() => resolve(chunk));
    const onClose = (): void => settle(() => reject(new VhdError('NBD_REFUSED', 'the server closed the connection')));
    socket.on('data', onData).once('error', reject).once('close', onClose);
    socket.resume();
  });
}

/** An export of an NBD server. Reads and writes of any length; long ones are split at what the server takes. */
export class NbdClient implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** The metadata contexts that were granted. */
  readonly contexts: readonly string[];
  readonly #socket: Socket;
  readonly #negotiated: ClientNegotiated;
  readonly #open = new Map<number, OpenRequest>();
  #lastCookie = 0;
  #failure: VhdError | undefined;
  #closed: Promise<void>;

  constructor(name: string, socket: Socket, negotiated: ClientNegotiated, rest: Buffer) {
    this.name = name;
    this.sizeBytes = negotiated.sizeBytes;
    this.isReadOnly = (negotiated.flags & EXPORT_FLAG.readOnly) !== 0;
    this.contexts = [...negotiated.contexts.keys()];
    this.#socket = socket;
    this.#negotiated = negotiated;
    const parser = new ReplyParser({
      hasStructuredReplies: negotiated.hasStructuredReplies,
      openRead: (cookie) => {
        const read = this.#open.get(cookie)?.read;
        return read === undefined ? undefined : { offset: read.offset, length: read.into.byteLength };
      },
    });
    const receive = (chunk: Buffer): void => {
      try {
        for (const part of parser.receive(chunk)) this.#take(part);
      } catch (error) {
        this.#fail(error instanceof VhdError ? error : new VhdError('NBD_PROTOCOL', String(error)));
      }
    };
    socket.on('data', receive);
    socket.on('error', (cause) => this.#fail(new VhdError('IO', `the connection to ${name} failed`, { cause })));
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#fail(new VhdError('CLOSED', `the connection to ${name} is closed`));
        resolve();
      });
    });
    if (0 < rest.byteLength) receive(rest);
    socket.resume();
  }

  async read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): Promise<void> {
    await this.#split(offset, length, this.#negotiated.maximumPayloadBytes, (at, count) =>
      this.#request(CMD.read, 0, at, count, {
        read: { into: partOf(into, start + at - offset, count), offset: at },
      }),
    );
  }

  async write(from: Uint8Array, offset: number, start = 0, length: number = from.byteLength - start): Promise<void> {
    await this.#split(offset, length, this.#negotiated.maximumPayloadBytes, (at, count) =>
      this.#request(CMD.write, 0, at, count, { payload: partOf(from, start + at - offset, count) }),
    );
  }

  async writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): Promise<void> {
    const flags = options?.mayUnmap === true ? 0 : CMD_FLAG.noHole;
    await this.#split(offset, length, STEP_BYTES, (at, count) => this.#request(CMD.writeZeroes, flags, at, count));
  }

  async trim(offset: number, length: number): Promise<void> {
    await this.#split(offset, length, STEP_BYTES, (at, count) => this.#request(CMD.trim, 0, at, count));
  }

  async flush(): Promise<void> {
    await this.#request(CMD.flush, 0, 0, 0);
  }

  async extents(offset: number, length: number, limit: number = Number.MAX_SAFE_INTEGER): Promise<readonly Extent[]> {
    const extents: Extent[] = [];
    for (let at = offset; at < offset + length && extents.length < limit; ) {
      for (const run of await this.status(BASE_ALLOCATION, at, Math.min(STEP_BYTES, offset + length - at))) {
        const isAllocated = (run.flags & STATE.hole) === 0;
        extents.push({ offset: at, length: run.length, isAllocated, isZero: (run.flags & STATE.zero) !== 0 });
        at += run.length;
      }
    }
    return extents.slice(0, limit);
  }

  /** What a metadata context tells of a range. Errors: UNSUPPORTED where the context was not granted. */
  async status(context: string, offset: number, length: number): Promise<readonly StatusRun[]> {
    const id = this.#negotiated.contexts.get(context);
    if (id === undefined) throw new VhdError('UNSUPPORTED', `the server does not tell ${context}`);
    const status = new Map<number, StatusRun[]>();
    await this.#request(CMD.blockStatus, 0, offset, length, { status });
    return status.get(id) ?? [];
  }

  async close(): Promise<void> {
    if (!this.#socket.destroyed) this.#socket.end(encodeRequest(CMD.disconnect, 0, 0, 0, 0));
    await this.#closed;
  }

  #request(
    type: number,
    flags: number,
    offset: number,
    length: number,
    more: { read?: OpenRequest['read']; payload?: Uint8Array; status?: Map<number, StatusRun[]> } = {},
  ): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#lastCookie = (this.#lastCookie + 1) >>> 0;
    const cookie = this.#lastCookie;
    return new Promise((resolve, reject) => {
      this.#open.set(cookie, {
        read: more.read,
        status: more.status ?? new Map<number, StatusRun[]>(),
        resolve,
        reject,
      });
      this.#socket.write(encodeRequest(type, flags, cookie, offset, length));
      if (more.payload !== undefined) this.#socket.write(more.payload);
    });
  }

  async #split(
    offset: number,
    length: number,
    step: number,
    each: (at: number, length: number) => Promise<void>,
  ): Promise<void> {
    for (let at = offset; at < offset + length; at += step) await each(at, Math.min(step, offset + length - at));
  }

  #take(part: ReplyPart): void {
    const open = this.#open.get(part.cookie);
    if (open === undefined) throw new VhdError('NBD_PROTOCOL', `a reply to request ${part.cookie}, which is not open`);
    switch (part.kind) {
      case 'data':
        this.#place(open, part.offset, part.bytes.byteLength).set(part.bytes);
        return;
      case 'hole':
        this.#place(open, part.offset, part.length).fill(0);
        return;
      case 'status':
        open.status.set(
          part.contextId,
          part.runs.map(([length, flags]) => ({ length, flags })),
        );
        return;
      case 'done':
        this.#open.delete(part.cookie);
        if (part.error === ERRNO.ok) open.resolve();
        else open.reject(errorOf(part.error, this.name));
    }
  }

  #place(open: OpenRequest, offset: number, length: number): Uint8Array {
    const start = offset - (open.read?.offset ?? 0);
    if (open.read === undefined || start < 0 || open.read.into.byteLength < start + length) {
      throw new VhdError('NBD_PROTOCOL', 'data for a place that was not asked for');
    }
    return open.read.into.subarray(start, start + length);
  }

  #fail(error: VhdError): void {
    this.#failure ??= error;
    for (const open of this.#open.values()) open.reject(this.#failure);
    this.#open.clear();
    this.#socket.destroy();
  }
}

/** Zeroes, trims and status in steps that fit a u32 length. */
const STEP_BYTES: number = 1 << 30;

/** A request header. */
export function encodeRequest(type: number, flags: number, cookie: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(REQUEST.SIZE);
  bytes.writeUInt32BE(REQUEST_MAGIC, REQUEST.magic);
  bytes.writeUInt16BE(flags, REQUEST.flags);
  bytes.writeUInt16BE(type, REQUEST.type);
  bytes.writeUInt32BE(cookie, REQUEST.cookie + 4);
  writeU64(bytes, offset, REQUEST.offset);
  bytes.writeUInt32BE(length, REQUEST.length);
  return bytes;
}

function errorOf(error: number, name: string): VhdError {
  switch (error) {
    case ERRNO.EPERM:
      return new VhdError('READ_ONLY', `${name} refuses changes`);
    case ERRNO.ENOSPC:
      return new VhdError('NO_SPACE', `${name} has no space left`);
    case ERRNO.EINVAL:
    case ERRNO.EOVERFLOW:
      return new VhdError('OUT_OF_RANGE', `${name} refuses the request as invalid (error ${error})`);
    case ERRNO.ENOTSUP:
      return new VhdError('UNSUPPORTED', `${name} does not do that`);
    case ERRNO.ESHUTDOWN:
      return new VhdError('CLOSED', `${name} is shutting down`);
    default:
      return new VhdError('IO', `${name} failed (error ${error})`);
  }
}
