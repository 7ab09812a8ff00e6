/** The last so many bytes of a console, and where each stands in all that was said. Pure. */
export class Scrollback {
  readonly #ring: Buffer;
  #count = 0;

  constructor(bytes: number) {
    this.#ring = Buffer.alloc(bytes);
  }

  push(bytes: Uint8Array): void {
    const size = this.#ring.byteLength;
    const last = bytes.subarray(Math.max(0, bytes.byteLength - size));
    const at = (this.#count + bytes.byteLength - last.byteLength) % size;
    const first = Math.min(last.byteLength, size - at);
    this.#ring.set(last.subarray(0, first), at);
    this.#ring.set(last.subarray(first), 0);
    this.#count += bytes.byteLength;
  }

  /** How many bytes were ever pushed: the position of the next. */
  get end(): number {
    return this.#count;
  }

  /** What is kept, from the start of a line where its beginning is lost. */
  read(): Buffer {
    const all = this.#kept();
    if (all.byteLength === this.#count) return all;
    // The cut may lie in the middle of a character or an escape sequence: begin behind the first end of a line.
    const line = all.indexOf(0x0a);
    return line === -1 ? all : all.subarray(line + 1);
  }

  /** What follows a position; undefined where it is kept no longer, or was never reached. */
  since(position: number): Buffer | undefined {
    const all = this.#kept();
    const missing = this.#count - position;
    return 0 <= missing && missing <= all.byteLength ? all.subarray(all.byteLength - missing) : undefined;
  }

  /** A copy. */
  #kept(): Buffer {
    const size = this.#ring.byteLength;
    if (this.#count <= size) return Buffer.from(this.#ring.subarray(0, this.#count));
    const at = this.#count % size;
    return Buffer.concat([this.#ring.subarray(at), this.#ring.subarray(0, at)]);
  }
}
