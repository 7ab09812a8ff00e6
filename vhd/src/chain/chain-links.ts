/**
 * The images of a chain and who of them stores what: the reading half of a `ChainDisk`. A sector that
 * an image does not store is its parent's, and zeros where there is none (quirk 12).
 */

import { type Extent, type MaybeAsync, partOf } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import type { DiskLimits } from '../limits.ts';
import { SECTOR_BYTES } from '../units.ts';
import { ExtentList } from './extent-list.ts';
import { all } from './maybe-async.ts';
import { OWNER, OwnerMap } from './owner-map.ts';
import { SectorRuns } from './sector-runs.ts';

/** The unit of the owner map over a whole leaf. */
const DEFAULT_GRAIN_BYTES = 2 * 1024 * 1024;

/** Links from the leaf to the root, and the owner of every sector. */
export class ChainLinks {
  /** Bytes of a block of the leaf: the unit in which owners are worked out. */
  readonly grainBytes: number;
  readonly owners: OwnerMap;
  readonly #limits: DiskLimits;
  #links: readonly Image[];
  /** Links by slot. */
  readonly #slots: (Image | undefined)[];
  /** The slot of each link, in the order of `#links`. */
  #slotOfLink: readonly number[];
  #leaf: Image;
  #leafSlot: number;

  constructor(links: readonly Image[], limits: DiskLimits) {
    const leaf = links[0];
    if (leaf === undefined) throw new VhdError('USAGE', 'a chain needs at least one image');
    if (limits.chainLinks < links.length || OWNER.slots <= links.length) {
      throw new VhdError(
        'CHAIN_TOO_LONG',
        `the chain of ${leaf.path} has ${links.length} images, at most ${limits.chainLinks}`,
      );
    }
    this.#limits = limits;
    this.#links = links;
    this.#slots = [...links];
    this.#slotOfLink = links.map((_, i) => i);
    this.#leaf = leaf;
    this.#leafSlot = 0;
    this.grainBytes = leaf.isWhole ? DEFAULT_GRAIN_BYTES : leaf.blockBytes;
    const initial = leaf.isWhole ? 0 : OWNER.unknown;
    this.owners = new OwnerMap(Math.ceil(leaf.sizeBytes / this.grainBytes), limits.ownerCacheBytes, initial);
  }

  get images(): readonly Image[] {
    return this.#links;
  }

  get leaf(): Image {
    return this.#leaf;
  }

  get leafSlot(): number {
    return this.#leafSlot;
  }

  /** A new leaf on top. Errors: CHAIN_TOO_LONG. */
  push(image: Image): void {
    const free = this.#slots.indexOf(undefined);
    const slot = free < 0 ? this.#slots.length : free;
    if (this.#limits.chainLinks <= this.#links.length || OWNER.slots <= slot) {
      throw new VhdError('CHAIN_TOO_LONG', `the chain of ${this.#leaf.path} has ${this.#links.length} images already`);
    }
    this.#slots[slot] = image;
    this.#links = [image, ...this.#links];
    this.#slotOfLink = [slot, ...this.#slotOfLink];
    this.#leaf = image;
    this.#leafSlot = slot;
  }

  /** Takes a link out; what it stored, the link `into` stores now, as `replacement` where there is one. */
  splice(link: number, into: number, replacement: Image | undefined): void {
    const goneSlot = this.#slotOfLink[link] ?? 0;
    const keptSlot = this.#slotOfLink[into] ?? 0;
    const images = this.#links.map((image, i) => (i === into ? (replacement ?? image) : image));
    this.#slots[keptSlot] = images[into];
    this.#slots[goneSlot] = undefined;
    this.owners.move(goneSlot, keptSlot);
    this.#links = images.filter((_, i) => i !== link);
    this.#slotOfLink = this.#slotOfLink.filter((_, i) => i !== link);
    this.#leaf = this.#links[0] ?? this.#leaf;
    this.#leafSlot = this.#slotOfLink[0] ?? keptSlot;
  }

  /** Fills `length` bytes of `into`, from `start` on, with those from `offset` on. Errors: IO. */
  read(into: Uint8Array, offset: number, start: number, length: number): MaybeAsync {
    const block = Math.floor(offset / this.grainBytes);
    const within = offset - block * this.grainBytes;
    if (within + length <= this.grainBytes) {
      // Most requests: one block, one owner, no allocation.
      const owner = this.owners.blocks[block] ?? OWNER.unknown;
      if (owner < OWNER.slots) return this.#readStored(owner, into, start, length, offset);
      const runs = owner === OWNER.mixed ? this.owners.sectorsOf(block) : undefined;
      if (runs !== undefined) {
        const run = runs.indexAt(Math.floor(within / SECTOR_BYTES));
        const slot = runs.ownerOf(run);
        if (slot < OWNER.slots && within + length <= runs.endOf(run, Number.MAX_SAFE_INTEGER) * SECTOR_BYTES) {
          return this.#readStored(slot, into, start, length, offset);
        }
      }
    }
    return this.#readPieces(partOf(into, start, length), offset);
  }

  /** Fills `into` with one sector, at once. Errors: IO. */
  readSector(into: Uint8Array, offset: number): void {
    const block = Math.floor(offset / this.grainBytes);
    const owner = this.ownerOfBlock(block);
    const runs = owner === OWNER.mixed ? this.#runsOf(block) : SectorRuns.sole(owner);
    const slot = runs.ownerOf(runs.indexAt(Math.floor((offset - block * this.grainBytes) / SECTOR_BYTES)));
    const image = this.#slots[slot];
    if (slot === OWNER.none || image === undefined) into.fill(0, 0, SECTOR_BYTES);
    else image.file.readSync(into, 0, SECTOR_BYTES, image.positionOf(offset));
  }

  /** The extents of a range, as `Disk.extents`. */
  extents(offset: number, length: number, limit: number): readonly Extent[] {
    const list = new ExtentList(limit);
    const end = offset + length;
    for (let at = offset; at < end && !list.isFull; ) {
      const near = this.#linksNear(at, end);
      if (near.links.length === 0) list.add(at, near.until - at, undefined);
      else this.#extentsNear(list, at, near);
      at = near.until;
    }
    return list.finish();
  }

  /** The value of a block in the owner map, worked out where it is not known. Errors: IO. */
  ownerOfBlock(block: number): number {
    const owner = this.owners.blocks[block] ?? OWNER.unknown;
    return owner === OWNER.unknown ? this.#resolve(block) : owner;
  }

  /** True where a link below the leaf has any of the block. */
  isBelow(block: number): boolean {
    const offset = block * this.grainBytes;
    const length = this.endOfBlock(block) - offset;
    for (let link = 1; link < this.#links.length; link++) {
      const image = this.#links[link];
      if (image !== undefined && offset < image.sizeBytes && image.hasBlocks(offset, length)) return true;
    }
    return false;
  }

  /** Where a block ends, or the disk. */
  endOfBlock(block: number): number {
    return Math.min(this.#leaf.sizeBytes, (block + 1) * this.grainBytes);
  }

  #readStored(slot: number, into: Uint8Array, intoOffset: number, length: number, offset: number): MaybeAsync {
    const image = this.#slots[slot];
    if (image === undefined) throw new VhdError('IO', `${this.#leaf.path}: a link of its chain is gone`);
    if (image.blockBytes < this.grainBytes && !image.isWhole) {
      return this.#readAcross(image, into, intoOffset, length, offset);
    }
    const position = image.positionOf(offset);
    if (length < this.#limits.asyncBytes) {
      image.file.readSync(into, intoOffset, length, position);
      return undefined;
    }
    image.requests++;
    return image.file.read(into, intoOffset, length, position).finally(() => image.requests--);
  }

  /** A parent of smaller blocks: the range may lie in several of them. */
  #readAcross(image: Image, into: Uint8Array, intoOffset: number, length: number, offset: number): undefined {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const count = Math.min(length - done, image.blockBytes - (at % image.blockBytes));
      image.file.readSync(into, intoOffset + done, count, image.positionOf(at));
      done += count;
    }
    return undefined;
  }

  #readPieces(into: Uint8Array, offset: number): MaybeAsync {
    const waits: Promise<void>[] = [];
    const end = offset + into.byteLength;
    try {
      for (let at = offset; at < end; ) {
        const block = Math.floor(at / this.grainBytes);
        const start = block * this.grainBytes;
        const blockEnd = Math.min(end, start + this.grainBytes);
        const owner = this.ownerOfBlock(block);
        const runs = owner === OWNER.mixed ? this.#runsOf(block) : undefined;
        let run = runs === undefined ? 0 : runs.indexAt(Math.floor((at - start) / SECTOR_BYTES));
        while (at < blockEnd) {
          const sectorEnd =
            runs === undefined ? this.grainBytes / SECTOR_BYTES : runs.endOf(run, this.grainBytes / SECTOR_BYTES);
          const runEnd = Math.min(blockEnd, start + sectorEnd * SECTOR_BYTES);
          const slot = runs === undefined ? owner : runs.ownerOf(run);
          if (slot === OWNER.none) into.fill(0, at - offset, runEnd - offset);
          else {
            const wait = this.#readStored(slot, into, at - offset, runEnd - at, at);
            if (wait !== undefined) waits.push(wait);
          }
          at = runEnd;
          run++;
        }
      }
    } catch (error) {
      waits.push(Promise.reject(error)); // The others still fill the buffer: the caller gets it back after them.
    }
    return all(waits);
  }

  /** Works out who stores the sectors of a block, remembers it, and returns the value for the block. Errors: IO. */
  #resolve(block: number): number {
    this.owners.put(block, this.#workOut(block));
    return this.owners.blocks[block] ?? OWNER.none;
  }

  #workOut(block: number): SectorRuns {
    const owner = this.#soleOwner(block);
    return owner === undefined ? SectorRuns.from(this.#claims(block)) : SectorRuns.sole(owner);
  }

  /** The owner of a block where the first link that has any of it has all, or no link has any. Errors: IO. */
  #soleOwner(block: number): number | undefined {
    const offset = block * this.grainBytes;
    const end = this.endOfBlock(block);
    for (let link = 0; link < this.#links.length; link++) {
      const image = this.#links[link];
      if (image === undefined || image.sizeBytes <= offset || !image.hasBlocks(offset, end - offset)) continue;
      const isAlike = image.isWhole || (image.blockBytes === this.grainBytes && image.isBlockFull(block));
      return isAlike && end <= image.sizeBytes ? this.#slotOfLink[link] : undefined;
    }
    return OWNER.none;
  }

  #claims(block: number): Uint8Array {
    const offset = block * this.grainBytes;
    const count = (this.endOfBlock(block) - offset) / SECTOR_BYTES;
    const owners = new Uint8Array(count).fill(OWNER.none);
    let missing = count;
    for (let link = 0; link < this.#links.length && 0 < missing; link++) {
      const image = this.#links[link];
      if (image === undefined || image.sizeBytes <= offset || !image.hasBlocks(offset, count * SECTOR_BYTES)) continue;
      missing -= image.claimSectors(owners, count, offset, this.#slotOfLink[link] ?? 0, OWNER.none);
    }
    return owners;
  }

  #runsOf(block: number): SectorRuns {
    const known = this.owners.sectorsOf(block);
    if (known !== undefined) return known;
    const owner = this.#resolve(block);
    return this.owners.sectorsOf(block) ?? SectorRuns.sole(owner);
  }

  /** The links that have any block of the next stretch: of a large disk, most have none. */
  #linksNear(at: number, end: number): Near {
    const stretch = STRETCH_BLOCKS * this.grainBytes;
    const until = Math.min(end, (Math.floor(at / stretch) + 1) * stretch);
    const from = Math.floor(at / this.grainBytes) * this.grainBytes;
    const links: number[] = [];
    this.#links.forEach((image, link) => {
      if (from < image.sizeBytes && image.hasBlocks(from, until - from)) links.push(link);
    });
    return { until, links };
  }

  /** Blocks of one owner go to the list as one run: a million of them must not take longer than they have to. */
  #extentsNear(list: ExtentList, offset: number, { until, links }: Near): void {
    const [link = 0] = links;
    const image = this.#links[link];
    const isSole = links.length === 1 && image?.blockBytes === this.grainBytes;
    if (isSole && !image.hasParent && until <= image.sizeBytes) {
      this.#extentsOfTable(list, offset, until, image, link);
      return;
    }
    const first = Math.floor(offset / this.grainBytes);
    const last = Math.floor((until - 1) / this.grainBytes);
    let at = offset;
    let before: number = OWNER.unknown;
    for (let block = first; block <= last && !list.isFull; block++) {
      let owner = this.owners.blocks[block] ?? OWNER.unknown;
      if (owner === OWNER.unknown) owner = this.#ownerByTables(block, links);
      const runs = owner === OWNER.unknown ? this.#workOut(block) : this.owners.sectorsOf(block);
      if (owner === OWNER.unknown) owner = runs?.length === 1 ? runs.ownerOf(0) : OWNER.mixed;
      if (owner === before && owner !== OWNER.mixed) {
        // What the one link near does not have, nobody has.
        if (owner === OWNER.none && isSole) block = image.nextBlock(block + 1, last) - 1;
        continue;
      }
      const start = Math.max(offset, block * this.grainBytes);
      if (at < start) list.add(at, start - at, this.#linkOf(before));
      at = start;
      before = owner;
      if (owner !== OWNER.mixed) continue;
      at = Math.min(until, this.endOfBlock(block));
      this.#mixedExtents(list, block, runs ?? this.#runsOf(block), start, at);
      // Remembered only where the caller will come back to the block: a map would drive out what reads have a use for.
      if (list.isFull && runs !== undefined) this.owners.put(block, runs);
    }
    if (at < until) list.add(at, until - at, this.#linkOf(before));
  }

  /**
   * What only an image without parent may store is told from its table alone: of 100,000 blocks no bitmap is read, and
   * no owner is worked out.
   */
  #extentsOfTable(list: ExtentList, offset: number, until: number, image: Image, link: number): void {
    const last = Math.floor((until - 1) / this.grainBytes);
    const startOf = (block: number): number => Math.max(offset, Math.min(until, block * this.grainBytes));
    for (let block = Math.floor(offset / this.grainBytes); block <= last && !list.isFull; ) {
      const stored = image.nextBlock(block, last);
      if (block < stored) list.add(startOf(block), startOf(stored) - startOf(block), undefined);
      block = image.nextGap(stored, last);
      if (stored < block) list.add(startOf(stored), startOf(block) - startOf(stored), link);
    }
  }

  /** The owner of a block as far as tables tell; `unknown` where a bitmap has to. `near` has the links that may store it. */
  #ownerByTables(block: number, near: readonly number[]): number {
    const offset = block * this.grainBytes;
    for (const link of near) {
      const image = this.#links[link];
      if (image === undefined || image.sizeBytes <= offset) continue;
      const isAlike = image.blockBytes === this.grainBytes;
      if (isAlike ? image.positionOf(offset) < 0 : !image.hasBlocks(offset, this.endOfBlock(block) - offset)) continue;
      const isWhole = isAlike && !image.hasParent && this.endOfBlock(block) <= image.sizeBytes;
      return isWhole ? (this.#slotOfLink[link] ?? OWNER.none) : OWNER.unknown;
    }
    return OWNER.none;
  }

  #mixedExtents(list: ExtentList, block: number, runs: SectorRuns, from: number, end: number): void {
    const start = block * this.grainBytes;
    const sectors = this.grainBytes / SECTOR_BYTES;
    let at = from;
    for (let run = runs.indexAt(Math.floor((at - start) / SECTOR_BYTES)); at < end; run++) {
      const runEnd = Math.min(end, start + runs.endOf(run, sectors) * SECTOR_BYTES);
      list.add(at, runEnd - at, this.#linkOf(runs.ownerOf(run)));
      at = runEnd;
    }
  }

  #linkOf(owner: number): number | undefined {
    if (owner === OWNER.none) return undefined;
    const link = this.#slotOfLink.indexOf(owner);
    return link < 0 ? undefined : link;
  }
}

/** Links that have blocks between here and `until`. */
interface Near {
  readonly until: number;
  readonly links: readonly number[];
}

/** Blocks for which the links that matter are looked up at once. */
const STRETCH_BLOCKS = 1024;
