/** The chain as a disk against a buffer that went through the same writes. Named tests are for invariants and quirks. */
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from '../testing/images.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../testing/random.ts';
import { KIB } from '../units.ts';
import type { ChainDisk } from './chain-disk.ts';
import { openChain } from './open.ts';

const LEAF = '/disks/leaf.vhd';

/** A chain whose leaf is LEAF, and the disk of a model: its expected content. */
class Model {
  readonly storage = new MemoryStorage();
  readonly content: Uint8Array;
  readonly random: Random;
  disk: ChainDisk;
  #count = 0;

  private constructor(random: Random, content: Uint8Array, disk: ChainDisk, storage: MemoryStorage) {
    this.random = random;
    this.content = content;
    this.disk = disk;
    this.storage = storage;
  }

  static async create(random: Random, sizeBytes: number, type: 'fixed' | 'dynamic'): Promise<Model> {
    const storage = new MemoryStorage();
    await makeImage(storage, LEAF, { sizeBytes, type });
    const disk = await openChain(LEAF, { storage, isReadOnly: false });
    return new Model(random, new Uint8Array(sizeBytes), disk, storage);
  }

  /** A range that is small, or whole blocks, or across blocks, aligned or not, often near others. */
  range(): readonly [number, number] {
    const size = this.content.byteLength;
    const offset = this.random.chance(0.5)
      ? this.random.below(size)
      : Math.min(size - 1, this.random.below(Math.ceil(size / SMALL_BLOCK_BYTES)) * SMALL_BLOCK_BYTES);
    const length = this.random.pick([1, 511, 512, 4 * KIB, 5000, 64 * KIB, SMALL_BLOCK_BYTES, SMALL_BLOCK_BYTES + 700]);
    const unit = this.random.pick([1, 512, 4096]);
    const from = Math.floor(offset / unit) * unit;
    return [from, Math.max(1, Math.min(length, size - from))];
  }

  async step(): Promise<void> {
    const [offset, length] = this.range();
    const kind = this.random.below(20);
    if (kind < 8) {
      const bytes = this.random.bytes(length);
      await this.disk.write(bytes, offset);
      this.content.set(bytes, offset);
    } else if (kind < 11) {
      await this.disk.writeZeroes(offset, length, { mayUnmap: this.random.chance(0.5) });
      this.content.fill(0, offset, offset + length);
    } else if (kind < 13) await this.#trim(offset, length);
    else if (kind < 15) await this.disk.flush();
    else if (kind < 16) await this.reopen();
    else await this.check(offset, length);
  }

  /** What was trimmed reads as zero or as before, byte for byte. */
  async #trim(offset: number, length: number): Promise<void> {
    await this.disk.trim(offset, length);
    const now = new Uint8Array(length);
    await this.disk.read(now, offset);
    const wrong = now.findIndex((byte, i) => byte !== 0 && byte !== this.content[offset + i]);
    expect(wrong).toBe(-1);
    this.content.set(now, offset);
  }

  async reopen(): Promise<void> {
    await this.disk.close();
    this.disk = await openChain(LEAF, { storage: this.storage, isReadOnly: false });
  }

  /** Offline: the file goes under another name, a child takes its place. */
  async snapshot(): Promise<void> {
    await this.disk.close();
    const sealed = `/disks/link-${this.#count++}.vhd`;
    this.storage.rename(LEAF, sealed);
    this.storage.setWritable(sealed, false);
    await makeChild(this.storage, LEAF, sealed, { blockBytes: this.random.pick([1, 1, 2]) * SMALL_BLOCK_BYTES });
    this.disk = await openChain(LEAF, { storage: this.storage, isReadOnly: false });
  }

  async check(offset = 0, length: number = this.content.byteLength): Promise<void> {
    const bytes = new Uint8Array(length).fill(0x55);
    await this.disk.read(bytes, offset);
    expect(Buffer.compare(bytes, this.content.subarray(offset, offset + length))).toBe(0);
  }
}

describe('a chain reads what was written', () => {
  const sizes = [3 * SMALL_BLOCK_BYTES, 5 * SMALL_BLOCK_BYTES - 512, 2 * SMALL_BLOCK_BYTES + 1536, 512];
  for (let seed = 1; seed <= 12 * TEST_DEPTH; seed++) {
    test(`random program ${seed}`, { timeout: DEEP_TIMEOUT_MS }, async () => {
      const random = new Random(seed);
      const model = await Model.create(random, random.pick(sizes), random.pick(['fixed', 'dynamic', 'dynamic']));
      const depth = random.pick([1, 2, 3, 8, 64]);
      for (let link = 1; ; link++) {
        for (let i = 0; i < (depth === 64 ? 4 : 40); i++) await model.step();
        await model.check();
        if (link === depth) break;
        await model.snapshot();
      }
      await model.reopen();
      await model.check();
      await model.disk.close();
    });
  }
});
