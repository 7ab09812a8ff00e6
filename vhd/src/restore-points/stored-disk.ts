/** One stored disk: its index in memory, and its pieces as they were before they were stored, each checked. */
import { isVhdError, VhdError } from '../errors.ts';
import { EXTENT, type StoredExtent } from './extent-index.ts';
import { readIndex } from './index-store.ts';
import type { PointDisk } from './manifest.ts';
import type { PointRef, Repository } from './repository.ts';
import { Sealing, sha256 } from './sealing.ts';

/** BOUNDED: entries of one index that are kept in memory; about 60 bytes each. */
const MAX_EXTENTS = 8_000_000;

export class StoredDisk {
  readonly facts: PointDisk;
  readonly name: string;
  readonly #repository: Repository;
  #key: string;
  readonly #lastKey: string;
  readonly #sealing: Sealing;
  readonly #columns: Columns;

  private constructor(repository: Repository, point: PointRef, facts: PointDisk, columns: Columns) {
    this.facts = facts;
    this.#repository = repository;
    this.#lastKey = repository.keyOf(point, facts.file);
    this.#key = facts.pending === null ? this.#lastKey : repository.keyOf(point, facts.pending);
    this.name = `${this.#key} in ${repository.store.name}`;
    this.#sealing = sealingOf(repository, facts, 'data');
    this.#columns = columns;
  }

  /** Reads the index. Errors: DAMAGED, NOT_FOUND, TOO_LARGE, IO. */
  static async open(repository: Repository, point: PointRef, facts: PointDisk): Promise<StoredDisk> {
    if (MAX_EXTENTS < facts.extents)
      throw new VhdError('TOO_LARGE', `${facts.index} has ${facts.extents} entries, at most ${MAX_EXTENTS}`);
    const columns = new Columns(facts.extents);
    let end = 0;
    for await (const extent of extentsOf(repository, point, facts)) {
      if (extent.kind === EXTENT.structure) continue;
      const isInside = end <= extent.offset && extent.offset + extent.length <= facts.sizeBytes;
      if (!isInside) throw new VhdError('DAMAGED', `${facts.index}: the entry at ${extent.offset} cannot be`);
      end = extent.offset + extent.length;
      columns.add(extent);
    }
    return new StoredDisk(repository, point, facts, columns);
  }

  get count(): number {
    return this.#columns.count;
  }

  /** Infinity behind the last. */
  offset(at: number): number {
    return at < this.count ? (this.#columns.offsets[at] ?? Infinity) : Infinity;
  }

  end(at: number): number {
    return this.offset(at) + (this.#columns.lengths[at] ?? 0);
  }

  isZero(at: number): boolean {
    return this.#columns.stored[at] === 0;
  }

  /** The first entry that ends behind `offset`; `count` where none does. */
  find(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offset < this.end(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The bytes of an entry, all of them. Errors: DAMAGED where they are not those that were stored; NOT_FOUND, IO. */
  async read(at: number): Promise<Uint8Array> {
    const extent = this.#columns.get(at);
    try {
      return await readPiece(this.#repository, this.#key, this.facts, this.#sealing, extent);
    } catch (error) {
      if (!isVhdError(error, 'NOT_FOUND') || this.#key === this.#lastKey) throw error;
      this.#key = this.#lastKey; // It has its last name by now.
      return this.read(at);
    }
  }
}

/** Everything that the index of a stored disk names, in the order of the file. Errors: DAMAGED, NOT_FOUND, IO. */
export function extentsOf(repository: Repository, point: PointRef, facts: PointDisk): AsyncGenerator<StoredExtent> {
  const { indexSha256, extents } = facts;
  const sealing = sealingOf(repository, facts, 'index');
  return readIndex(repository.store, repository.keyOf(point, facts.index), sealing, { sha256: indexSha256, extents });
}

/** Where a stored disk lies now. */
export async function keyOfDisk(repository: Repository, point: PointRef, facts: PointDisk): Promise<string> {
  const pending = facts.pending === null ? undefined : repository.keyOf(point, facts.pending);
  if (pending !== undefined && (await repository.store.stat(pending)) !== undefined) return pending;
  return repository.keyOf(point, facts.file);
}

export const sealingOf = (repository: Repository, facts: PointDisk, purpose: 'data' | 'index'): Sealing =>
  new Sealing(purpose === 'data' ? facts.compression : 'none', repository.dataKey, facts.salt, purpose);

/** The bytes of an entry, checked. Errors: DAMAGED, NOT_FOUND, IO. */
export async function readPiece(
  { store }: Repository,
  key: string,
  facts: PointDisk,
  sealing: Sealing,
  extent: Pick<StoredExtent, 'length' | 'position' | 'storedAt' | 'storedBytes' | 'sha256'>,
): Promise<Uint8Array> {
  const name = `${key} in ${store.name}, byte ${extent.storedAt}`;
  const stored = await store.get(key, extent.storedAt, extent.storedBytes);
  const bytes = facts.form === 'vhd' ? stored : await sealing.open(stored, extent.position, extent.length, name);
  if (Buffer.compare(sha256(bytes), extent.sha256) !== 0)
    throw new VhdError('DAMAGED', `${name}: ${extent.length} bytes are not those that were stored`);
  return bytes;
}

/** Entries without an object each. */
class Columns {
  count = 0;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly stored: Uint32Array;
  readonly #positions: Float64Array;
  readonly #storedAt: Float64Array;
  readonly #hashes: Uint8Array;

  constructor(capacity: number) {
    this.offsets = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.stored = new Uint32Array(capacity);
    this.#positions = new Float64Array(capacity);
    this.#storedAt = new Float64Array(capacity);
    this.#hashes = new Uint8Array(capacity * 32);
  }

  add(extent: StoredExtent): void {
    const at = this.count++;
    this.offsets[at] = extent.offset;
    this.lengths[at] = extent.length;
    this.stored[at] = extent.storedBytes;
    this.#positions[at] = extent.position;
    this.#storedAt[at] = extent.storedAt;
    this.#hashes.set(extent.sha256, at * 32);
  }

  get(at: number): Omit<StoredExtent, 'kind'> {
    return {
      offset: this.offsets[at] ?? 0,
      length: this.lengths[at] ?? 0,
      position: this.#positions[at] ?? 0,
      storedAt: this.#storedAt[at] ?? 0,
      storedBytes: this.stored[at] ?? 0,
      sha256: this.#hashes.subarray(at * 32, at * 32 + 32),
    };
  }
}
