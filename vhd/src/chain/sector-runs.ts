/**
 * The owners of the sectors of one block: runs in order, the first at sector 0, each up to the next. A block of 4096
 * sectors that 64 links wrote to now and then has some dozens; one under random writes after a snapshot has hundreds, and
 * changes with each write, so a claim changes the runs where they are and makes no garbage.
 */

/** A run is `first sector * 256 + owner`. */
const ownerIn = (run: number): number => run & 0xff;
const firstIn = (run: number): number => run >>> 8;

/** What is left free when runs outgrow their place: half as much again. */
const GROWTH = 1.5;

export class SectorRuns {
  #runs: Uint32Array;
  #count: number;

  private constructor(runs: Uint32Array, count: number) {
    this.#runs = runs;
    this.#count = count;
  }

  /** One owner for all sectors. */
  static sole(owner: number): SectorRuns {
    return new SectorRuns(Uint32Array.of(owner), 1);
  }

  /** The runs of owners that are given one a sector. Most are long: four sectors are looked at together. */
  static from(owners: Uint8Array): SectorRuns {
    const fours = new Int32Array(owners.buffer, owners.byteOffset, owners.length >>> 2);
    const runs: number[] = [];
    for (let sector = 0; sector < owners.length; ) {
      const owner = owners[sector] ?? 0;
      runs.push(sector * 256 + owner);
      while ((sector & 3) !== 0 && owners[sector] === owner) sector++;
      if ((sector & 3) !== 0) continue;
      const four = Math.imul(owner, 0x01010101);
      let i = sector >>> 2;
      while (fours[i] === four) i++;
      sector = i << 2;
      while (owners[sector] === owner) sector++;
    }
    return new SectorRuns(Uint32Array.from(runs), runs.length);
  }

  get length(): number {
    return this.#count;
  }

  /** Memory that the runs take. */
  get bytes(): number {
    return this.#runs.byteLength;
  }

  /** Index of the run that `sector` is in. */
  indexAt(sector: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (firstIn(this.#run(middle)) <= sector) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The owner of a run. */
  ownerOf(index: number): number {
    return ownerIn(this.#run(index));
  }

  /** The sector behind the last of a run; the last run ends at `end`. */
  endOf(index: number, end: number): number {
    return index + 1 < this.#count ? Math.min(end, firstIn(this.#run(index + 1))) : end;
  }

  /** Gives [first, end) to `owner`. Sectors behind the last of the disk do no harm: nobody reads them. */
  claim(first: number, end: number, owner: number): void {
    const from = this.indexAt(first);
    const to = this.indexAt(end);
    // In front stay whole runs and what the first one has before the claim; runs of one owner become one.
    const kept = firstIn(this.#run(from)) < first ? from + 1 : from;
    const isJoined = 0 < kept && this.ownerOf(kept - 1) === owner;
    const behind = this.ownerOf(to);
    const isRest = behind !== owner;
    const rest = kept + (isJoined ? 0 : 1);
    const tail = rest + (isRest ? 1 : 0);
    this.#moveTail(to + 1, tail);
    if (!isJoined) this.#runs[kept] = first * 256 + owner;
    if (isRest) this.#runs[rest] = end * 256 + behind;
  }

  /** What `from` owned, `to` owns. */
  move(from: number, to: number): void {
    let count = 0;
    for (let i = 0; i < this.#count; i++) {
      const run = this.#run(i);
      const moved = ownerIn(run) === from ? run - from + to : run;
      if (0 < count && this.ownerOf(count - 1) === ownerIn(moved)) continue;
      this.#runs[count] = moved;
      count++;
    }
    this.#count = count;
  }

  #run(index: number): number {
    return this.#runs[index] ?? 0;
  }

  /** Moves the runs from index `from` on to index `to`, in a larger place where they need one. */
  #moveTail(from: number, to: number): void {
    const count = to + this.#count - from;
    const before = this.#runs;
    if (before.length < count) {
      this.#runs = new Uint32Array(Math.ceil(count * GROWTH));
      this.#runs.set(before.subarray(0, Math.min(from, to)));
      this.#runs.set(before.subarray(from, this.#count), to);
    } else if (from !== to) {
      before.copyWithin(to, from, this.#count);
    }
    this.#count = count;
  }
}
