/**
 * A storage that fails once, at a call of a given number, the way a disk or a full file system does; or from that call on, as
 * it is for a process that is killed there.
 */
import type { RandomAccessFile } from '../storage/file.ts';
import { fileError } from '../storage/file.ts';
import type { ImageLock, LockOptions } from '../storage/lock.ts';
import type { FileStat, OpenMode, Storage } from '../storage/storage.ts';

/** What goes wrong. `ENOSPC` only hits calls that take space; a write stores a part before it fails. `KILLED`: nothing works any more. */
export type Fault = 'EIO' | 'ENOSPC' | 'KILLED';

type Call = 'read' | 'write' | 'truncate' | 'sync' | 'open' | 'name';

/** Passes everything on, counts calls, and fails the one numbered `at`. */
export class FaultyStorage implements Storage {
  /** Calls so far. */
  calls = 0;
  /** What failed, e.g. `write /disks/leaf.vhd`; `undefined` where the fault did not come up. */
  failed: string | undefined;
  readonly #inner: Storage;
  #at: number;
  readonly #fault: Fault;

  constructor(inner: Storage, at: number = Number.POSITIVE_INFINITY, fault: Fault = 'EIO') {
    this.#inner = inner;
    this.#at = at;
    this.#fault = fault;
  }

  /** Another call is to fail. */
  failAt(at: number): void {
    this.#at = at;
  }

  /** Counts a call; true when it is the one that fails. */
  isHit(call: Call, what: string): boolean {
    if (this.#fault === 'ENOSPC' && (call === 'read' || call === 'sync' || call === 'open')) return false;
    const number = this.calls++;
    if (this.#fault === 'KILLED' ? number < this.#at : number !== this.#at) return false;
    this.failed ??= `${call} ${what}`;
    return true;
  }

  error(what: string): Error {
    return fileError(Object.assign(new Error(`${this.#fault}: planted`), { code: this.#fault }), what);
  }

  open(name: string, mode: OpenMode): RandomAccessFile {
    this.#name(mode === 'create' ? 'name' : 'open', name);
    return new FaultyFile(this.#inner.open(name, mode), this);
  }

  stat(name: string): FileStat | undefined {
    return this.#inner.stat(name);
  }

  resolve(name: string): string {
    return this.#inner.resolve(name);
  }

  list(folder: string): readonly string[] {
    return this.#inner.list(folder);
  }

  rename(from: string, to: string): void {
    this.#name('name', `rename ${from}`);
    this.#inner.rename(from, to);
  }

  link(from: string, to: string): void {
    this.#name('name', `link ${from}`);
    this.#inner.link(from, to);
  }

  remove(name: string): void {
    this.#name('name', `remove ${name}`);
    this.#inner.remove(name);
  }

  setWritable(name: string, isWritable: boolean): void {
    this.#name('name', `mode ${name}`);
    this.#inner.setWritable(name, isWritable);
  }

  makeFolder(folder: string): void {
    this.#name('name', `make ${folder}`);
    this.#inner.makeFolder(folder);
  }

  removeFolder(folder: string): void {
    this.#name('name', `remove ${folder}`);
    this.#inner.removeFolder(folder);
  }

  async syncFolder(folder: string): Promise<void> {
    if (this.isHit('sync', folder)) throw this.error(`cannot sync ${folder}`);
    await this.#inner.syncFolder(folder);
  }

  lock(name: string, options?: LockOptions): Promise<ImageLock> {
    return this.#inner.lock(name, options);
  }

  #name(call: 'open' | 'name', what: string): void {
    if (this.isHit(call, what)) throw this.error(`cannot ${what}`);
  }
}

class FaultyFile implements RandomAccessFile {
  readonly #inner: RandomAccessFile;
  readonly #storage: FaultyStorage;

  constructor(inner: RandomAccessFile, storage: FaultyStorage) {
    this.#inner = inner;
    this.#storage = storage;
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
    this.#check('read');
    this.#inner.readSync(into, intoOffset, length, position);
  }

  async read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    this.#check('read');
    await this.#inner.read(into, intoOffset, length, position);
  }

  writeSync(from: Uint8Array, fromOffset: number, length: number, position: number): void {
    if (this.#storage.isHit('write', this.path)) {
      this.#inner.writeSync(from, fromOffset, partOf(length), position);
      throw this.#storage.error(`cannot write ${this.path}`);
    }
    this.#inner.writeSync(from, fromOffset, length, position);
  }

  async write(from: Uint8Array, fromOffset: number, length: number, position: number): Promise<void> {
    if (this.#storage.isHit('write', this.path)) {
      await this.#inner.write(from, fromOffset, partOf(length), position);
      throw this.#storage.error(`cannot write ${this.path}`);
    }
    await this.#inner.write(from, fromOffset, length, position);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#check('truncate');
    await this.#inner.truncate(sizeBytes);
  }

  async sync(): Promise<void> {
    this.#check('sync');
    await this.#inner.sync();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #check(call: Call): void {
    if (this.#storage.isHit(call, this.path)) throw this.#storage.error(`cannot ${call} ${this.path}`);
  }
}

/** What arrives of a write that fails: whole sectors of the first half. */
function partOf(length: number): number {
  return Math.floor(length / 2 / 512) * 512;
}
