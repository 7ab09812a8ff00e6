/** A viewer on a plain stream: RFB without a WebSocket around it, as native viewers speak it. */
import type { Socket } from 'node:net';
import type { Channel, ChannelEvents } from '../../gateway/relay/stream/channel.ts';
import { CLOSE } from '../../gateway/relay/stream/frame.ts';

export class StreamChannel implements Channel {
  readonly #socket: Socket;
  #isClosed = false;

  constructor(socket: Socket, events: ChannelEvents) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      if (!this.#isClosed) events.onBytes(bytes);
    });
    socket.on('drain', () => events.onDrained());
    socket.on('error', () => {}); // 'close' follows.
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      events.onClosed({ by: 'dropped', code: CLOSE.abnormal });
    });
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  send(whole: Buffer, from: number, to: number, done: () => void): void {
    if (this.#isClosed) done();
    else this.#socket.write(whole.subarray(from, to), done);
  }

  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** There is no way to say why: the stream ends. */
  close(): void {
    this.#isClosed = true;
    this.#socket.destroySoon();
  }
  destroy(): void {
    this.#socket.destroy();
  }
}
