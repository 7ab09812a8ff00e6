/** A storage in memory, for tests and for images that live as long as the process. */
import path from 'node:path';
import { VhdError } from '../errors.ts';
import type { RandomAccessFile } from './file.ts';
import type { ImageLock, LockOptions } from './lock.ts';
import { MemoryContent, MemoryFile } from './memory-file.ts';
import type { FileStat, OpenMode, Storage } from './storage.ts';

/** One file: its content, and whether it may be written. */
export interface MemoryNode {
  readonly id: number;
  readonly content: MemoryContent;
  isWritable: boolean;
}

const FOLDER = { kind: 'folder', sizeBytes: 0, storedBytes: 0, modifiedAt: new Date(0), isWritable: true } as const;

/** Files in memory under absolute, normalised paths. */
export class MemoryStorage implements Storage {
  readonly nodes: Map<string, MemoryNode> = new Map();
  /** Those that were made; others are there where a file is in them. */
  readonly #folders = new Set<string>();
  #nextId = 1;
  readonly #locks = new Set<string>();

  /** Puts a file in place, e.g. one that was put together by a test. */
  put(name: string, content: MemoryContent, isWritable = true): MemoryNode {
    const node = { id: this.#nextId++, content, isWritable };
    this.nodes.set(path.resolve(name), node);
    return node;
  }

  open(name: string, mode: OpenMode): RandomAccessFile {
    const key = path.resolve(name);
    const node = this.nodes.get(key);
    if (mode === 'create') {
      if (node !== undefined) throw new VhdError('EXISTS', `cannot open ${name}: EEXIST`);
      return new MemoryFile(name, this.put(key, new MemoryContent()).content);
    }
    if (node === undefined) throw new VhdError('NOT_FOUND', `cannot open ${name}: ENOENT`);
    if (mode === 'write' && !node.isWritable) throw new VhdError('READ_ONLY', `cannot open ${name}: EACCES`);
    return new MemoryFile(name, node.content, mode === 'read');
  }

  stat(name: string): FileStat | undefined {
    const key = path.resolve(name);
    const node = this.nodes.get(key);
    if (node === undefined) return this.#isFolder(key) ? { ...FOLDER, identity: key } : undefined;
    return {
      kind: 'file',
      sizeBytes: node.content.sizeBytes,
      storedBytes: node.content.sizeBytes,
      modifiedAt: new Date(0),
      isWritable: node.isWritable,
      identity: String(node.id),
    };
  }

  resolve(name: string): string {
    const key = path.resolve(name);
    if (this.nodes.has(key) || this.#isFolder(key)) return key;
    throw new VhdError('NOT_FOUND', `cannot resolve ${name}: ENOENT`);
  }

  list(folder: string): readonly string[] {
    const prefix = `${path.resolve(folder)}/`.replace('//', '/');
    const names = [...this.nodes.keys()].filter((name) => name.startsWith(prefix));
    return [...new Set(names.map((name) => name.slice(prefix.length).split('/')[0] ?? ''))];
  }

  rename(from: string, to: string): void {
    const node = this.#get(from);
    this.nodes.delete(path.resolve(from));
    this.nodes.set(path.resolve(to), node);
  }

  link(from: string, to: string): void {
    if (this.nodes.has(path.resolve(to))) throw new VhdError('EXISTS', `cannot link to ${to}: EEXIST`);
    this.nodes.set(path.resolve(to), this.#get(from));
  }

  remove(name: string): void {
    this.nodes.delete(path.resolve(name));
  }

  setWritable(name: string, isWritable: boolean): void {
    this.#get(name).isWritable = isWritable;
  }

  makeFolder(folder: string): void {
    this.#folders.add(path.resolve(folder));
  }

  removeFolder(folder: string): void {
    const prefix = `${path.resolve(folder)}/`;
    this.#folders.delete(path.resolve(folder));
    for (const name of this.nodes.keys()) if (name.startsWith(prefix)) this.nodes.delete(name);
  }

  async syncFolder(_folder: string): Promise<void> {}

  /** Locks here die with the storage, as a machine's do with its power. */
  async lock(name: string, options: LockOptions = {}): Promise<ImageLock> {
    const key = path.resolve(name);
    if (this.#locks.has(key)) throw new VhdError('LOCKED', `${name} is in use by this process`);
    this.#locks.add(key);
    let isHeld = true;
    const release = async (): Promise<void> => {
      if (isHeld) this.#locks.delete(key);
      isHeld = false;
    };
    return { lease: options.lease ?? Date.now(), release };
  }

  #isFolder(key: string): boolean {
    if (this.#folders.has(key)) return true;
    for (const other of this.nodes.keys()) if (other.startsWith(`${key}/`)) return true;
    return false;
  }

  #get(name: string): MemoryNode {
    const node = this.nodes.get(path.resolve(name));
    if (node === undefined) throw new VhdError('NOT_FOUND', `no such file: ${name}`);
    return node;
  }
}
