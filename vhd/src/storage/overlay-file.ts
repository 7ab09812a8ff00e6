/** A file of an overlay: pages that were written lie in memory, the rest is read from the file below. */
import { VhdError } from '../errors.ts';
import { endOfFile, type RandomAccessFile } from './file.ts';

/** What an overlay knows of one file. */
export interface OverlayNode {
  readonly identity: string;
  /** Where the file lies in the storage below; `undefined` for a new one. */
  readonly below: string | undefined;
  isWritable: boolean;
  /** Bytes that still count of the file below; behind them there are zeros. */
  baseBytes: number;
  sizeBytes: number;
  readonly pages: Map<number, Uint8Array>;
}

const PAGE_BYTES = 4096;
/** BOUNDED: 64 MiB for each file. Journals and repairs change metadata only. */
const MAX_PAGES = 16_384;

export class OverlayFile implements RandomAccessFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #node: OverlayNode;
  readonly #base: RandomAccessFile | undefined;

  constructor(path: string, node: OverlayNode, base: RandomAccessFile | undefined, isReadOnly: boolean) {
    this.path = path;
    this.#node = node;
    this.#base = base;
    this.isReadOnly = isReadOnly;
  }

  get sizeBytes(): number {
    return this.#node.sizeBytes;
  }

  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void {
    const stored = this.#stored(length, position);
    if (0 < stored) this.#base?.readSync(into, intoOffset, stored, position);
    this.#putPages(into, intoOffset, length, position, stored);
  }

  async read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    const stored = this.#stored(length, position);
    if (0 < stored) await this.#base?.read(into, intoOffset, stored, position);
    this.#putPages(into, intoOffset, length, position, stored);
  }

  /** Bytes of a read that the file below has. Errors: IO at the end of the file. */
  #stored(length: number, position: number): number {
    const { sizeBytes, baseBytes } = this.#node;
    if (sizeBytes < position + length) throw endOfFile(this.path, position, length, Math.max(0, sizeBytes - position));
    return this.#base === undefined ? 0 : Math.max(0, Math.min(length, baseBytes - position));
  }

  #putPages(into: Uint8Array, intoOffset: number, length: number, position: number, stored: number): void {
    into.fill(0, intoOffset + stored, intoOffset + length);
    if (this.#node.pages.size === 0) return;
    for (let at = position; at < position + length; ) {
      const [page, within] = [Math.floor(at / PAGE_BYTES), at % PAGE_BYTES];
      const count = Math.min(PAGE_BYTES - within, position + length - at);
      const bytes = this.#node.pages.get(page);
      if (bytes !== undefined) into.set(bytes.subarray(within, within + count), intoOffset + at - position);
      at += count;
    }
  }

  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    if (this.isReadOnly) throw new VhdError('READ_ONLY', `cannot write ${this.path}: it is open for reading`);
    for (let at = position; at < position + length; ) {
      const [page, within] = [Math.floor(at / PAGE_BYTES), at % PAGE_BYTES];
      const count = Math.min(PAGE_BYTES - within, position + length - at);
      const start = fromOffset + at - position;
      this.#page(page).set(from.subarray(start, start + count), within);
      at += count;
    }
    this.#node.sizeBytes = Math.max(this.#node.sizeBytes, position + length);
  }

  #page(page: number): Uint8Array {
    const known = this.#node.pages.get(page);
    if (known !== undefined) return known;
    if (MAX_PAGES <= this.#node.pages.size) throw new VhdError('NO_SPACE', `too many changes of ${this.path} at once`);
    const bytes = new Uint8Array(PAGE_BYTES);
    const stored = Math.max(0, Math.min(PAGE_BYTES, this.#node.baseBytes - page * PAGE_BYTES));
    if (0 < stored) this.#base?.readSync(bytes, 0, stored, page * PAGE_BYTES);
    this.#node.pages.set(page, bytes);
    return bytes;
  }

  async write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    this.writeSync(from, fromOffset, length, position);
  }

  async truncate(sizeBytes: number): Promise<void> {
    const node = this.#node;
    node.baseBytes = Math.min(node.baseBytes, sizeBytes);
    for (const page of node.pages.keys()) if (sizeBytes <= page * PAGE_BYTES) node.pages.delete(page);
    node.pages.get(Math.floor(sizeBytes / PAGE_BYTES))?.fill(0, sizeBytes % PAGE_BYTES);
    node.sizeBytes = sizeBytes;
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    await this.#base?.close();
  }
}
