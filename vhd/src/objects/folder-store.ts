/**
 * Objects as files of a folder, on this machine or on a mounted share. A file appears under its name when it is whole and
 * synced; its folder is synced before the caller hears of it. Zeros are holes.
 */
import { lstatSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { throwIfCancelled } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { type FileStat, fileSystem, type Storage } from '../storage/storage.ts';
import { isTemporary } from '../storage/temporary.ts';
import { type ObjectInfo, type ObjectStore, type PutOptions, requireKey } from './object-store.ts';

/** Writes that are under way at a time. */
const WRITES = 4;

export class FolderStore implements ObjectStore {
  readonly name: string;
  readonly folder: string;
  readonly isKeeping = false;
  readonly settleMs = 0;
  readonly #storage: Storage;

  /** `folder` is made where it is missing; what it is in must be there: a share that is not mounted is not written beside. */
  constructor(folder: string, storage: Storage = fileSystem) {
    this.folder = path.resolve(folder);
    this.name = this.folder;
    this.#storage = storage;
  }

  async put(key: string, parts: Iterable<Part> | AsyncIterable<Part>, options: PutOptions = {}): Promise<void> {
    const file = this.#path(key);
    const { signal, lengthBytes } = options;
    await this.#makeFolders(path.dirname(file));
    await writeNewFile(file, { storage: this.#storage, isReplacing: options.isNew !== true }, async (to) => {
      let writes: Promise<void>[] = [];
      try {
        for await (const { offset, bytes } of parts) {
          throwIfCancelled(signal);
          const write = to.write(bytes, 0, bytes.byteLength, offset);
          write.catch(() => undefined); // Told by the await of its turn.
          writes.push(write);
          if (WRITES <= writes.length) await writes.shift();
        }
        await Promise.all(writes);
        writes = [];
      } finally {
        await Promise.allSettled(writes); // A file must not be closed under a write.
      }
      if (lengthBytes !== undefined && to.sizeBytes < lengthBytes) await to.truncate(lengthBytes);
    });
  }

  async get(key: string, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#storage.open(this.#path(key), 'read');
    try {
      const bytes = Buffer.allocUnsafe(length);
      await file.read(bytes, 0, length, offset);
      return bytes;
    } finally {
      await file.close();
    }
  }

  async stat(key: string): Promise<ObjectInfo | undefined> {
    const stat = this.#storage.stat(this.#path(key));
    if (stat?.kind !== 'file') return undefined;
    const { sizeBytes, storedBytes, modifiedAt } = stat;
    return { key, sizeBytes, storedBytes, modifiedAt };
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    const cut = prefix.lastIndexOf('/');
    const base = cut < 0 ? '' : prefix.slice(0, cut);
    yield* this.#walk(base, prefix);
  }

  async remove(key: string): Promise<void> {
    const file = this.#path(key);
    this.#storage.remove(file);
    await this.#prune(path.dirname(file));
  }

  async rename(from: string, to: string, modifiedAt: Date): Promise<void> {
    const [source, target] = [this.#path(from), this.#path(to)];
    if (this.#storage === fileSystem) utimesSync(source, modifiedAt, modifiedAt);
    this.#storage.rename(source, target);
    await this.#storage.syncFolder(path.dirname(target));
  }

  async sweep(before: Date): Promise<number> {
    let bytes = 0;
    for (const file of this.#unfinished(this.folder)) {
      const stat = this.#storage.stat(file);
      // Whoever writes to one moves its time, on whatever machine.
      if (stat?.kind !== 'file' || before <= stat.modifiedAt) continue;
      bytes += stat.storedBytes;
      this.#storage.remove(file);
    }
    return bytes;
  }

  async close(): Promise<void> {}

  *#unfinished(folder: string): Generator<string> {
    for (const name of this.#storage.list(folder)) {
      const file = path.join(folder, name);
      if (this.#isLink(file)) continue;
      if (isTemporary(name)) yield file;
      else if (this.#storage.stat(file)?.kind === 'folder') yield* this.#unfinished(file);
    }
  }

  async *#walk(base: string, prefix: string): AsyncGenerator<ObjectInfo> {
    const folder = base === '' ? this.folder : this.#path(base);
    let names: readonly string[];
    try {
      names = this.#storage.list(folder);
    } catch (error) {
      if (error instanceof VhdError && error.code === 'NOT_FOUND') return;
      throw error;
    }
    const found: { readonly key: string; readonly stat: FileStat }[] = [];
    for (const name of names) {
      if (name.startsWith('.')) continue; // Not whole yet, or nothing of ours.
      const file = path.join(folder, name);
      if (this.#isLink(file)) continue;
      const stat = this.#storage.stat(file);
      const key = base === '' ? name : `${base}/${name}`;
      if (stat?.kind === 'folder') found.push({ key: `${key}/`, stat });
      else if (stat?.kind === 'file') found.push({ key, stat });
    }
    // With its slash a folder stands where the names that are in it do: behind `a-b` and `a.b`, before `a0`.
    for (const { key, stat } of found.sort((a, b) => (a.key < b.key ? -1 : 1))) {
      const isInside = key.startsWith(prefix);
      if (stat.kind === 'folder') {
        if (isInside || prefix.startsWith(key)) yield* this.#walk(key.slice(0, -1), prefix);
      } else if (isInside) {
        const { sizeBytes, storedBytes, modifiedAt } = stat;
        yield { key, sizeBytes, storedBytes, modifiedAt };
      }
    }
  }

  /** Errors: PARENT_OUTSIDE where a link is on the way: others write to a share, and what they lay there is not followed. */
  #path(key: string): string {
    let file = this.folder;
    for (const name of requireKey(key).split('/')) {
      file = path.join(file, name);
      if (this.#isLink(file))
        throw new VhdError('PARENT_OUTSIDE', `${key} in ${this.name} is a link: nothing there is followed`);
    }
    return file;
  }

  #isLink(file: string): boolean {
    return this.#storage === fileSystem && lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  }

  /** Those that are missing, from above, each synced into the one it is in. */
  async #makeFolders(folder: string): Promise<void> {
    if (this.#storage.stat(folder)?.kind === 'folder') return;
    if (folder !== this.folder) await this.#makeFolders(path.dirname(folder));
    else if (this.#storage.stat(path.dirname(folder))?.kind !== 'folder')
      throw new VhdError('NOT_FOUND', `${path.dirname(folder)} is not there: is the share of ${this.name} mounted?`);
    this.#storage.makeFolder(folder);
    await this.#storage.syncFolder(path.dirname(folder));
  }

  /** The folder of the object, where it was the last one in it. Those above are shared with whoever writes now: they stay. */
  async #prune(folder: string): Promise<void> {
    try {
      const isLast = folder !== this.folder && this.#storage.list(folder).length === 0;
      if (isLast) this.#storage.removeFolder(folder);
      await this.#storage.syncFolder(isLast ? path.dirname(folder) : folder);
    } catch (error) {
      if (!(error instanceof VhdError && error.code === 'NOT_FOUND')) throw error; // Another was there first.
    }
  }
}
