/**
 * Relay workers, as the gateway sees them: it keeps the sessions and their rights, redeems the ticket, dials the VM, and
 * then hands both sockets to a worker: the one that has this desktop already (what its viewers hold down on the one
 * keyboard of the VM is known there), else the one with the fewest sessions. A worker that dies takes its sockets with it;
 * their sessions are parked, and the pages come back to another.
 */
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { DisplayEndpoint } from '@oriel/hosts';
import { Crew, type CrewMember } from '@oriel/machine';
import type { SessionPolicy } from '../../api/session.ts';
import type { Conduit, ConduitEnd, ConduitEvents } from '../conduit.ts';
import { encodeClose } from '../stream/frame.ts';
import { sayLast } from '../stream/ws-channel.ts';
import { Tally } from '../tally.ts';
import { type FromWorker, type ToWorker, WORKER_LIMITS } from './messages.ts';

export interface HandOver {
  readonly viewer: Socket;
  readonly head: Buffer;
  readonly endpoint: () => Promise<DisplayEndpoint>;
  readonly desktopId: string;
  readonly desktopName: string;
  readonly policy: SessionPolicy;
  readonly isDriving: () => boolean;
  readonly events: ConduitEvents;
}

/** What is known about a worker. */
interface Work {
  readonly conduits: Map<number, RemoteConduit>;
  /** Sessions of each desktop. */
  readonly desktops: Tally;
  isUp: boolean;
}

type Worker = CrewMember<Work>;

/**
 * A relay makes little garbage and dies young with it; with the 16 MiB that V8 would let it pile up first, a worker is
 * twice as large (measured with 1,000 idle sessions: 14 KiB each, with this 7).
 */
export const WORKER_FLAGS: readonly string[] = ['--max-semi-space-size=1'];

/** In the built gateway the worker lies beside this file. */
const ENTRY = fileURLToPath(new URL('./worker.js', import.meta.url));

export class WorkerPool {
  readonly #crew: Crew<Work, FromWorker>;
  #nextId = 1;

  constructor(count: number, entry: string = ENTRY) {
    this.#crew = new Crew<Work, FromWorker>({
      count,
      entry,
      flags: WORKER_FLAGS,
      restartMs: WORKER_LIMITS.restartMs,
      newState: () => ({ conduits: new Map(), desktops: new Tally(), isUp: false }),
      onMessage: ({ state }, message) => onMessage(state, message),
      onEnd: ({ state: { conduits } }) => {
        for (const conduit of conduits.values()) conduit.ended({ by: 'viewer', isGoodbye: false });
        conduits.clear();
      },
    });
  }

  /** The workers that take sessions, by process id. */
  get readyPids(): readonly number[] {
    return this.#crew.members.flatMap(({ pid, state }) => (state.isUp && pid !== undefined ? [pid] : []));
  }

  countOf(pid: number): number {
    return this.#crew.members.find((one) => one.pid === pid)?.state.conduits.size ?? 0;
  }

  /** Undefined: no worker is up. */
  open(options: HandOver): Conduit | undefined {
    const worker = this.#workerFor(options.desktopId);
    if (worker === undefined) return undefined;
    const id = this.#nextId;
    this.#nextId += 1;
    const conduit = new RemoteConduit(id, worker, options);
    worker.state.conduits.set(id, conduit);
    worker.state.desktops.add(options.desktopId, 1);
    return conduit;
  }

  #workerFor(desktopId: string): Worker | undefined {
    let found: Worker | undefined;
    for (const worker of this.#crew.members) {
      const { isUp, desktops, conduits } = worker.state;
      if (!isUp) continue;
      if (0 < desktops.of(desktopId)) return worker;
      if (found === undefined || conduits.size < found.state.conduits.size) found = worker;
    }
    return found;
  }

  close(): void {
    void this.#crew.close();
  }
}

function onMessage(worker: Work, message: FromWorker): void {
  switch (message.kind) {
    case 'up':
      worker.isUp = true;
      return;
    case 'ready':
      return worker.conduits.get(message.id)?.events.onReady();
    case 'input':
      return worker.conduits.get(message.id)?.events.onInput();
    case 'clipboard-refused':
      return worker.conduits.get(message.id)?.events.onClipboardRefused(message.refusal);
    case 'moved':
      for (const [id, bytesIn, bytesOut] of message.counts) worker.conduits.get(id)?.moved(bytesIn, bytesOut);
      return;
    case 'end': {
      const conduit = worker.conduits.get(message.id);
      conduit?.moved(message.bytesIn, message.bytesOut);
      conduit?.ended(message.end);
      // Where the viewer is still there, somebody will say how to close it.
      if (message.end.by === 'viewer' || message.end.by === 'us') conduit?.forget();
      return;
    }
  }
}

class RemoteConduit implements Conduit {
  readonly #id: number;
  readonly #worker: Worker;
  readonly #options: HandOver;
  readonly #giveUp: AbortController = new AbortController();
  #isEnded = false;
  #isHandedOver = false;
  bytesIn = 0;
  bytesOut = 0;

  constructor(id: number, worker: Worker, options: HandOver) {
    this.#id = id;
    this.#worker = worker;
    this.#options = options;
    void this.#handOver();
  }

  get events(): ConduitEvents {
    return this.#options.events;
  }

  moved(bytesIn: number, bytesOut: number): void {
    this.bytesIn = bytesIn;
    this.bytesOut = bytesOut;
  }

  ended(end: ConduitEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#giveUp.abort();
    this.#options.events.onEnd(end);
  }

  drivingChanged(): void {
    this.#say({ kind: 'driving', id: this.#id, isDriving: this.#options.isDriving() });
  }

  close(code: number, reason: string): void {
    this.ended({ by: 'us' });
    if (this.#isHandedOver) this.#say({ kind: 'close', id: this.#id, code, reason });
    else sayLast(this.#options.viewer, encodeClose(code, reason));
    this.forget();
  }

  /** The worker has nothing of it any more. */
  forget(): void {
    const { conduits, desktops } = this.#worker.state;
    if (conduits.delete(this.#id)) desktops.add(this.#options.desktopId, -1);
  }

  async #handOver(): Promise<void> {
    const { endpoint, viewer, head, desktopId, desktopName, policy, isDriving } = this.#options;
    const id = this.#id;
    try {
      const found = await endpoint();
      const { socket, greeting } = await greeted(found, this.#giveUp.signal);
      await new Promise<void>((resolve) => viewer.write('', () => resolve())); // The answer to its upgrade has left.
      if (this.#isEnded) return void socket.destroy();
      const early = Buffer.concat([head, (viewer.read() as Buffer | null) ?? Buffer.alloc(0)]);
      const { oneTimeSecret: secret, userName, tls } = found;
      this.#isHandedOver = true;
      this.#say(
        {
          kind: 'viewer',
          id,
          head: early.toString('base64'),
          desktopId,
          desktopName,
          policy,
          isDriving: isDriving(),
          secret,
          userName,
          tls,
        },
        viewer,
      );
      this.#say({ kind: 'vm', id, head: greeting.toString('base64') }, socket);
    } catch (cause) {
      this.ended({ by: 'vm', reason: cause instanceof Error ? cause.message : 'cannot dial' });
    }
  }

  #say(message: ToWorker, socket?: Socket): void {
    this.#worker.send(message, socket);
  }
}

/**
 * Dials, and waits for the VM's greeting: an RFB server speaks first and then waits, so that from here on nothing can be
 * read on our side that the worker would miss.
 */
async function greeted(
  endpoint: DisplayEndpoint,
  signal: AbortSignal,
): Promise<{ readonly socket: Socket; readonly greeting: Buffer }> {
  let greet: (greeting: Buffer) => void = () => {};
  const greeting = new Promise<Buffer>((resolve) => (greet = resolve));
  const onread = {
    buffer: Buffer.alloc(4096),
    callback: (length: number, bytes: Uint8Array): boolean => {
      greet(Buffer.from(bytes.subarray(0, length)));
      return false; // Reads no more.
    },
  };
  const socket = await endpoint.dial({ signal, onread });
  if (!(socket instanceof Socket)) {
    socket.destroy();
    throw new Error('this display is no socket that could be handed over');
  }
  socket.once('data', (chunk: Buffer) => {
    socket.pause();
    greet(chunk);
  });
  const failed = new Promise<never>((_, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before its greeting')));
    const timer = setTimeout(() => reject(new Error('no greeting in time')), WORKER_LIMITS.dialMs);
    void greeting.then(() => clearTimeout(timer));
    signal.addEventListener('abort', () => reject(new Error('given up')), { once: true });
  });
  try {
    return { socket, greeting: await Promise.race([greeting, failed]) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
