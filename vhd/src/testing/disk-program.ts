/**
 * Random programs on chains: writes, zeros, trims, flushes that writes overtake, live snapshots and splices. Everything
 * is recorded, and a history says what each sector may hold at any moment.
 */

import type { ChainDisk } from '../chain/chain-disk.ts';
import { openChain } from '../chain/open.ts';
import { isVhdError, type VhdError } from '../errors.ts';
import type { NativeFormat } from '../formats/format.ts';
import { openImage } from '../formats/open.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { SECTOR_BYTES } from '../units.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from './images.ts';
import type { Cut } from './power-cuts.ts';
import { Random } from './random.ts';
import { RecordingStorage } from './recording-storage.ts';
import { SectorHistory } from './sector-history.ts';

const LEAF = '/disks/leaf.vhd';
const BLOCK_SECTORS = SMALL_BLOCK_BYTES / SECTOR_BYTES;
const LIMITS = { asyncBytes: 8 * SECTOR_BYTES, dirtyBlocks: 3, writeOutMs: 60_000 };

/** A program: a disk under test, what it should hold, and what was recorded. */
export class DiskProgram {
  readonly recording: RecordingStorage = new RecordingStorage(new MemoryStorage());
  readonly history: SectorHistory = new SectorHistory();
  readonly random: Random;
  readonly sectors: number;
  /** Blocks come and go: an image without parent, trimmed often. */
  readonly isTrimming: boolean;
  /** What disks are opened on: the recording, or something between. */
  readonly #storage: Storage;
  #snapshots = 0;
  /** One at a time, and none after one that failed: LEAF must be the name of the leaf. */
  #maySnapshot = true;

  readonly #kind: NativeFormat | undefined;

  /**
   * `wrap` puts a storage between the disk and the recording: one that fails. Failures are then part of the program.
   * `kind` says what the first image is, where it is not drawn; a raw one has no children.
   */
  constructor(
    seed: number,
    wrap: (recording: RecordingStorage) => Storage = (recording) => recording,
    kind?: NativeFormat,
  ) {
    this.#storage = wrap(this.recording);
    this.#kind = kind;
    this.#maySnapshot = kind !== 'raw';
    this.random = new Random(seed);
    this.isTrimming = seed % 3 === 0;
    this.sectors = this.random.pick([2 * BLOCK_SECTORS + 3, 4 * BLOCK_SECTORS, 3 * BLOCK_SECTORS - 1]);
  }

  open(storage: Storage = this.#storage): Promise<ChainDisk> {
    const as = this.#kind === 'raw' ? { format: 'raw' as const } : {};
    return openChain(LEAF, { storage, isReadOnly: false, limits: LIMITS, ...as });
  }

  /** A chain of one to three images, each with some sectors of its own. */
  async prepare(): Promise<void> {
    const drawn = this.isTrimming ? 'dynamic' : this.random.pick(['dynamic', 'dynamic', 'fixed'] as const);
    const type = this.#kind ?? drawn;
    await makeImage(this.recording.inner, LEAF, { sizeBytes: this.sectors * SECTOR_BYTES, type });
    const depth = this.isTrimming || type === 'raw' ? 1 : 1 + this.random.below(3);
    for (let link = 1; ; link++) {
      const disk = await this.open(this.recording);
      for (let i = 0; i < 4; i++) await this.#write(disk);
      const asked = this.recording.log.length;
      await disk.close();
      this.history.flushed(asked, asked);
      if (link === depth) break;
      this.recording.inner.rename(LEAF, `/disks/link-${link}.vhd`);
      await makeChild(this.recording.inner, LEAF, `/disks/link-${link}.vhd`);
    }
    this.history.settle();
    this.recording.start();
  }

  /** Runs the program; returns the errors that calls ended with, which are all of this package or it throws. */
  async run(steps: number): Promise<readonly VhdError[]> {
    const errors: VhdError[] = [];
    const attempt = async (action: Promise<unknown>): Promise<void> => {
      try {
        await action;
      } catch (error) {
        if (!isVhdError(error, 'IO', 'NO_SPACE')) throw error;
        errors.push(error);
      }
    };
    let disk: ChainDisk | undefined;
    await attempt(
      this.open().then((opened) => {
        disk = opened;
      }),
    );
    if (disk === undefined) return errors;
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < steps; i++) {
      const step = this.#step(disk);
      if (step.isFlush)
        flushes.push(attempt(step.done)); // Not waited for: writes come while it runs.
      else await attempt(step.done);
      if (this.random.chance(0.3)) await Promise.all(flushes);
    }
    await Promise.all(flushes);
    await attempt(disk.close());
    return errors;
  }

  async check(storage: MemoryStorage, cut: Cut): Promise<void> {
    const disk = await this.open(storage);
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

  #step(disk: ChainDisk): { readonly done: Promise<void>; readonly isFlush: boolean } {
    const kind = this.random.below(20);
    const isTrim = this.isTrimming && this.random.chance(0.3);
    if (!isTrim && 15 < kind) return { done: this.#flush(disk), isFlush: true };
    if (isTrim || (12 < kind && kind < 15)) return { done: this.#trim(disk), isFlush: false };
    if (kind === 15 && this.#maySnapshot && this.#snapshots < 2 && !this.isTrimming)
      return { done: this.#snapshot(disk), isFlush: true };
    return { done: kind < 11 ? this.#write(disk) : this.#zero(disk), isFlush: false };
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
    const answered = written?.then(() => issued.answered(this.recording.log.length));
    if (answered === undefined) issued.answered(this.recording.log.length);
    const results = await Promise.allSettled([answered, flushed]);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
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
      try {
        await disk.read(bytes, sector * SECTOR_BYTES);
        this.history.observed(sector, bytes, at);
      } catch (error) {
        if (!isVhdError(error, 'IO')) throw error;
        this.history.zero(sector, 1, at); // Nobody knows which of the two it is.
      }
    }
  }

  async #flush(disk: ChainDisk): Promise<void> {
    const asked = this.recording.log.length;
    this.recording.mark('flush');
    await disk.flush();
    this.recording.mark('flushed');
    this.history.flushed(asked, this.recording.log.length);
  }

  /** Live: the leaf stays under another name, a child takes its place under the old one, while writes go on. */
  async #snapshot(disk: ChainDisk): Promise<void> {
    const number = this.#snapshots++;
    this.#maySnapshot = false;
    const sealed = `/disks/snapshot-${number}.vhd`;
    const child = `/disks/.child-${number}`;
    const storage = this.#storage;
    const asked = this.recording.log.length;
    this.recording.mark('snapshot');
    storage.link(LEAF, sealed);
    const leaf = disk.links[0];
    const blockBytes = leaf === undefined || leaf.isWhole ? GRAIN_OF_FIXED : leaf.blockBytes;
    await makeChild(storage, child, sealed, { blockBytes });
    // The next open finds the new leaf before the chain writes to it, as in the disk service.
    storage.rename(child, LEAF);
    storage.setWritable(sealed, false);
    await storage.syncFolder('/disks');
    await disk.pushLeaf(openImage(LEAF, { storage, isReadOnly: false }));
    this.recording.mark('snapshot done');
    this.#maySnapshot = true;
    this.history.flushed(asked, this.recording.log.length);
  }
}

/** The block size of a child of a fixed image, whose disk counts in these. */
const GRAIN_OF_FIXED = 2 * 1024 * 1024;
