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

/** Owners of blocks and sectors. */
export class OwnerMap {
  /** One value a block: a slot that stores all of it, or one of `OWNER`. */
  readonly blocks: Uint8Array;
  readonly #sectors = new Map<number, Uint8Array>();
  readonly #maxMaps: number;

  constructor(blockCount: number, sectorsPerBlock: number, cacheBytes: number, initial: number = OWNER.unknown) {
    this.blocks = new Uint8Array(blockCount).fill(initial);
    this.#maxMaps = Math.max(2, Math.floor(cacheBytes / sectorsPerBlock));
  }

  /** The owners of the sectors of a mixed block, where they are remembered. */
  sectorsOf(block: number): Uint8Array | undefined {
    return this.#sectors.get(block);
  }

  /** Remembers the owners of a block, as one value where they are all alike. `owners` is kept where they are not. */
  put(block: number, owners: Uint8Array): void {
    const first = owners[0] ?? OWNER.none;
    const isAlike = owners.every((owner) => owner === first);
    if (isAlike) return this.putAll(block, first);
    this.blocks[block] = OWNER.mixed;
    if (this.#maxMaps <= this.#sectors.size && !this.#sectors.has(block)) {
      for (const oldest of this.#sectors.keys()) {
        this.#sectors.delete(oldest);
        break;
      }
    }
    this.#sectors.set(block, owners);
  }

  /** One owner for the whole block. */
  putAll(block: number, owner: number): void {
    this.blocks[block] = owner;
    this.#sectors.delete(block);
  }

  /** A write: the sectors belong to `slot` now. The caller says so with `putAll` when that is all of the block. */
  claim(block: number, firstSector: number, count: number, slot: number): void {
    if (this.blocks[block] === slot) return;
    this.#sectors.get(block)?.fill(slot, firstSector, firstSector + count);
    // Nothing remembered in detail: it is worked out anew when somebody reads.
    if (this.blocks[block] !== OWNER.mixed) this.blocks[block] = OWNER.unknown;
  }

  /** Everything `from` stored is stored by `to` now. */
  move(from: number, to: number): void {
    const { blocks } = this;
    for (let block = 0; block < blocks.length; block++) if (blocks[block] === from) blocks[block] = to;
    for (const [block, owners] of [...this.#sectors]) {
      for (let i = 0; i < owners.length; i++) if (owners[i] === from) owners[i] = to;
      this.put(block, owners);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.blocks.fill(OWNER.unknown);
    this.#sectors.clear();
  }
}

/** How many sectors from `first` on, below `end`, have the same owner. */
export function ownerRun(owners: Uint8Array, first: number, end: number): number {
  const owner = owners[first];
  let at = first + 1;
  while (at < end && owners[at] === owner) at++;
  return at - first;
}
