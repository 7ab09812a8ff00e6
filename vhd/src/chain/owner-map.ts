/**
 * Which link of a chain stores which sector of which block, worked out once and remembered, so that a read through 64
 * links costs what a read through one does. BOUNDED: a byte for each block of the disk, and a cache of fixed size for
 * blocks whose sectors come from several links.
 *
 * Links have numbers (slots) that stay when the chain grows at the top or loses a link in the middle.
 */
import { SectorRuns } from './sector-runs.ts';

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
      this.blocks[block] = runs.ownerOf(0);
      return;
    }
    this.blocks[block] = OWNER.mixed;
    this.#sectors.set(block, runs);
    this.#bytes += costOf(runs);
    this.#makeRoom(block);
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
    if (before < OWNER.slots || before === OWNER.none) {
      const runs = SectorRuns.sole(before);
      runs.claim(firstSector, firstSector + count, slot);
      this.put(block, runs);
      return;
    }
    const known = this.#sectors.get(block);
    if (known === undefined) {
      this.blocks[block] = OWNER.unknown; // Not remembered in detail: it is worked out anew when somebody reads.
      return;
    }
    this.#bytes -= costOf(known);
    known.claim(firstSector, firstSector + count, slot);
    this.#bytes += costOf(known);
    if (known.length === 1) this.putAll(block, slot);
    else this.#makeRoom(block);
  }

  /** Everything `from` stored is stored by `to` now. */
  move(from: number, to: number): void {
    const { blocks } = this;
    for (let block = 0; block < blocks.length; block++) if (blocks[block] === from) blocks[block] = to;
    for (const [block, runs] of Array.from(this.#sectors)) {
      runs.move(from, to);
      if (runs.length === 1) this.putAll(block, runs.ownerOf(0));
    }
  }

  /** BOUNDED: the blocks that were put in first go, except for the one that is being changed. */
  #makeRoom(changed: number): void {
    if (this.#bytes <= this.#maxBytes) return;
    for (const block of this.#sectors.keys()) {
      if (block !== changed) this.#forget(block);
      if (this.#bytes <= this.#maxBytes) break;
    }
  }

  #forget(block: number): void {
    const runs = this.#sectors.get(block);
    if (runs === undefined) return;
    this.#sectors.delete(block);
    this.#bytes -= costOf(runs);
  }
}

const ENTRY_BYTES = 250; // What a map entry with its runs takes besides their content, about.
const costOf = (runs: SectorRuns): number => ENTRY_BYTES + runs.bytes;
