/**
 * A file in memory. Sparse: only pages that were written take room, so that tests can use images of any size. A copy
 * shares its pages with the original until one of them writes.
 */
import { VhdError } from '../errors.ts';
import { endOfFile, type RandomAccessFile } from './file.ts';

const PAGE_BYTES = 4096;

/** The content of a file in memory. */
export class MemoryContent {
  sizeBytes = 0;
  readonly #pages = new Map<number, Uint8Array>();
  /** Pages that this content may write to; the others are shared with copies. */
  #own = new Set<number>();

  /** A copy that costs a map entry a page. */
  clone(): MemoryContent {
    const copy = new MemoryContent();
    copy.sizeBytes = this.sizeBytes;
    for (const [index, page] of this.#pages) copy.#pages.set(index, page);
    this.#own = new Set();
    return copy;
  }

  /** Fills what the file has of the range; returns how many bytes that were. */
  read(into: Uint8Array, intoOffset: number, length: number, position: number): number {
    const total = Math.max(0, Math.min(length, this.sizeBytes - position));
    for (let done = 0; done < total; ) {
      const at = position + done;
      const within = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - within, total - done);
      const page = this.#pages.get((at - within) / PAGE_BYTES);
      const to = intoOffset + done;
      if (page === undefined) into.fill(0, to, to + count);
      else into.set(page.subarray(within, within + count), to);
      done += count;
    }
    return total;
  }

  write(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    for (let done = 0; done < length; ) {
      const at = position + done;
      const within = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - within, length - done);
      this.#pageToWrite((at - within) / PAGE_BYTES).set(
        from.subarray(fromOffset + done, fromOffset + done + count),
        within,
      );
      done += count;
    }
    this.sizeBytes = Math.max(this.sizeBytes, position + length);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      const last = Math.floor(sizeBytes / PAGE_BYTES);
      for (const index of this.#pages.keys()) if (last < index) this.#pages.delete(index);
      if (this.#pages.has(last)) this.#pageToWrite(last).fill(0, sizeBytes % PAGE_BYTES);
    }
    this.sizeBytes = sizeBytes;
  }

  #pageToWrite(index: number): Uint8Array {
    const page = this.#pages.get(index);
    if (page !== undefined && this.#own.has(index)) return page;
    const own = page === undefined ? new Uint8Array(PAGE_BYTES) : page.slice();
    this.#pages.set(index, own);
    this.#own.add(index);
    return own;
  }
}

/** An open handle on content in memory. Several handles may share one content. */
export class MemoryFile implements RandomAccessFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly content: MemoryContent;
  #isOpen = true;

  constructor(path: string, content: MemoryContent = new MemoryContent(), isReadOnly = false) {
    this.path = path;
    this.content = content;
    this.isReadOnly = isReadOnly;
  }

  get sizeBytes(): number {
    return this.content.sizeBytes;
  }

  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void {
    this.#check();
    const got = this.content.read(into, intoOffset, length, position);
    if (got < length) throw endOfFile(this.path, position, length, got);
  }

  async read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    await Promise.resolve(); // Real files answer later too; what is wrong with the order must show in tests.
    this.readSync(into, intoOffset, length, position);
  }

  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    this.#check(true);
    this.content.write(from, fromOffset, length, position);
  }

  async write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    await Promise.resolve();
    this.writeSync(from, fromOffset, length, position);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#check(true);
    this.content.truncate(sizeBytes);
  }

  async sync(): Promise<void> {
    this.#check();
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #check(isWrite = false): void {
    if (!this.#isOpen) throw new VhdError('CLOSED', `${this.path} is closed`);
    if (isWrite && this.isReadOnly) throw new VhdError('READ_ONLY', `${this.path} was opened read-only`);
  }
}
