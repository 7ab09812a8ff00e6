/** A file that is written to by the thread that asks, for a process that does nothing else and has one core. */
import { availableParallelism } from 'node:os';
import type { RandomAccessFile } from '../storage/file.ts';

/**
 * On one core a thread that writes and one that reads only take turns: a tenth of the time of a copy goes into waking them.
 * On more the file stays as it is.
 */
export function atOnce(file: RandomAccessFile, cores: number = availableParallelism()): RandomAccessFile {
  return cores === 1 ? new AtOnceFile(file) : file;
}

class AtOnceFile implements RandomAccessFile {
  readonly #inner: RandomAccessFile;

  constructor(inner: RandomAccessFile) {
    this.#inner = inner;
  }

  get path(): string {
    return this.#inner.path;
  }

  get isReadOnly(): boolean {
    return this.#inner.isReadOnly;
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void {
    this.#inner.readSync(into, intoOffset, length, position);
  }

  read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    return this.#inner.read(into, intoOffset, length, position);
  }

  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    this.#inner.writeSync(from, fromOffset, length, position);
  }

  async write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    this.#inner.writeSync(from, fromOffset, length, position);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#inner.truncate(sizeBytes);
  }

  sync(): Promise<void> {
    return this.#inner.sync();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
