/** What a disk of a program may be found as after a power cut: content, size, owner and snapshots, by the moment of the cut. */
import type { Disk } from '../../disk.ts';
import { isVhdError } from '../../errors.ts';
import type { Cut } from '../../testing/power-cuts.ts';
import { SectorHistory, stampOf } from '../../testing/sector-history.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { DiskInfo } from '../control/api.ts';
import type { MemoryService } from './memory-service.ts';
import { presence, type SnapshotModel } from './snapshot-model.ts';

/** Of the images that the service makes. */
export const BLOCK_SECTORS = 4096;

/** A value that a verb changes: what was answered counts, what is asked for may. */
interface Change<T> {
  readonly value: T;
  readonly asked: number;
  answered: number;
}

export class DiskModel {
  readonly id: string;
  readonly history: SectorHistory;
  readonly #sizes: Change<number>[];
  readonly #owners: Change<string | null>[] = [{ value: null, asked: -1, answered: -1 }];
  readonly #snapshots: SnapshotModel[] = [];
  /** The sectors that are looked at: of a long write its ends. */
  readonly #watched = new Set<number>();

  constructor(id: string, sectors: number, stamps: { next: number }) {
    this.id = id;
    this.history = new SectorHistory(stamps);
    this.#sizes = [{ value: sectors, asked: -1, answered: -1 }];
  }

  /** What can be written to for certain. */
  get sectors(): number {
    return this.#sizes.findLast(({ answered }) => answered !== Number.POSITIVE_INFINITY)?.value ?? 0;
  }

  watch(first: number, count: number): void {
    for (let i = 0; i < count; i++) if (i < 20 || count - 3 <= i) this.#watched.add(first + i);
  }

  growing(value: number, asked: number): void {
    this.#sizes.push({ value, asked, answered: Number.POSITIVE_INFINITY });
  }
  grown(at: number): void {
    answer(this.#sizes, at);
  }
  owning(value: string, asked: number): void {
    this.#owners.push({ value, asked, answered: Number.POSITIVE_INFINITY });
  }
  owned(at: number): void {
    answer(this.#owners, at);
  }

  addSnapshot(name: string, asked: number): SnapshotModel {
    const never = Number.POSITIVE_INFINITY;
    const snapshot: SnapshotModel = {
      name,
      asked,
      answered: never,
      removing: never,
      removed: never,
      content: undefined,
    };
    this.#snapshots.push(snapshot);
    return snapshot;
  }

  /** Reads a snapshot that was answered now; it has to be of a moment since it was asked for. */
  async learnSnapshot(snapshot: SnapshotModel, disk: Disk, answered: number): Promise<void> {
    const content = new Map<number, number>();
    for (const sector of this.#watched) content.set(sector, 0); // Beyond its end.
    await this.#read(disk, (sector, bytes) => {
      const stamp = stampOf(bytes, sector);
      const possible = this.history.between(sector, snapshot.asked, answered);
      if (!possible.includes(stamp))
        throw new Error(
          `snapshot ${snapshot.name} of ${this.id}: sector ${sector} holds ${stamp}, not ${possible.join()}`,
        );
      content.set(sector, stamp);
    });
    snapshot.content = content;
    snapshot.answered = answered;
  }

  removing(name: string, at: number): void {
    this.#named(name).removing = at;
  }
  removed(name: string, at: number): void {
    this.#named(name).removed = at;
  }
  contentOf(name: string): ReadonlyMap<number, number> | undefined {
    return this.#named(name).content;
  }

  verifyInfo(info: DiskInfo, cut: number): void {
    const sizes = possible(this.#sizes, cut).map((sectors) => sectors * SECTOR_BYTES);
    if (!sizes.includes(info.sizeBytes))
      throw new Error(`disk ${this.id} has ${info.sizeBytes} bytes, not ${sizes.join()}`);
    const owners = possible(this.#owners, cut);
    if (!owners.includes(info.owner)) throw new Error(`disk ${this.id} is ${info.owner}'s, not ${owners.join()}'s`);
    for (const snapshot of this.#snapshots) {
      const isThere = info.snapshots.some(({ name }) => name === snapshot.name);
      const expected = presence(snapshot, cut);
      if (expected === (isThere ? 'must not' : 'must'))
        throw new Error(`snapshot ${snapshot.name} of ${this.id} ${isThere ? 'is' : 'is not'} there`);
    }
  }

  /** The content; `except` was written to since. */
  async verify(disk: Disk, cut: number, isTornWithin: boolean, except = -1): Promise<void> {
    await this.#read(disk, (sector, bytes) => {
      if (sector !== except) this.history.verify(sector, bytes, cut, isTornWithin);
    });
  }

  /** SEALED-STAYS: one that was answered holds what it held then; another what the disk had when the power went. */
  async verifySnapshot(service: MemoryService, snapshotId: string, name: string, cut: Cut): Promise<void> {
    const known = this.#named(name);
    const verify = (sector: number, bytes: Uint8Array): void => {
      if (cut.index < known.answered || known.content === undefined) {
        // Sealed at some moment since it was asked for, when not all had been flushed.
        this.history.verify(sector, bytes, cut.index, cut.isTornWithin, Math.min(known.asked, cut.index));
        return;
      }
      const stamp = stampOf(bytes, sector);
      const expected = known.content.get(sector) ?? this.history.initial(sector);
      if (stamp !== expected)
        throw new Error(`snapshot ${name} of ${this.id}: sector ${sector} holds ${stamp}, held ${expected}`);
    };
    const verified = service.whileSnapshot(this.id, snapshotId, (disk) => this.#read(disk, verify));
    await verified.catch((error: unknown) => {
      // The task that removes it goes on meanwhile.
      if (presence(known, cut.index) === 'must' || !isVhdError(error, 'NOT_FOUND')) throw error;
    });
  }

  /** Each watched sector that the disk has, those that follow each other by one request. */
  async #read(disk: Disk, see: (sector: number, bytes: Uint8Array) => void): Promise<void> {
    const sectors = [...this.#watched]
      .filter((sector) => (sector + 1) * SECTOR_BYTES <= disk.sizeBytes)
      .toSorted((a, b) => a - b);
    for (let from = 0; from < sectors.length; ) {
      const first = sectors[from] ?? 0;
      let count = 1;
      while (sectors[from + count] === first + count) count++;
      const bytes = new Uint8Array(count * SECTOR_BYTES);
      await disk.read(bytes, first * SECTOR_BYTES);
      for (let i = 0; i < count; i++) see(first + i, bytes.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES));
      from += count;
    }
  }

  #named(name: string): SnapshotModel {
    const found = this.#snapshots.find((snapshot) => snapshot.name === name);
    if (found === undefined) throw new Error(`disk ${this.id} has a snapshot ${name} that nobody took`);
    return found;
  }
}

function answer<T>(changes: readonly Change<T>[], at: number): void {
  const last = changes.at(-1);
  if (last !== undefined) last.answered = at;
}

function possible<T>(changes: readonly Change<T>[], cut: number): readonly T[] {
  const from = changes.findLastIndex(({ answered }) => answered <= cut);
  return changes
    .slice(Math.max(0, from))
    .filter(({ asked }) => asked <= cut)
    .map(({ value }) => value);
}
