/**
 * A storage that writes down what is done to it, in memory: every write, truncation, sync and change of a name. What a
 * power cut can leave behind is worked out from the log (power-cuts.ts).
 */
import path from 'node:path';
import type { RandomAccessFile } from '../storage/file.ts';
import type { ImageLock, LockOptions } from '../storage/lock.ts';
import type { MemoryContent } from '../storage/memory-file.ts';
import { type MemoryNode, MemoryStorage } from '../storage/memory-storage.ts';
import type { FileStat, OpenMode, Storage } from '../storage/storage.ts';

/** One entry of the log. `file` is the id of a node. */
export type LogEntry =
  | { readonly kind: 'write'; readonly file: number; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly file: number; readonly sizeBytes: number }
  /** Everything done to the file before entry number `covers` is on stable storage. */
  | { readonly kind: 'sync'; readonly file: number; readonly covers: number }
  | { readonly kind: 'create'; readonly path: string; readonly file: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'link'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'mode'; readonly path: string; readonly isWritable: boolean }
  /** Names changed before entry number `covers` are on stable storage. */
  | { readonly kind: 'syncFolder'; readonly folder: string; readonly covers: number }
  /** Put there by a test: something it wants to know about the moment of the cut. */
  | { readonly kind: 'mark'; readonly note: string };

/** What was on stable storage when the recording began. */
export interface RecordedStart {
  readonly names: ReadonlyMap<string, MemoryNode>;
  readonly contents: ReadonlyMap<number, MemoryContent>;
}

/** Records while it passes everything on to a storage in memory. */
export class RecordingStorage implements Storage {
  readonly inner: MemoryStorage;
  /** For reading; grows while operations run. */
  readonly log: LogEntry[] = [];
  #start: RecordedStart | undefined;

  constructor(inner: MemoryStorage = new MemoryStorage()) {
    this.inner = inner;
  }

  /** Begins: what is there now counts as being on stable storage. */
  start(): void {
    this.log.length = 0;
    const names = new Map([...this.inner.nodes].map(([name, node]) => [name, { ...node }]));
    const contents = new Map([...this.inner.nodes.values()].map((node) => [node.id, node.content.clone()]));
    this.#start = { names, contents };
  }

  get started(): RecordedStart {
    if (this.#start === undefined) throw new Error('call start() before the operation');
    return this.#start;
  }

  /** Puts a mark into the log, e.g. "a flush was answered". */
  mark(note: string): void {
    this.log.push({ kind: 'mark', note });
  }

  open(name: string, mode: OpenMode): RandomAccessFile {
    const file = this.inner.open(name, mode);
    const key = path.resolve(name);
    const id = this.inner.nodes.get(key)?.id ?? -1;
    if (mode === 'create') this.log.push({ kind: 'create', path: key, file: id });
    return new RecordingFile(file, id, this.log);
  }

  stat(name: string): FileStat | undefined {
    return this.inner.stat(name);
  }

  resolve(name: string): string {
    return this.inner.resolve(name);
  }

  list(folder: string): readonly string[] {
    return this.inner.list(folder);
  }

  rename(from: string, to: string): void {
    this.inner.rename(from, to);
    this.log.push({ kind: 'rename', from: path.resolve(from), to: path.resolve(to) });
  }

  link(from: string, to: string): void {
    this.inner.link(from, to);
    this.log.push({ kind: 'link', from: path.resolve(from), to: path.resolve(to) });
  }

  remove(name: string): void {
    this.inner.remove(name);
    this.log.push({ kind: 'remove', path: path.resolve(name) });
  }

  setWritable(name: string, isWritable: boolean): void {
    this.inner.setWritable(name, isWritable);
    this.log.push({ kind: 'mode', path: path.resolve(name), isWritable });
  }

  makeFolder(folder: string): void {
    this.inner.makeFolder(folder);
  }

  /** Name by name, as a system does it. */
  removeFolder(folder: string): void {
    const prefix = `${path.resolve(folder)}/`;
    for (const name of this.inner.nodes.keys()) if (name.startsWith(prefix)) this.remove(name);
  }

  async syncFolder(folder: string): Promise<void> {
    const covers = this.log.length;
    await this.inner.syncFolder(folder);
    for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => setImmediate(resolve)); // Slower than a flush.
    this.log.push({ kind: 'syncFolder', folder: path.resolve(folder), covers });
  }

  lock(name: string, options: LockOptions = {}): Promise<ImageLock> {
    return this.inner.lock(name, options);
  }
}

class RecordingFile implements RandomAccessFile {
  readonly #inner: RandomAccessFile;
  readonly #id: number;
  readonly #log: LogEntry[];

  constructor(inner: RandomAccessFile, id: number, log: LogEntry[]) {
    this.#inner = inner;
    this.#id = id;
    this.#log = log;
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
    this.#wrote(from, fromOffset, length, position);
  }

  async write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // It may arrive after a sync that began later.
    this.writeSync(from, fromOffset, length, position);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#inner.truncate(sizeBytes);
    this.#log.push({ kind: 'truncate', file: this.#id, sizeBytes });
  }

  async sync(): Promise<void> {
    const covers = this.#log.length;
    await this.#inner.sync();
    await new Promise((resolve) => setImmediate(resolve)); // Others get their turn while a sync runs.
    this.#log.push({ kind: 'sync', file: this.#id, covers });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #wrote(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    const bytes = new Uint8Array(from.subarray(fromOffset, fromOffset + length)); // A copy; `slice` of a Buffer is none.
    this.#log.push({ kind: 'write', file: this.#id, position, bytes });
  }
}
