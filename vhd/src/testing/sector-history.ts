/**
 * What each sector of a disk may read as after a power cut: what it held when the last answered flush was asked for, or
 * anything written to it since, and nothing third. Sectors hold stamps: eight bytes, repeated, that say which write it
 * was and which sector it was for; a sector that was torn within holds several.
 */
import { SECTOR_BYTES } from '../units.ts';

const WORD_BYTES = 8;

interface Version {
  /** Length of the log when the write was issued. */
  readonly at: number;
  /** Length of the log when it was answered; a flush asked for later covers it. */
  done: number;
  /** 0 is zeros. */
  readonly stamp: number;
  /** Its place among all writes, also those of other disks whose histories share the stamps. */
  readonly order: number;
}

interface Flush {
  /** Lengths of the log when it was asked for and when it was answered. */
  readonly asked: number;
  readonly answered: number;
}

/** A write that was issued: its content, and a call for when it was answered (with the length of the log then). */
export interface Issued {
  readonly bytes: Uint8Array;
  readonly answered: (done: number) => void;
}

/** Expected content of a disk, as a function of the moment. Sectors that were never touched read as zeros. */
export class SectorHistory {
  readonly #versions = new Map<number, Version[]>();
  readonly #flushes: Flush[] = [];
  readonly #initial = new Map<number, number>();
  readonly #stamps: { next: number };

  /** Histories that share their stamps know the order of writes to several disks. */
  constructor(stamps: { next: number } = { next: 1 }) {
    this.#stamps = stamps;
  }

  /** The sectors that were ever touched. */
  get sectors(): readonly number[] {
    return [...this.#versions.keys()];
  }

  /** Makes the content for a write of `count` sectors, and takes note of it as issued when the log had length `at`. */
  stamp(first: number, count: number, at: number): Issued {
    const stamp = this.#stamps.next++;
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    const view = new DataView(bytes.buffer);
    const versions: Version[] = [];
    for (let i = 0; i < count; i++) {
      versions.push(this.#note(first + i, { at, done: Number.POSITIVE_INFINITY, stamp, order: stamp }));
      for (let word = 0; word < SECTOR_BYTES; word += WORD_BYTES) {
        view.setUint32(i * SECTOR_BYTES + word, stamp);
        view.setUint32(i * SECTOR_BYTES + word + 4, first + i);
      }
    }
    return { bytes, answered: (done) => versions.forEach((version) => Object.assign(version, { done })) };
  }

  /** Takes note of zeros. */
  zero(first: number, count: number, at: number): Issued {
    const order = this.#stamps.next++;
    const versions = Array.from({ length: count }, (_, i) =>
      this.#note(first + i, { at, done: Number.POSITIVE_INFINITY, stamp: 0, order }),
    );
    const answered = (done: number): void => versions.forEach((version) => Object.assign(version, { done }));
    return { bytes: new Uint8Array(count * SECTOR_BYTES), answered };
  }

  /** Takes note that the sectors hold what `bytes` has now; for a trim, which leaves zeros or what was there. */
  observed(first: number, bytes: Uint8Array, at: number): void {
    for (let i = 0; i < bytes.byteLength / SECTOR_BYTES; i++) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + i * SECTOR_BYTES, SECTOR_BYTES);
      this.#note(first + i, { at, done: at, stamp: view.getUint32(0), order: this.#stamps.next++ });
    }
  }

  /** A flush was answered. */
  flushed(asked: number, answered: number): void {
    this.#flushes.push({ asked, answered });
    this.#last = undefined;
  }

  /** Everything so far is on stable storage; the log starts again at 0. */
  settle(): void {
    for (const [sector, versions] of this.#versions) {
      const last = versions.at(-1);
      if (last === undefined) continue;
      this.#versions.set(sector, [{ ...last, at: -1, done: -1 }]);
      this.#initial.set(sector, last.stamp);
    }
    this.#flushes.length = 0;
    this.#last = undefined;
  }

  /** Takes note that every touched sector goes back to a stamp that it had: to `known`, or to what `settle` kept. */
  revert(known: ReadonlyMap<number, number>, at: number): Pick<Issued, 'answered'> {
    const order = this.#stamps.next++;
    const versions = this.sectors.map((sector) => {
      const stamp = known.get(sector) ?? this.initial(sector);
      return this.#note(sector, { at, done: Number.POSITIVE_INFINITY, stamp, order });
    });
    return { answered: (done) => versions.forEach((version) => Object.assign(version, { done })) };
  }

  /** What `settle` kept of a sector. */
  initial(sector: number): number {
    return this.#initial.get(sector) ?? 0;
  }

  /** The stamps a sector may have held at some moment from `from` to `to`, by a clock that sees all that was issued. */
  between(sector: number, from: number, to: number): readonly number[] {
    let base = 0;
    const since: number[] = [];
    for (const version of this.#versions.get(sector) ?? []) {
      if (to < version.at) continue;
      if (version.done <= from) base = version.stamp;
      else since.push(version.stamp);
    }
    return [base, ...since];
  }

  /** Where the write that a sector holds stands among all, and the next to the sector; `undefined` where zeros leave it open. */
  placeOf(sector: number, stamp: number): { readonly order: number; readonly next: number } | undefined {
    const versions = this.#versions.get(sector) ?? [];
    const at = versions.findLastIndex((version) => version.stamp === stamp);
    if (stamp === 0 && 0 <= at) return undefined;
    return {
      order: versions[at]?.at === -1 ? -1 : (versions[at]?.order ?? -1),
      next: versions[at + 1]?.order ?? Number.POSITIVE_INFINITY,
    };
  }

  /**
   * The stamps a sector may hold after a cut at `cut` (a length of the log). With `safeAt` what was flushed by then is
   * there, and any version between: of a snapshot that was begun then.
   */
  allowed(sector: number, cut: number, safeAt: number = cut): readonly number[] {
    const safe = this.#flushedBy(safeAt);
    let base = 0;
    const since: number[] = [];
    for (const version of this.#versions.get(sector) ?? []) {
      if (cut < version.at) continue;
      if (version.done <= safe) base = version.stamp;
      else since.push(version.stamp);
    }
    return [base, ...since];
  }

  /** Up to where in the log all is on stable storage for certain. Asked of each sector of a disk at the same moment. */
  #flushedBy(at: number): number {
    if (this.#last?.at !== at) {
      let safe = -1; // What `settle` kept is always safe.
      for (const flush of this.#flushes) if (flush.answered <= at) safe = Math.max(safe, flush.asked);
      this.#last = { at, safe };
    }
    return this.#last.safe;
  }
  #last: { readonly at: number; readonly safe: number } | undefined;

  /** Throws where a sector holds something that it must not. `bytes` is the sector. */
  verify(sector: number, bytes: Uint8Array, cut: number, isTornWithin: boolean, safeAt: number = cut): void {
    const allowed = this.allowed(sector, cut, safeAt);
    const found = stampsOf(bytes, sector);
    const wrong = found.find((stamp) => !allowed.includes(stamp));
    if (wrong !== undefined || (1 < found.length && !isTornWithin)) {
      throw new Error(`sector ${sector} holds ${found.join('+')}, allowed ${allowed.join(', ')}`);
    }
  }

  #note(sector: number, version: Version): Version {
    const versions = this.#versions.get(sector);
    if (versions === undefined) this.#versions.set(sector, [version]);
    else versions.push(version);
    return version;
  }
}

/** The one stamp of a sector that is whole; -1 where it holds several. */
export function stampOf(bytes: Uint8Array, sector: number): number {
  const [stamp = -1, ...others] = stampsOf(bytes, sector);
  return 0 < others.length ? -1 : stamp;
}

/** The stamps in a sector, in order, without repetitions; -1 for what is none or is for another sector. */
function stampsOf(bytes: Uint8Array, sector: number): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stamps: number[] = [];
  for (let word = 0; word < bytes.byteLength; word += WORD_BYTES) {
    const stamp = view.getUint32(word);
    const isRight = view.getUint32(word + 4) === (stamp === 0 ? 0 : sector);
    const value = isRight ? stamp : -1;
    if (stamps.at(-1) !== value) stamps.push(value);
  }
  return stamps;
}
