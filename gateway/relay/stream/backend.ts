/**
 * The VM's side of a relay: one stream from a driver, read into buffers that are used again, at a pace that is fair to the
 * other sessions.
 *
 * Fairness: libuv reads a hot socket up to 32 times per turn of the event loop, until a read does not fill its buffer. A
 * stream that has given as much as a large one holds rests until the next turn (measured: a neighbour's echo falls from
 * milliseconds to tenths). A read that does not fill its buffer is not even counted, and is the usual case: a unix socket
 * holds less than a large buffer.
 */
import type { OnReadOpts, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { BUFFERS, type BufferPool, type BufferSize, nextSize, type ReadBuffer, sizeFor } from './buffers.ts';
import { TokenBucket } from './token-bucket.ts';

export const BACKEND_LIMITS = { burstBytes: 131_072, writeBacklogBytes: 262_144 } as const;

export interface BackendEvents {
  /** `buffer.bytes` holds `length` bytes from the VM. True: the receiver keeps it and gives it back to the pool. */
  onVmBytes(buffer: ReadBuffer, length: number): boolean;
  /** Everything that was written has left. */
  onVmDrained(): void;
  /** Last, and once. */
  onVmClosed(error: Error | undefined): void;
}

const NONE: Uint8Array[] = [];

/** Why a stream rests; it reads again when no reason is left. */
const HOLD = { turn: 1, backlog: 2, rate: 4, caller: 8 } as const;

/** Lets every stream that took part in this turn of the event loop read again in the next. */
export class Turns {
  #active: Backend[] = [];
  #isScheduled = false;

  join(backend: Backend): void {
    this.#active.push(backend);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#isScheduled = false;
    const active = this.#active;
    this.#active = [];
    for (const backend of active) backend.nextTurn();
  };
}

export class Backend {
  readonly #pool: BufferPool;
  readonly #turns: Turns;
  #events: BackendEvents;
  #stream: Duplex | undefined;
  /** Said before there was a stream. */
  #early: Uint8Array[] = NONE;
  #earlyBytes = 0;
  #current: ReadBuffer;
  #isCurrentKept = false;
  #nextSize: BufferSize = 0;
  #hold = 0;
  #turnBytes = 0;
  #isInTurn = false;
  #bucket: TokenBucket | undefined;
  #rateTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(pool: BufferPool, turns: Turns, events: BackendEvents) {
    this.#pool = pool;
    this.#turns = turns;
    this.#events = events;
    this.#current = pool.take(0);
  }

  /** The offer for `dial`: where the stream is a socket, it reads straight into our buffers. */
  get onread(): OnReadOpts {
    return { buffer: this.#nextBuffer, callback: this.#onRead };
  }

  attach(stream: Duplex): void {
    this.#stream = stream;
    if (this.#isClosed) {
      stream.destroy();
      return;
    }
    let failure: Error | undefined;
    stream.on('error', (error: Error) => {
      failure = error;
    });
    stream.on('data', this.#onData);
    stream.on('drain', () => this.#events.onVmDrained());
    stream.on('end', () => stream.destroy());
    stream.on('close', () => {
      // A stream that went under TLS closes under it.
      if (this.#stream === stream) this.#closed(failure);
    });
    if ('setNoDelay' in stream) (stream as Socket).setNoDelay(true);
    if (this.#hold !== 0) stream.pause();
    this.#writeEarly(stream);
  }

  /** Hands the rest of the conversation to another receiver. */
  setEvents(events: BackendEvents): void {
    this.#events = events;
  }

  /** From here on TLS is spoken on the same stream. */
  startTls(options: ConnectionOptions): Promise<void> {
    const plain = this.#stream;
    if (plain === undefined) throw new Error('no stream to secure');
    plain.off('data', this.#onData);
    return new Promise((resolve, reject) => {
      const secure = tlsConnect({ ...options, socket: plain as Socket }, () => resolve());
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed during TLS')));
      this.#stream = undefined;
      this.attach(secure);
    });
  }

  limitRate(bytesPerSecond: number): void {
    this.#bucket = new TokenBucket(
      bytesPerSecond,
      Math.min(bytesPerSecond, BACKEND_LIMITS.burstBytes),
      performance.now(),
    );
  }

  get backlogBytes(): number {
    return this.#stream?.writableLength ?? this.#earlyBytes;
  }

  /** What is said before there is a stream waits for it; `backlogBytes` counts it, so that it is BOUNDED by the same limit. */
  write(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#stream !== undefined) {
      this.#stream.write(bytes);
      return;
    }
    if (this.#early === NONE) this.#early = [];
    this.#early.push(bytes);
    this.#earlyBytes += bytes.byteLength;
  }

  #writeEarly(stream: Duplex): void {
    if (this.#early === NONE) return;
    for (const bytes of this.#early) stream.write(bytes);
    this.#early = NONE;
    this.#earlyBytes = 0;
    if (!stream.writableNeedDrain) this.#events.onVmDrained(); // What left at once has no 'drain' to follow.
  }

  holdForBacklog(): void {
    this.#rest(HOLD.backlog);
  }
  backlogGone(): void {
    this.#wake(HOLD.backlog);
  }
  pause(): void {
    this.#rest(HOLD.caller);
  }
  resume(): void {
    this.#wake(HOLD.caller);
  }

  destroy(): void {
    const stream = this.#stream;
    if (stream === undefined) this.#closed(undefined);
    else stream.destroy();
  }

  /** Only for Turns. */
  nextTurn(): void {
    this.#isInTurn = false;
    this.#turnBytes = 0;
    this.#wake(HOLD.turn);
  }

  #rest(reason: number): void {
    if (this.#hold === 0) this.#stream?.pause();
    this.#hold |= reason;
  }

  #wake(reason: number): void {
    if ((this.#hold & reason) === 0) return;
    this.#hold &= ~reason;
    if (this.#hold === 0 && !this.#isClosed) this.#stream?.resume();
  }

  readonly #nextBuffer = (): Uint8Array => {
    if (this.#isClosed) return this.#current.bytes; // Given back already.
    if (!this.#isCurrentKept && this.#current.size === this.#nextSize) return this.#current.bytes;
    if (!this.#isCurrentKept) this.#pool.give(this.#current);
    this.#isCurrentKept = false;
    this.#current = this.#pool.take(this.#nextSize);
    return this.#current.bytes;
  };

  /** False makes the socket rest; Node has then already stopped reading. */
  readonly #onRead = (length: number): boolean => {
    if (this.#isClosed) return false;
    const buffer = this.#current;
    this.#nextSize = nextSize(buffer.size, length);
    this.#isCurrentKept = this.#events.onVmBytes(buffer, length);
    if (length === buffer.bytes.byteLength) this.#countInTurn(length);
    this.#limit(length);
    return this.#hold === 0;
  };

  /** The stream is not a plain socket, or its driver does not take offers: one copy more. */
  readonly #onData = (chunk: Uint8Array): void => {
    for (let at = 0; at < chunk.byteLength && !this.#isClosed; ) {
      const buffer = this.#pool.take(sizeFor(chunk.byteLength - at));
      const length = Math.min(buffer.bytes.byteLength, chunk.byteLength - at);
      buffer.bytes.set(chunk.subarray(at, at + length));
      if (!this.#events.onVmBytes(buffer, length)) this.#pool.give(buffer);
      at += length;
    }
    this.#countInTurn(chunk.byteLength);
    this.#limit(chunk.byteLength);
  };

  #countInTurn(length: number): void {
    this.#turnBytes += length;
    if (BUFFERS.largeBytes <= this.#turnBytes) this.#rest(HOLD.turn);
    if (this.#isInTurn) return;
    this.#isInTurn = true;
    this.#turns.join(this);
  }

  #limit(length: number): void {
    if (this.#bucket === undefined) return;
    const waitMs = this.#bucket.take(length, performance.now());
    if (waitMs === 0 || this.#rateTimer !== undefined) return;
    // INVARIANT: backpressure on the VM's socket is the limiter. QEMU merges updates while its socket is full, so a slow
    // link shows the newest picture late, not every picture later.
    this.#rest(HOLD.rate);
    this.#rateTimer = setTimeout(() => {
      this.#rateTimer = undefined;
      this.#wake(HOLD.rate);
    }, waitMs);
  }

  #closed(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#rateTimer);
    if (!this.#isCurrentKept) this.#pool.give(this.#current);
    this.#events.onVmClosed(error);
  }
}
