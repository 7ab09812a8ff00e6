/**
 * FLUSHED-IS-SAFE for a disk in use: random programs on chains, cut at every write, in every order the storage may
 * choose. The states are opened for writing, as a service would after a crash, and used on.
 */
import { describe, expect, test } from 'vitest';
import { SECTOR_BYTES } from '../units.ts';
import type { ChainDisk } from './chain-disk.ts';
import { MemoryStorage } from './memory-storage.ts';
import { openChain } from './open.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from './testing/images.ts';
import { type Cut, replayPowerCuts } from './testing/power-cuts.ts';
import { Random, TEST_DEPTH } from './testing/random.ts';
import { RecordingStorage } from './testing/recording-storage.ts';
import { SectorHistory } from './testing/sector-history.ts';

const LEAF = '/disks/leaf.vhd';
const BLOCK_SECTORS = SMALL_BLOCK_BYTES / SECTOR_BYTES;
const LIMITS = { asyncBytes: 8 * SECTOR_BYTES, dirtyBlocks: 3, writeOutMs: 60_000 };

/** A program: a disk under test, what it should hold, and what was recorded. */
class Program {
  readonly recording = new RecordingStorage(new MemoryStorage());
  readonly history = new SectorHistory();
  readonly random: Random;
  readonly sectors: number;
  /** Blocks come and go: an image without parent, trimmed often. */
  readonly isTrimming: boolean;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.isTrimming = seed % 3 === 0;
    this.sectors = this.random.pick([2 * BLOCK_SECTORS + 3, 4 * BLOCK_SECTORS, 3 * BLOCK_SECTORS - 1]);
  }

  open(): Promise<ChainDisk> {
    return openChain(LEAF, { storage: this.recording, isReadOnly: false, limits: LIMITS });
  }

  /** A chain of one to three images, each with some sectors of its own. */
  async prepare(): Promise<void> {
    const type = this.isTrimming ? 'dynamic' : this.random.pick(['dynamic', 'dynamic', 'fixed'] as const);
    makeImage(this.recording.inner, LEAF, { sizeBytes: this.sectors * SECTOR_BYTES, type });
    const depth = this.isTrimming ? 1 : 1 + this.random.below(3);
    for (let link = 1; ; link++) {
      const disk = await this.open();
      for (let i = 0; i < 4; i++) await this.#write(disk);
      const asked = this.recording.log.length;
      await disk.close();
      this.history.flushed(asked, asked);
      if (link === depth) break;
      this.recording.inner.rename(LEAF, `/disks/link-${link}.vhd`);
      makeChild(this.recording.inner, LEAF, `/disks/link-${link}.vhd`);
    }
    this.history.settle();
    this.recording.start();
  }

  async run(steps: number): Promise<void> {
    const disk = await this.open();
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < steps; i++) {
      const kind = this.random.below(20);
      if (this.isTrimming && this.random.chance(0.3)) await this.#trim(disk);
      else if (kind < 11) await this.#write(disk);
      else if (kind < 13) await this.#zero(disk);
      else if (kind < 15) await this.#trim(disk);
      else flushes.push(this.#flush(disk)); // Not waited for: writes come while it runs.
      if (this.random.chance(0.3)) await Promise.all(flushes);
    }
    await Promise.all(flushes);
    await disk.close();
  }

  async check(storage: MemoryStorage, cut: Cut): Promise<void> {
    const disk = await openChain(LEAF, { storage, isReadOnly: false });
    this.#verify(disk, cut);
    // Life goes on: blocks are placed where the cut may have left something, and must not show it.
    const fresh = this.random.below(this.sectors);
    await disk.write(new Uint8Array(SECTOR_BYTES), fresh * SECTOR_BYTES);
    await disk.flush();
    this.#verify(disk, cut, fresh);
    await disk.close();
  }

  #verify(disk: ChainDisk, cut: Cut, except = -1): void {
    const bytes = new Uint8Array(SECTOR_BYTES);
    const untouched = [0, 1, 2, 3].map(() => this.random.below(this.sectors));
    for (const sector of [...this.history.sectors, ...untouched]) {
      if (sector === except) continue;
      if (disk.read(bytes, sector * SECTOR_BYTES) !== undefined)
        throw new Error('a small read was not answered at once');
      this.history.verify(sector, bytes, cut.index, cut.isTornWithin);
    }
  }

  /** Few places, so that they are written again and again. */
  #range(): readonly [number, number] {
    const spots = [0, 5, BLOCK_SECTORS - 2, BLOCK_SECTORS, BLOCK_SECTORS + 9, 2 * BLOCK_SECTORS - 4, this.sectors - 3];
    const first = Math.min(this.sectors - 1, this.random.pick(spots) + this.random.below(3));
    return [first, Math.min(this.sectors - first, this.random.pick([1, 1, 2, 7, 8, 20]))];
  }

  async #write(disk: ChainDisk): Promise<void> {
    const [first, count] = this.#range();
    const issued = this.history.stamp(first, count, this.recording.log.length);
    this.recording.mark('write');
    const written = disk.write(issued.bytes, first * SECTOR_BYTES);
    // A flush that is asked for while a large write is under way does not cover it; the next one does.
    const flushed = written !== undefined && this.random.chance(0.5) ? this.#flush(disk) : undefined;
    await written;
    issued.answered(this.recording.log.length);
    await flushed;
  }

  async #zero(disk: ChainDisk): Promise<void> {
    const isBlock = this.random.chance(0.5);
    const [first, count] = isBlock ? [this.random.below(2) * BLOCK_SECTORS, BLOCK_SECTORS] : this.#range();
    const touched = isBlock
      ? this.history.sectors.filter((sector) => first <= sector && sector < first + count)
      : undefined;
    const at = this.recording.log.length;
    const issued =
      touched === undefined
        ? [this.history.zero(first, count, at)]
        : touched.map((sector) => this.history.zero(sector, 1, at));
    this.recording.mark('zero');
    await disk.writeZeroes(first * SECTOR_BYTES, count * SECTOR_BYTES, { mayUnmap: this.random.chance(0.7) });
    for (const one of issued) one.answered(this.recording.log.length);
  }

  async #trim(disk: ChainDisk): Promise<void> {
    const first = this.random.below(2) * BLOCK_SECTORS;
    const length = Math.min(this.sectors - first, BLOCK_SECTORS * (1 + this.random.below(2)));
    const at = this.recording.log.length;
    this.recording.mark('trim');
    await disk.trim(first * SECTOR_BYTES, length * SECTOR_BYTES);
    for (const sector of this.history.sectors) {
      if (sector < first || first + length <= sector) continue;
      const bytes = new Uint8Array(SECTOR_BYTES);
      await disk.read(bytes, sector * SECTOR_BYTES);
      this.history.observed(sector, bytes, at);
    }
  }

  async #flush(disk: ChainDisk): Promise<void> {
    const asked = this.recording.log.length;
    this.recording.mark('flush');
    await disk.flush();
    this.recording.mark('flushed');
    this.history.flushed(asked, this.recording.log.length);
  }
}

describe('FLUSHED-IS-SAFE', () => {
  const programs = 12;
  const states = Math.round((6000 * TEST_DEPTH) / programs);
  for (let seed = 1; seed <= programs; seed++) {
    test(`a chain in use survives a power cut at any write, program ${seed}`, async () => {
      const program = new Program(seed);
      await program.prepare();
      await program.run(30);
      const tried = await replayPowerCuts(program.recording, {
        seed,
        states,
        check: (storage, cut) => program.check(storage, cut),
      });
      expect(tried).toBeGreaterThan(program.recording.log.length);
    });
  }
});
