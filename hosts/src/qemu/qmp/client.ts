/**
 * A QMP connection: greeting, capabilities, then typed commands and events over one unix socket. Knows nothing of VMs.
 * Every wait has an end: a server that hangs, answers half or talks garbage ends the connection with a code.
 */
import { connect as connectSocket, type OnReadOpts, type Socket } from 'node:net';
import { HostError } from '../../errors.ts';
import { encodeLine, type JsonObject, LineFraming } from './framing.ts';
import { classify, type QmpMessage } from './message.ts';
import type { QmpCommand, QmpCommands, QmpEventName, QmpEvents } from './schema.ts';

export const QMP_LIMITS = {
  messageBytes: 4_194_304,
  commandsInFlight: 64,
  connectMs: 5_000,
  handshakeMs: 5_000,
  commandMs: 10_000,
} as const;

export interface QmpOptions {
  readonly connectMs?: number;
  readonly handshakeMs?: number;
  /** For commands that say nothing themselves. */
  readonly commandMs?: number;
  readonly signal?: AbortSignal;
}

export interface ExecuteOptions {
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: HostError) => void;
  readonly timer: NodeJS.Timeout;
}

export type AnyQmpEvent = {
  [Name in QmpEventName]: { readonly name: Name; readonly data: QmpEvents[Name]; readonly at: number };
}[QmpEventName];

export class QmpClient {
  readonly version: string;
  readonly #socket: Socket;
  readonly #commandMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: AnyQmpEvent) => void>();
  readonly #framing: LineFraming;
  #nextId = 1;
  #ended: HostError | undefined;
  #resolveClosed!: (reason: HostError) => void;
  /** Why the connection ended. Resolves, never rejects. */
  readonly closed: Promise<HostError>;

  /** Takes over a socket whose greeting has been read. */
  constructor(socket: Socket, framing: LineFraming, version: string, options: QmpOptions) {
    this.#socket = socket;
    this.#framing = framing;
    this.version = version;
    this.#commandMs = options.commandMs ?? QMP_LIMITS.commandMs;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (cause) => this.#end(new HostError('HOST_UNREACHABLE', 'the QMP connection broke', { cause })));
    socket.on('close', () => this.#end(new HostError('HOST_UNREACHABLE', 'the QMP connection was closed')));
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /** VM_REFUSED where QEMU answers with an error, HOST_TIMEOUT where it does not answer. */
  async execute<Name extends QmpCommand>(
    command: Name,
    ...[args, options]: QmpCommands[Name]['arguments'] extends undefined
      ? [args?: undefined, options?: ExecuteOptions]
      : [args: QmpCommands[Name]['arguments'], options?: ExecuteOptions]
  ): Promise<QmpCommands[Name]['returns']> {
    if (this.#ended !== undefined) throw this.#ended;
    if (QMP_LIMITS.commandsInFlight <= this.#waiting.size) {
      throw new HostError('HOST_LIMIT', `${this.#waiting.size} QMP commands wait already`);
    }
    const id = this.#nextId++;
    const timeoutMs = options?.timeoutMs ?? this.#commandMs;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new HostError('HOST_TIMEOUT', `QEMU did not answer ${command} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, { command, resolve, reject, timer });
    });
    const message =
      args === undefined ? { execute: command, id } : { execute: command, arguments: args as JsonObject, id };
    this.#socket.write(encodeLine(message as JsonObject));
    return answer as Promise<QmpCommands[Name]['returns']>;
  }

  /** Calls back for every event until the returned function is called. */
  onEvent(listener: (event: AnyQmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#end(new HostError('HOST_CLOSED', 'the QMP connection was closed by us'));
  }

  /** For bytes that arrived together with the greeting. */
  deliver(messages: readonly JsonObject[]): void {
    for (const message of messages) this.#dispatch(classify(message));
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    try {
      this.deliver(this.#framing.push(chunk));
    } catch (thrown) {
      this.#end(thrown instanceof HostError ? thrown : new HostError('HOST_PROTOCOL', 'bad QMP', { cause: thrown }));
    }
  }

  #dispatch(message: QmpMessage): void {
    switch (message.kind) {
      case 'event':
        for (const listener of this.#listeners) listener(message as unknown as AnyQmpEvent);
        return;
      case 'return':
        this.#settle(message.id)?.resolve(message.value);
        return;
      case 'error': {
        if (message.id === undefined) {
          throw new HostError('HOST_PROTOCOL', `QEMU could not read us: ${message.description}`);
        }
        const waiting = this.#settle(message.id);
        waiting?.reject(new HostError('VM_REFUSED', `QEMU refused ${waiting.command}: ${message.description}`));
        return;
      }
      case 'greeting':
        throw new HostError('HOST_PROTOCOL', 'a second greeting');
    }
  }

  /** Undefined for an answer that comes after its timeout: nobody waits any more. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #end(reason: HostError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#socket.destroy();
    for (const id of this.#waiting.keys()) {
      const waiting = this.#settle(id);
      waiting?.reject(new HostError(reason.code, `${waiting.command}: ${reason.message}`, { cause: reason }));
    }
    this.#listeners.clear();
    this.#resolveClosed(reason);
  }
}

/** Connects, reads the greeting and negotiates. HOST_UNREACHABLE, HOST_TIMEOUT or HOST_PROTOCOL where that fails. */
export async function connectQmp(path: string, options: QmpOptions = {}): Promise<QmpClient> {
  const socket = await dialUnix(path, { timeoutMs: options.connectMs ?? QMP_LIMITS.connectMs, ...signalOf(options) });
  const framing = new LineFraming({ maxBytes: QMP_LIMITS.messageBytes });
  const handshakeMs = options.handshakeMs ?? QMP_LIMITS.handshakeMs;
  try {
    const { version, rest } = await greeting(socket, framing, path, handshakeMs, options.signal);
    const client = new QmpClient(socket, framing, version, options);
    client.deliver(rest);
    await client.execute('qmp_capabilities', undefined, { timeoutMs: handshakeMs });
    return client;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function greeting(
  socket: Socket,
  framing: LineFraming,
  path: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly version: string; readonly rest: readonly JsonObject[] }> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      act();
    };
    const fail = (
      code: 'HOST_TIMEOUT' | 'HOST_UNREACHABLE' | 'TASK_CANCELLED',
      message: string,
      cause?: unknown,
    ): void => finish(() => reject(new HostError(code, message, { cause })));
    const onData = (chunk: Buffer): void => {
      try {
        const [first, ...rest] = framing.push(chunk);
        if (first === undefined) return;
        const message = classify(first);
        if (message.kind !== 'greeting') throw new HostError('HOST_PROTOCOL', `${path} does not greet as QMP does`);
        finish(() => resolve({ version: message.version, rest }));
      } catch (error) {
        finish(() => reject(error as Error));
      }
    };
    const onError = (cause: Error): void => fail('HOST_UNREACHABLE', `the QMP socket ${path} broke`, cause);
    const onClose = (): void => fail('HOST_UNREACHABLE', `the QMP socket ${path} was closed before it greeted`);
    const onAbort = (): void => fail('TASK_CANCELLED', 'cancelled while QEMU was greeting');
    const timer = setTimeout(
      () => fail('HOST_TIMEOUT', `QEMU did not greet on ${path} within ${timeoutMs} ms`),
      timeoutMs,
    );
    socket.on('data', onData).on('error', onError).on('close', onClose);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) onAbort();
  });
}

export interface DialOptions {
  readonly timeoutMs: number;
  /** Reads into the caller's buffer; see DialOptions of the driver interface. */
  readonly onread?: OnReadOpts;
  readonly signal?: AbortSignal;
}

/** A connected unix socket, or HOST_UNREACHABLE (nobody listens) or HOST_TIMEOUT (the listener's queue is full). */
export async function dialUnix(path: string, options: DialOptions): Promise<Socket> {
  return openSocket(() => connectSocket({ path, ...onreadOf(options) }), `the socket ${path}`, options);
}

export async function openSocket(connect: () => Socket, what: string, options: DialOptions): Promise<Socket> {
  const { timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect();
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect).off('error', onError);
      act();
    };
    const fail = (error: HostError): void =>
      finish(() => {
        socket.on('error', () => undefined);
        socket.destroy();
        reject(error);
      });
    const onConnect = (): void => finish(() => resolve(socket));
    const onError = (cause: Error): void => fail(new HostError('HOST_UNREACHABLE', `cannot reach ${what}`, { cause }));
    const onAbort = (): void => fail(new HostError('TASK_CANCELLED', `cancelled while dialling ${what}`));
    const timer = setTimeout(
      () => fail(new HostError('HOST_TIMEOUT', `cannot reach ${what} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    socket.on('connect', onConnect).on('error', onError);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) onAbort();
  });
}

export function signalOf(options: { readonly signal?: AbortSignal }): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

export function onreadOf(options: DialOptions): { readonly onread?: OnReadOpts } {
  return options.onread === undefined ? {} : { onread: options.onread };
}
