/** One WebSocket to a browser, on a socket that `http.Server` has handed over. RFC 6455, sections 5.5 and 7. */
import type { Socket } from 'node:net';
import type { Channel, ChannelClose, ChannelEvents } from './channel.ts';
import { CLOSE, encodeClose, encodeFrame, OPCODE, writeHeader } from './frame.ts';
import { FrameError, FrameReader } from './frame-reader.ts';
import { due, type Heartbeat, heartbeat } from './heartbeat.ts';

export const WS_LIMITS = {
  /** Frames are never assembled, so their length costs nothing; what somebody pastes is one frame. */
  frameBytes: 268_435_456,
  closeTimeoutMs: 2000,
  /** A peer that lets our pongs pile up gets no more of them. */
  controlBacklogBytes: 65_536,
} as const;

const NOTHING: Buffer = Buffer.alloc(0);

/** Says a last thing on a socket that nobody reads any more, and sees to it that the socket goes. */
export function sayLast(socket: Socket, bytes: string | Uint8Array): void {
  socket.setTimeout(WS_LIMITS.closeTimeoutMs, () => socket.destroy());
  socket.on('end', () => socket.destroy());
  socket.on('error', () => {});
  socket.end(bytes);
  socket.resume(); // To the end of the other side: without it a half of the connection would stay.
}

type State =
  | { readonly state: 'open' }
  /** Our close frame is out; theirs is awaited. */
  | { readonly state: 'closing'; readonly how: ChannelClose; readonly timer: NodeJS.Timeout }
  | { readonly state: 'closed' };

export class WsChannel implements Channel {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #events: ChannelEvents;
  #state: State = { state: 'open' };
  readonly #heartbeat: Heartbeat;
  readonly #stopBeating: () => void;
  #pingedAt: number;
  #unansweredSince: number | undefined;
  #isPaused = false;
  /** It broke the protocol: nothing more that it says can be understood. */
  #isDeaf = false;

  constructor(socket: Socket, head: Buffer, events: ChannelEvents, beat: Heartbeat = heartbeat) {
    this.#socket = socket;
    this.#events = events;
    this.#heartbeat = beat;
    this.#reader = new FrameReader(WS_LIMITS);
    this.#pingedAt = performance.now();
    this.#stopBeating = beat.add(this.#look);
    socket.setNoDelay(true);
    socket.setTimeout(0); // The server's own, for requests.
    if (0 < head.byteLength) socket.unshift(head); // What came with the handshake is read first.
    socket.on('data', this.#onData);
    socket.on('drain', () => this.#events.onDrained());
    socket.on('error', () => {}); // 'close' follows, and it says all that we need.
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => this.#closed({ by: 'dropped', code: CLOSE.abnormal }));
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  send(whole: Buffer, from: number, to: number, done: () => void): void {
    if (this.#state.state !== 'open') {
      done();
      return;
    }
    const start = writeHeader(whole, from, to - from, OPCODE.binary);
    this.#socket.write(whole.subarray(start, to), done);
  }

  pause(): void {
    this.#socket.pause();
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#unansweredSince = undefined; // What it said meanwhile may still wait in the kernel.
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    this.#close({ by: 'local', code }, reason);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#isDeaf || this.#reader.isClosed) return;
    this.#unansweredSince = undefined;
    let length = 0;
    try {
      length = this.#reader.read(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#close({ by: 'fault', code: error.closeCode }, error.message);
      return;
    }
    if (0 < length && this.#state.state === 'open') this.#events.onBytes(bytes.subarray(0, length));
    this.#answerControl();
  };

  #answerControl(): void {
    let pong: Buffer | undefined;
    for (const event of this.#reader.takeEvents()) {
      if (event.kind === 'ping') pong = event.payload; // The last one of a chunk is answered.
      if (event.kind === 'close') this.#closedByPeer(event.code);
    }
    if (pong === undefined || this.#state.state !== 'open') return;
    if (WS_LIMITS.controlBacklogBytes < this.#socket.writableLength) return;
    this.#socket.write(encodeFrame(OPCODE.pong, pong));
  }

  #closedByPeer(code: number): void {
    if (this.#state.state === 'open') {
      // RFC 6455, 5.5.1: echo the code. The server closes the TCP connection first (7.1.1).
      this.#socket.write(encodeClose(code === CLOSE.noStatus ? CLOSE.normal : code, ''));
      this.#socket.destroySoon();
      this.#closed({ by: 'peer', code });
    } else this.#socket.destroySoon();
  }

  #close(how: ChannelClose, reason: string): void {
    if (this.#state.state !== 'open') return;
    const timer = setTimeout(() => this.#socket.destroy(), WS_LIMITS.closeTimeoutMs);
    this.#state = { state: 'closing', how, timer };
    this.#socket.write(encodeClose(how.code, reason));
    if (how.by === 'fault') {
      this.#isDeaf = true;
      this.#socket.end();
    }
    this.#socket.resume(); // To their close frame, or to the end: unread bytes would turn our goodbye into a reset.
    this.#events.onClosed(how);
  }

  readonly #look = (now: number): void => {
    if (this.#state.state !== 'open') return;
    const pulse = {
      pingedAt: this.#pingedAt,
      unansweredSince: this.#unansweredSince,
      isResting: this.#isPaused,
    };
    switch (due(now, pulse, this.#heartbeat.limits)) {
      case 'gone':
        return void this.#socket.destroy();
      case 'ping':
        this.#pingedAt = now;
        this.#unansweredSince ??= now;
        this.#socket.write(encodeFrame(OPCODE.ping, NOTHING));
        return;
      case 'nothing':
    }
  };

  #closed(how: ChannelClose): void {
    const before = this.#state;
    this.#state = { state: 'closed' };
    this.#stopBeating();
    if (before.state === 'closing') clearTimeout(before.timer);
    if (before.state === 'open') this.#events.onClosed(how);
  }
}
