/** The index of a stored disk as an object: written while the disk is, read back in one go and checked against the manifest. */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import {
  checkIndexHeader,
  decodeExtent,
  EXTENT_BYTES,
  encodeExtent,
  encodeIndexHeader,
  INDEX_HEADER_BYTES,
  type StoredExtent,
} from './extent-index.ts';
import type { Sealing } from './sealing.ts';

/** Entries that are sealed, read and written together. */
const SEGMENT_EXTENTS = 4096;
/** What is read of an index at a time: from a bucket, every request takes its time. */
const WINDOW_BYTES = 2 << 20;
/** In front of each segment: what it takes, and what it takes when it is opened. */
const SEGMENT_HEAD_BYTES = 8;

/** Entries as they are made, out of memory: a disk of terabytes has millions. */
export class IndexSpool {
  readonly #fd: number;
  #pending: Uint8Array[] = [];
  #extents = 0;
  #bytes = 0;

  constructor() {
    const name = path.join(tmpdir(), `.oriel-index.${randomBytes(6).toString('hex')}`);
    this.#fd = fs.openSync(name, 'wx+', 0o600);
    fs.rmSync(name); // It goes with its descriptor, however this process ends.
  }

  get extents(): number {
    return this.#extents;
  }

  add(extent: StoredExtent): void {
    this.#pending.push(encodeExtent(extent));
    this.#extents++;
    if (SEGMENT_EXTENTS <= this.#pending.length) this.#writeOut();
  }

  /** The object, and its SHA-256 once all of it has been taken. */
  object(sealing: Sealing): {
    readonly parts: AsyncGenerator<Part>;
    readonly sha256: () => string;
    readonly bytes: () => number;
  } {
    this.#writeOut();
    const hash = createHash('sha256');
    let at = 0;
    const part = (bytes: Uint8Array): Part => {
      hash.update(bytes);
      at += bytes.byteLength;
      return { offset: at - bytes.byteLength, bytes };
    };
    const segments = async function* (this: IndexSpool): AsyncGenerator<Part> {
      yield part(encodeIndexHeader());
      for (let from = 0, number = 0; from < this.#bytes; from += SEGMENT_EXTENTS * EXTENT_BYTES, number++) {
        const plain = Buffer.alloc(Math.min(SEGMENT_EXTENTS * EXTENT_BYTES, this.#bytes - from));
        fs.readSync(this.#fd, plain, 0, plain.byteLength, from);
        const sealed = await sealing.seal(plain, number);
        const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
        head.writeUInt32LE(sealed.byteLength, 0);
        head.writeUInt32LE(plain.byteLength, 4);
        yield part(head);
        yield part(sealed);
      }
    };
    return { parts: segments.call(this), sha256: () => hash.digest('hex'), bytes: () => at };
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  #writeOut(): void {
    const bytes = Buffer.concat(this.#pending);
    fs.writeSync(this.#fd, bytes, 0, bytes.byteLength, this.#bytes);
    this.#bytes += bytes.byteLength;
    this.#pending = [];
  }
}

/** What the manifest says of an index. */
export interface IndexFacts {
  readonly sha256: string;
  readonly extents: number;
}

/**
 * The entries of an index, in order. What the last ones are worth is known at the end only, when all of it has been
 * hashed: who uses them before must not mind. Errors: DAMAGED, NOT_FOUND, IO.
 */
export async function* readIndex(
  store: ObjectStore,
  key: string,
  sealing: Sealing,
  facts: IndexFacts,
): AsyncGenerator<StoredExtent> {
  const name = `${key} in ${store.name}`;
  const info = await store.stat(key);
  if (info === undefined) throw new VhdError('NOT_FOUND', `${store.name} has no ${key}`);
  const hash = createHash('sha256');
  let at = 0;
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  const next = async (length: number): Promise<Buffer> => {
    if (info.sizeBytes < at + length) throw new VhdError('DAMAGED', `${name} ends early`);
    if (windowAt + window.byteLength < at + length) {
      window = await store.get(key, at, Math.min(info.sizeBytes - at, Math.max(length, WINDOW_BYTES)));
      windowAt = at;
    }
    const bytes = window.subarray(at - windowAt, at - windowAt + length);
    hash.update(bytes);
    at += length;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  checkIndexHeader(await next(INDEX_HEADER_BYTES), name);
  let extents = 0;
  for (let number = 0; at < info.sizeBytes; number++) {
    const head = await next(SEGMENT_HEAD_BYTES);
    const sealedBytes = head.readUInt32LE(0);
    const plainBytes = head.readUInt32LE(4);
    const isSane = plainBytes <= SEGMENT_EXTENTS * EXTENT_BYTES && plainBytes % EXTENT_BYTES === 0;
    if (!isSane || 2 * SEGMENT_EXTENTS * EXTENT_BYTES < sealedBytes)
      throw new VhdError('DAMAGED', `${name}: segment ${number} cannot be`);
    const plain = Buffer.from(
      await sealing.open(await next(sealedBytes), number, plainBytes, `${name}, segment ${number}`),
    );
    for (let entry = 0; entry < plainBytes; entry += EXTENT_BYTES) {
      extents++;
      yield decodeExtent(plain, entry, name);
    }
  }
  if (extents !== facts.extents || hash.digest('hex') !== facts.sha256)
    throw new VhdError('DAMAGED', `${name} is not the one that the manifest names`);
}
