/**
 * One serial port, many viewers: QEMU serves a single client, so we are that client and hand out streams. BOUNDED: a viewer
 * that does not read is dropped, not waited for. A new one sees the last lines first, as on a real console.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type DialOptions, dialUnix } from '../qmp/client.ts';

export const SERIAL_LIMITS = { historyBytes: 16_384, viewerBytes: 1_048_576 } as const;

export class SerialHub {
  readonly #path: string;
  readonly #readHistory: () => Promise<Uint8Array>;
  readonly #viewers = new Set<Viewer>();
  #port: Promise<Socket> | undefined;
  #history: Uint8Array = new Uint8Array();

  constructor(path: string, readHistory: () => Promise<Uint8Array>) {
    this.#path = path;
    this.#readHistory = readHistory;
  }

  async dial(options: DialOptions): Promise<Duplex> {
    // The port is shared, so it reads into no viewer's buffer and does not go when the first one gives up.
    this.#port ??= this.#connect({ timeoutMs: options.timeoutMs });
    const port = await this.#port;
    const viewer = new Viewer(port, () => this.#leave(viewer));
    this.#viewers.add(viewer);
    if (0 < this.#history.byteLength) viewer.push(this.#history);
    return viewer;
  }

  async #connect(options: DialOptions): Promise<Socket> {
    try {
      const socket = await dialUnix(this.#path, options);
      socket.on('data', (chunk: Buffer) => this.#broadcast(chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => this.#ended());
      this.#history = tail(await this.#readHistory());
      return socket;
    } catch (error) {
      this.#port = undefined;
      throw error;
    }
  }

  #broadcast(chunk: Uint8Array): void {
    this.#history = tail(Buffer.concat([this.#history, chunk]));
    for (const viewer of this.#viewers) {
      if (SERIAL_LIMITS.viewerBytes < viewer.readableLength + chunk.byteLength) viewer.destroy();
      else viewer.push(chunk);
    }
  }

  #leave(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size !== 0) return;
    const port = this.#port;
    this.#port = undefined;
    void port?.then((socket) => socket.destroy()).catch(() => undefined);
  }

  #ended(): void {
    this.#port = undefined;
    for (const viewer of this.#viewers) viewer.destroy();
  }
}

class Viewer extends Duplex {
  readonly #port: Socket;
  readonly #onGone: () => void;

  constructor(port: Socket, onGone: () => void) {
    super({ allowHalfOpen: false });
    this.#port = port;
    this.#onGone = onGone;
  }

  override _read(): void {
    // Chunks come when the guest speaks.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#port.destroyed) callback(new Error('the serial port was closed'));
    else this.#port.write(chunk, callback); // The guest's pace is the viewer's.
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#onGone();
    callback(error);
  }
}

function tail(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(Math.max(0, bytes.byteLength - SERIAL_LIMITS.historyBytes));
}
