/** Bytes that wait until there are enough of them. Bounded. */
export class ByteQueue {
  readonly #maxBytes: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#bytes.byteLength;
  }

  /** False: that would be more than the queue may hold; nothing was added. */
  push(chunk: Uint8Array): boolean {
    if (this.#maxBytes < this.#bytes.byteLength + chunk.byteLength) return false;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    return true;
  }

  /** The next n bytes without taking them; undefined where there are fewer. */
  peek(n: number): Buffer | undefined {
    return n <= this.#bytes.byteLength ? this.#bytes.subarray(0, n) : undefined;
  }

  take(n: number): Buffer | undefined {
    const taken = this.peek(n);
    if (taken !== undefined) this.#bytes = this.#bytes.subarray(n);
    return taken;
  }

  takeAll(): Buffer {
    const all = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return all;
  }
}
