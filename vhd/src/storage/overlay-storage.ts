/**
 * A storage whose changes stay in memory, over one that is only read: what a journal is about to do can be seen without
 * doing it, and a repair can say what it would do by doing it here.
 */
import path from 'node:path';
import { VhdError } from '../errors.ts';
import type { RandomAccessFile } from './file.ts';
import type { ImageLock } from './lock.ts';
import { OverlayFile, type OverlayNode } from './overlay-file.ts';
import type { FileStat, OpenMode, Storage } from './storage.ts';

/** Names and bytes as they would be. */
export class OverlayStorage implements Storage {
  readonly #inner: Storage;
  /** Names that were looked up for writing, or changed; `undefined` as a value: nobody has the name any more. */
  readonly #names = new Map<string, OverlayNode | undefined>();
  #made = 0;

  constructor(inner: Storage) {
    this.#inner = inner;
  }

  open(name: string, mode: OpenMode): RandomAccessFile {
    if (mode === 'create') {
      if (this.stat(name) !== undefined) throw new VhdError('EXISTS', `${name} is there already`);
      this.#made++;
      const node = { identity: `made:${this.#made}`, below: undefined, isWritable: true, baseBytes: 0, sizeBytes: 0 };
      this.#names.set(path.resolve(name), { ...node, pages: new Map() });
    }
    const node = mode === 'read' ? this.#seen(name) : this.#node(name);
    if (node === undefined) return this.#inner.open(name, 'read');
    if (mode === 'write' && !node.isWritable) throw new VhdError('READ_ONLY', `cannot open ${name}: it is sealed`);
    const base = node.below === undefined ? undefined : this.#inner.open(node.below, 'read');
    return new OverlayFile(name, node, base, mode === 'read');
  }

  stat(name: string): FileStat | undefined {
    const node = this.#seen(name);
    if (node === undefined) return this.#isGone(name) ? undefined : this.#inner.stat(name);
    const below = node.below === undefined ? undefined : this.#inner.stat(node.below);
    const { sizeBytes, isWritable, identity } = node;
    return {
      kind: 'file',
      sizeBytes,
      storedBytes: below?.storedBytes ?? sizeBytes,
      modifiedAt: below?.modifiedAt ?? new Date(0),
      isWritable,
      identity,
    };
  }

  resolve(name: string): string {
    if (this.#names.get(path.resolve(name)) !== undefined) return path.resolve(name);
    if (this.#isGone(name)) throw new VhdError('NOT_FOUND', `cannot resolve ${name}: ENOENT`);
    return this.#inner.resolve(name);
  }

  list(folder: string): readonly string[] {
    const names = new Set(this.#inner.list(folder));
    for (const [name, node] of this.#names) {
      if (path.dirname(name) !== path.resolve(folder)) continue;
      if (node === undefined) names.delete(path.basename(name));
      else names.add(path.basename(name));
    }
    return [...names];
  }

  rename(from: string, to: string): void {
    const node = this.#node(from);
    this.#names.set(path.resolve(from), undefined);
    this.#names.set(path.resolve(to), node);
  }

  link(from: string, to: string): void {
    if (this.stat(to) !== undefined) throw new VhdError('EXISTS', `cannot link to ${to}: EEXIST`);
    this.#names.set(path.resolve(to), this.#node(from));
  }

  remove(name: string): void {
    if (this.stat(name) !== undefined) this.#names.set(this.#key(name), undefined);
  }

  /** Folders are not part of what is seen: nothing that is done here makes or removes one. */
  makeFolder(name: string): void {
    throw new VhdError('UNSUPPORTED', `cannot make ${name} where nothing is written`);
  }

  removeFolder(name: string): void {
    throw new VhdError('UNSUPPORTED', `cannot remove ${name} where nothing is written`);
  }

  setWritable(name: string, isWritable: boolean): void {
    this.#node(name).isWritable = isWritable;
  }

  async syncFolder(): Promise<void> {}

  /** Nothing below is written to. */
  async lock(): Promise<ImageLock> {
    return { lease: 0, release: async () => undefined };
  }

  /** The name itself where it was changed here, else what it leads to. */
  #key(name: string): string {
    const own = path.resolve(name);
    if (this.#names.has(own)) return own;
    try {
      return this.#inner.resolve(name);
    } catch {
      return own;
    }
  }

  #seen(name: string): OverlayNode | undefined {
    return this.#names.get(this.#key(name));
  }

  #isGone(name: string): boolean {
    const key = this.#key(name);
    return this.#names.has(key) && this.#names.get(key) === undefined;
  }

  /** What a name leads to, from now on kept here. Errors: NOT_FOUND. */
  #node(name: string): OverlayNode {
    const known = this.#seen(name);
    if (known !== undefined) return known;
    const stat = this.#isGone(name) ? undefined : this.#inner.stat(name);
    if (stat === undefined) throw new VhdError('NOT_FOUND', `no such file: ${name}`);
    const below = this.#inner.resolve(name);
    const { sizeBytes, isWritable, identity } = stat;
    const node: OverlayNode = { identity, below, isWritable, baseBytes: sizeBytes, sizeBytes, pages: new Map() };
    this.#names.set(below, node);
    return node;
  }
}
