/**
 * Which link of a chain stores which sector of which block, worked out once and remembered, so that a read through 64
 * links costs what a read through one does. BOUNDED: a byte for each block of the disk, and a cache of fixed size for
 * blocks whose sectors come from several links.
 *
 * Links have numbers (slots) that stay when the chain grows at the top or loses a link in the middle.
 */

/** Values of `OwnerMap.blocks` that are no slot. */
export const OWNER = {
  /** Slots are below this. */
  slots: 253,
  /** The sectors of the block have different owners: see `sectorsOf`. */
  mixed: 253,
  /** No link stores the block: zeros. Also the value of a sector without owner. */
  none: 254,
  /** Nobody has looked yet. */
  unknown: 255,
} as const;

/**
 * The owners of the sectors of one block: runs, each `first sector * 256 + owner` and up to the next; in order, the
 * first at 0. A block of 4096 sectors that 64 links wrote to now and then has some dozens.
 */
export type SectorRuns = Uint32Array;

/** Owners of blocks and sectors. */
export class OwnerMap {
  /** One value a block: a slot that stores all of it, or one of `OWNER`. */
  readonly blocks: Uint8Array;
  readonly #sectors = new Map<number, SectorRuns>();
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(blockCount: number, cacheBytes: number, initial: number = OWNER.unknown) {
    this.blocks = new Uint8Array(blockCount).fill(initial);
    this.#maxBytes = cacheBytes;
  }

  /** The owners of the sectors of a mixed block, where they are remembered. */
  sectorsOf(block: number): SectorRuns | undefined {
    return this.#sectors.get(block);
  }

  /** Remembers the owners of a block, as one value where they are all alike. */
  put(block: number, runs: SectorRuns): void {
    this.#forget(block);
    if (runs.length === 1) {
      this.blocks[block] = (runs[0] ?? OWNER.none) & 0xff;
      return;
    }
    this.blocks[block] = OWNER.mixed;
    this.#bytes += costOf(runs);
    for (const [oldest, old] of this.#sectors) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#sectors.delete(oldest);
      this.#bytes -= costOf(old);
    }
    this.#sectors.set(block, runs);
  }

  /** One owner for the whole block. */
  putAll(block: number, owner: number): void {
    this.blocks[block] = owner;
    this.#forget(block);
  }

  /** A write: the sectors belong to `slot` now. */
  claim(block: number, firstSector: number, count: number, slot: number): void {
    const before = this.blocks[block] ?? OWNER.unknown;
    if (before === slot) return;
    const runs = before < OWNER.slots || before === OWNER.none ? Uint32Array.of(before) : this.#sectors.get(block);
    // Not remembered in detail: it is worked out anew when somebody reads.
    if (runs === undefined) this.blocks[block] = OWNER.unknown;
    else this.put(block, claimRun(runs, firstSector, firstSector + count, slot));
  }

  /** Everything `from` stored is stored by `to` now. */
  move(from: number, to: number): void {
    const { blocks } = this;
    for (let block = 0; block < blocks.length; block++) if (blocks[block] === from) blocks[block] = to;
    for (const [block, runs] of Array.from(this.#sectors)) {
      const moved = runs.map((run) => ((run & 0xff) === from ? run - from + to : run));
      this.put(
        block,
        moved.filter((run, i) => i === 0 || ((moved[i - 1] ?? 0) & 0xff) !== (run & 0xff)),
      );
    }
  }

  #forget(block: number): void {
    const runs = this.#sectors.get(block);
    if (runs === undefined) return;
    this.#sectors.delete(block);
    this.#bytes -= costOf(runs);
  }
}

/** Index of the run that `sector` is in. */
export function runAt(runs: SectorRuns, sector: number): number {
  let low = 0;
  let high = runs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((runs[middle] ?? 0) >>> 8 <= sector) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The owner of a run. */
export function ownerOf(runs: SectorRuns, index: number): number {
  return (runs[index] ?? OWNER.none) & 0xff;
}

/** The sector behind the last of a run; the last run ends at `end`. */
export function endOf(runs: SectorRuns, index: number, end: number): number {
  const next = runs[index + 1];
  return next === undefined ? end : Math.min(end, next >>> 8);
}

const ENTRY_BYTES = 200; // What a map entry with a small typed array takes besides its content, about.
const costOf = (runs: SectorRuns): number => ENTRY_BYTES + runs.byteLength;

/** The runs of owners that are given one a sector. Most are long: four sectors are looked at together. */
export function runsOf(owners: Uint8Array): SectorRuns {
  const fours = new Int32Array(owners.buffer, owners.byteOffset, owners.length >>> 2);
  const runs: number[] = [];
  for (let sector = 0; sector < owners.length; ) {
    const owner = owners[sector] ?? OWNER.none;
    runs.push(sector * 256 + owner);
    while ((sector & 3) !== 0 && owners[sector] === owner) sector++;
    if ((sector & 3) !== 0) continue;
    const four = Math.imul(owner, 0x01010101);
    let i = sector >>> 2;
    while (fours[i] === four) i++;
    sector = i << 2;
    while (owners[sector] === owner) sector++;
  }
  return Uint32Array.from(runs);
}

/** The runs with [first, end) given to `slot`. Sectors behind the last of the disk do no harm: nobody reads them. */
function claimRun(runs: SectorRuns, first: number, end: number, slot: number): SectorRuns {
  const result: number[] = [];
  const add = (sector: number, owner: number): void => {
    const last = result.at(-1);
    if (last === undefined || (last & 0xff) !== owner) result.push(sector * 256 + owner);
  };
  const from = runAt(runs, first);
  for (let i = 0; i < from; i++) result.push(runs[i] ?? 0);
  if ((runs[from] ?? 0) >>> 8 < first) add((runs[from] ?? 0) >>> 8, ownerOf(runs, from));
  add(first, slot);
  const to = runAt(runs, end);
  for (let i = to; i < runs.length; i++) add(Math.max(end, (runs[i] ?? 0) >>> 8), ownerOf(runs, i));
  return Uint32Array.from(result);
}
