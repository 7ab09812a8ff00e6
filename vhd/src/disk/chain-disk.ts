/**
 * A disk that is a chain of images: what the leaf does not store comes from its parent, and so on; what no link stores
 * reads as zero. Spec: "Differencing Hard Disk Image", "Sector bitmap".
 *
 * For the disk service. The chain can be changed while requests are under way:
 * - `pushLeaf(image)`: live snapshot. The leaf is sealed where it stands, `image` (a new, empty child of it, opened for
 *   writing) takes the writes from here on. Requests are held back only while large writes to the old leaf finish.
 * - `spliceLink(link, into)`: after a merge. The link goes, the content it had is in the link `into` above or below it.
 * - `extents` says the link each run comes from; the changes since a snapshot are the runs of the links above it. See
 *   `changedSince`.
 *
 * Requests below `DISK_LIMITS.asyncBytes` are answered at once. One that misses the page cache stalls the event loop
 * for as long as the storage takes: the disk service keeps disks that must not wait for each other in separate workers.
 */
import { VhdError } from '../errors.ts';
import { SECTOR_BYTES } from '../units.ts';
import type { Disk, Extent, MaybeAsync } from './disk.ts';
import { fileError } from './file.ts';
import type { Image } from './image.ts';
import type { OpenFinding } from './image-metadata.ts';
import { DISK_LIMITS, type DiskLimits } from './limits.ts';
import { OWNER, OwnerMap, ownerRun } from './owner-map.ts';

/** What a chain may be told at open. */
export interface ChainOptions {
  readonly limits?: Partial<DiskLimits>;
  /** Runs when the disk is closed, after its images are: gives back locks. */
  readonly onClose?: () => Promise<void> | void;
}

/** Options of `pushLeaf`. */
export interface PushOptions {
  /**
   * Makes the new leaf the one that the next open finds (renames, syncs of folders). No flush is answered before it is
   * through: a guest must not be told that data is safe in a file that has no name yet. When it fails, flushes fail.
   */
  readonly publish?: () => Promise<void>;
}

const ZEROS = new Uint8Array(128 * 1024);
const DEFAULT_GRAIN_BYTES = 2 * 1024 * 1024;

/** A chain of images as one disk. Made by `openChain`. */
export class ChainDisk implements Disk {
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #options: ChainOptions;
  readonly #limits: DiskLimits;
  /** From the leaf to the root. */
  #links: Image[];
  /** Links by slot; `#slotOfLink` has the same order as `#links`. */
  readonly #slots: (Image | undefined)[] = [];
  #slotOfLink: number[] = [];
  #leaf: Image;
  #leafSlot: number;
  readonly #owners: OwnerMap;
  /** The unit of the owner map: a block of the leaf. */
  readonly #grainBytes: number;
  /** Images that are no longer the leaf and have metadata left to write. */
  readonly #settling = new Set<Image>();
  #publishing: Promise<void> = Promise.resolve();
  #flushing: Promise<void> | undefined;
  #nextFlush: Promise<void> | undefined;
  #writeOut: NodeJS.Timeout | undefined;
  /** Large writes under way, and who waits for their end. */
  #writes = 0;
  #gate: Promise<void> | undefined;
  #onWritesDone: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  readonly #sectorBuffer = new Uint8Array(SECTOR_BYTES);

  constructor(links: readonly Image[], options: ChainOptions = {}) {
    const leaf = links[0];
    if (leaf === undefined) throw new VhdError('USAGE', 'a chain needs at least one image');
    this.name = leaf.path;
    this.isReadOnly = leaf.isReadOnly;
    this.#options = options;
    this.#limits = { ...DISK_LIMITS, ...options.limits };
    this.#links = [...links];
    this.#slotOfLink = links.map((_, i) => i);
    this.#slots.push(...links);
    this.#leaf = leaf;
    this.#leafSlot = 0;
    this.#grainBytes = leaf.kind === 'fixed' ? DEFAULT_GRAIN_BYTES : leaf.blockBytes;
    const blocks = Math.ceil(leaf.sizeBytes / this.#grainBytes);
    const initial = leaf.kind === 'fixed' ? 0 : OWNER.unknown;
    this.#owners = new OwnerMap(blocks, this.#grainBytes / SECTOR_BYTES, this.#limits.ownerCacheBytes, initial);
  }

  get sizeBytes(): number {
    return this.#leaf.sizeBytes;
  }

  /** The images, leaf first. */
  get links(): readonly Image[] {
    return this.#links;
  }

  /** What was noticed at open and did not keep the chain from opening. */
  get findings(): readonly OpenFinding[] {
    return this.#links.flatMap((image) => image.findings);
  }

  read(into: Uint8Array, offset: number): MaybeAsync {
    const length = into.byteLength;
    try {
      this.#checkRange(offset, length);
      const block = Math.floor(offset / this.#grainBytes);
      const slot = this.#owners.blocks[block] ?? OWNER.unknown;
      if (slot < OWNER.slots && offset + length <= (block + 1) * this.#grainBytes) {
        return this.#readStored(this.#slots[slot], into, 0, length, offset);
      }
      return this.#readPieces(into, offset);
    } catch (error) {
      return Promise.reject(asVhdError(error, this.name));
    }
  }

  write(from: Uint8Array, offset: number): MaybeAsync {
    if (this.#gate !== undefined) return this.#gate.then(() => this.write(from, offset));
    const length = from.byteLength;
    try {
      this.#checkWrite(offset, length);
      const block = Math.floor(offset / this.#grainBytes);
      const within = offset - block * this.#grainBytes;
      if (
        length < this.#limits.asyncBytes &&
        this.#owners.blocks[block] === this.#leafSlot &&
        within + length <= this.#grainBytes
      ) {
        this.#leaf.touch();
        this.#leaf.file.writeSync(from, 0, length, this.#leaf.positionOf(offset));
        return undefined;
      }
      return this.#writePieces(from, offset);
    } catch (error) {
      return Promise.reject(asVhdError(error, this.name));
    }
  }

  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    try {
      this.#checkWrite(offset, length);
    } catch (error) {
      return Promise.reject(asVhdError(error, this.name));
    }
    return this.#zeroRange(offset, length, options?.mayUnmap ?? false);
  }

  trim(offset: number, length: number): MaybeAsync {
    if (this.#gate !== undefined) return this.#gate.then(() => this.trim(offset, length));
    try {
      this.#checkWrite(offset, length);
      const grain = this.#grainBytes;
      const end = offset + length;
      for (let block = Math.ceil(offset / grain); block * grain < end; block++) {
        if (end < this.#endOfBlock(block)) break;
        this.#unmap(block);
      }
      return this.#throttle();
    } catch (error) {
      return Promise.reject(asVhdError(error, this.name));
    }
  }

  /** FLUSHED-IS-SAFE. Callers that arrive while a flush runs share the one after it. */
  flush(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    return this.#joinFlush();
  }

  async extents(offset: number, length: number, limit: number = Number.MAX_SAFE_INTEGER): Promise<readonly Extent[]> {
    this.#checkRange(offset, length);
    const extents: Extent[] = [];
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / this.#grainBytes);
      const blockEnd = Math.min(end, this.#endOfBlock(block));
      const owner = this.#ownerForMap(block);
      if (owner !== OWNER.mixed) {
        if (!append(extents, at, blockEnd - at, this.#linkOf(owner), limit)) return extents;
        at = blockEnd;
        continue;
      }
      const owners = this.#sectorsOf(block);
      while (at < blockEnd) {
        const sector = Math.floor((at - block * this.#grainBytes) / SECTOR_BYTES);
        const run = ownerRun(owners, sector, owners.length);
        const runEnd = Math.min(blockEnd, block * this.#grainBytes + (sector + run) * SECTOR_BYTES);
        if (!append(extents, at, runEnd - at, this.#linkOf(owners[sector] ?? OWNER.none), limit)) return extents;
        at = runEnd;
      }
    }
    return extents;
  }

  /**
   * The runs of a range that links above `link` store: what changed since `link` was sealed. `isAllocated` is true for
   * changed runs, and only they name their link. The same order and merging as `extents`.
   */
  async changedSince(
    link: number,
    offset: number,
    length: number,
    limit: number = Number.MAX_SAFE_INTEGER,
  ): Promise<readonly Extent[]> {
    const changes: Extent[] = [];
    const end = offset + length;
    for (let at = offset; at < end; ) {
      for (const extent of await this.extents(at, end - at, 256)) {
        const isChanged = extent.link !== undefined && extent.link < link;
        if (!append(changes, extent.offset, extent.length, isChanged ? extent.link : undefined, limit)) return changes;
        at = extent.offset + extent.length;
      }
    }
    return changes;
  }

  /**
   * Puts a new leaf on top: the old one keeps what was written so far, `image` takes the rest. `image` is an empty child
   * of the leaf, opened for writing, of the same block size and at least its size. Settles when everything written
   * before is flushed into the old leaf and `publish` is through; writes go on meanwhile. Errors: USAGE, CHAIN_TOO_LONG, IO.
   */
  async pushLeaf(image: Image, options: PushOptions = {}): Promise<void> {
    if (image.isReadOnly || image.blockBytes !== this.#grainBytes || image.sizeBytes !== this.sizeBytes) {
      throw new VhdError(
        'USAGE',
        `${image.path} cannot become the leaf of ${this.name}: another size, block size, or read-only`,
      );
    }
    if (this.#limits.chainLinks <= this.#links.length) throw this.#tooLong();
    await this.#whileNoWrites(() => {
      const old = this.#leaf;
      this.#leafSlot = this.#takeSlot(image);
      this.#leaf = image;
      this.#links = [image, ...this.#links];
      this.#slotOfLink = [this.#leafSlot, ...this.#slotOfLink];
      this.#settling.add(old);
      if (options.publish !== undefined) {
        this.#publishing = Promise.all([this.#publishing, options.publish()]).then(() => undefined);
        this.#publishing.catch(() => undefined); // Told to whoever flushes.
      }
    });
    await this.#joinFlush();
  }

  /**
   * Takes the link at index `link` out of the chain, when a merge has put its content into its neighbour at index
   * `into` (one above or one below it). `neighbour`, opened anew after the merge, takes the place of the image that the
   * chain has there. The images that leave are closed once their requests are through. Errors: USAGE, IO.
   */
  async spliceLink(link: number, into: number, neighbour?: Image): Promise<void> {
    const gone = this.#links[link];
    const kept = this.#links[into];
    if (gone === undefined || kept === undefined || Math.abs(link - into) !== 1) {
      throw new VhdError('USAGE', `cannot splice link ${link} into link ${into} of ${this.#links.length}`);
    }
    if (this.#settling.has(gone) || (neighbour !== undefined && this.#settling.has(kept))) await this.#joinFlush();
    const leaving = neighbour === undefined ? [gone] : [gone, kept];
    await this.#whileNoWrites(() => {
      const goneSlot = this.#slotOfLink[link] ?? 0;
      const keptSlot = this.#slotOfLink[into] ?? 0;
      if (neighbour !== undefined) this.#slots[keptSlot] = neighbour;
      this.#owners.move(goneSlot, keptSlot);
      this.#slots[goneSlot] = undefined;
      this.#links = this.#links
        .map((image, i) => (i === into ? (neighbour ?? image) : image))
        .filter((_, i) => i !== link);
      this.#slotOfLink = this.#slotOfLink.filter((_, i) => i !== link);
      this.#leaf = this.#links[0] ?? kept;
      this.#leafSlot = this.#slotOfLink[0] ?? keptSlot;
    });
    await Promise.all(leaving.map((image) => closeWhenIdle(image)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // -- reading

  #readStored(
    image: Image | undefined,
    into: Uint8Array,
    intoOffset: number,
    length: number,
    offset: number,
  ): MaybeAsync {
    if (image === undefined) throw new VhdError('IO', `${this.name}: a link is gone`);
    if (image.blockBytes < this.#grainBytes) return this.#readAcross(image, into, intoOffset, length, offset);
    const position = image.positionOf(offset);
    if (length < this.#limits.asyncBytes) {
      image.file.readSync(into, intoOffset, length, position);
      return undefined;
    }
    image.requests++;
    return image.file.read(into, intoOffset, length, position).finally(() => image.requests--);
  }

  /** A parent of smaller blocks: the range may lie in several of them. */
  #readAcross(image: Image, into: Uint8Array, intoOffset: number, length: number, offset: number): MaybeAsync {
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
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / this.#grainBytes);
      const blockEnd = Math.min(end, (block + 1) * this.#grainBytes);
      let owner = this.#owners.blocks[block] ?? OWNER.unknown;
      if (owner === OWNER.unknown) owner = this.#resolve(block);
      if (owner === OWNER.mixed) {
        this.#readMixed(block, into, offset, at, blockEnd, waits);
      } else this.#readRun(owner, into, at - offset, blockEnd - at, at, waits);
      at = blockEnd;
    }
    return all(waits);
  }

  #readMixed(block: number, into: Uint8Array, offset: number, from: number, end: number, waits: Promise<void>[]): void {
    const owners = this.#sectorsOf(block);
    const start = block * this.#grainBytes;
    const last = Math.ceil((end - start) / SECTOR_BYTES);
    for (let at = from; at < end; ) {
      const sector = Math.floor((at - start) / SECTOR_BYTES);
      const runEnd = Math.min(end, start + (sector + ownerRun(owners, sector, last)) * SECTOR_BYTES);
      this.#readRun(owners[sector] ?? OWNER.none, into, at - offset, runEnd - at, at, waits);
      at = runEnd;
    }
  }

  #readRun(
    owner: number,
    into: Uint8Array,
    intoOffset: number,
    length: number,
    offset: number,
    waits: Promise<void>[],
  ): void {
    if (owner === OWNER.none) {
      into.fill(0, intoOffset, intoOffset + length);
      return;
    }
    const wait = this.#readStored(this.#slots[owner], into, intoOffset, length, offset);
    if (wait !== undefined) waits.push(wait);
  }

  // -- owners

  /** Works out who stores the sectors of a block, remembers it, and returns the value for the block. Errors: IO. */
  #resolve(block: number): number {
    const offset = block * this.#grainBytes;
    const count = (this.#endOfBlock(block) - offset) / SECTOR_BYTES;
    const owners = new Uint8Array(count).fill(OWNER.none);
    let missing = count;
    for (let link = 0; link < this.#links.length && 0 < missing; link++) {
      const image = this.#links[link];
      if (image === undefined || image.sizeBytes <= offset || !image.hasBlocks(offset, count * SECTOR_BYTES)) continue;
      missing -= image.claimSectors(owners, count, offset, this.#slotOfLink[link] ?? 0, OWNER.none);
    }
    this.#owners.put(block, owners);
    return this.#owners.blocks[block] ?? OWNER.none;
  }

  #sectorsOf(block: number): Uint8Array {
    const known = this.#owners.sectorsOf(block);
    if (known !== undefined) return known;
    this.#resolve(block);
    const owners = this.#owners.sectorsOf(block);
    return owners ?? new Uint8Array(this.#grainBytes / SECTOR_BYTES).fill(this.#owners.blocks[block] ?? OWNER.none);
  }

  /**
   * The owner of a block for a map of the disk. A block that only an image without parent has is told from tables
   * alone; of 100,000 blocks, no bitmap is read.
   */
  #ownerForMap(block: number): number {
    const known = this.#owners.blocks[block] ?? OWNER.unknown;
    if (known !== OWNER.unknown) return known;
    const offset = block * this.#grainBytes;
    const length = this.#endOfBlock(block) - offset;
    const root = this.#links.length - 1;
    for (let link = 0; link < root; link++) {
      const image = this.#links[link];
      if (image !== undefined && offset < image.sizeBytes && image.hasBlocks(offset, length))
        return this.#resolve(block);
    }
    const image = this.#links[root];
    if (image === undefined || !image.hasBlocks(offset, length)) return OWNER.none;
    const isWhole =
      image.kind === 'dynamic' && image.blockBytes === this.#grainBytes && offset + length <= image.sizeBytes;
    return isWhole ? (this.#slotOfLink[root] ?? OWNER.none) : this.#resolve(block);
  }

  #linkOf(owner: number): number | undefined {
    const link = this.#slotOfLink.indexOf(owner);
    return link < 0 ? undefined : link;
  }

  #takeSlot(image: Image): number {
    const free = this.#slots.indexOf(undefined);
    const slot = free < 0 ? this.#slots.length : free;
    if (OWNER.slots <= slot) throw this.#tooLong();
    this.#slots[slot] = image;
    return slot;
  }

  // -- writing

  #writePieces(from: Uint8Array, offset: number): MaybeAsync {
    const waits: Promise<void>[] = [];
    const end = offset + from.byteLength;
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / this.#grainBytes);
      const blockEnd = Math.min(end, (block + 1) * this.#grainBytes);
      this.#writeInBlock(block, from, at - offset, blockEnd - at, at, waits);
      at = blockEnd;
    }
    const throttle = this.#throttle();
    if (throttle !== undefined) waits.push(throttle);
    return all(waits);
  }

  #writeInBlock(
    block: number,
    from: Uint8Array,
    fromOffset: number,
    length: number,
    offset: number,
    waits: Promise<void>[],
  ): void {
    if (this.#owners.blocks[block] === this.#leafSlot) {
      this.#leaf.touch();
      this.#put(from, fromOffset, length, this.#leaf.positionOf(offset), undefined, waits);
      return;
    }
    // Sectors that are written in part are completed from the chain; both ends at once, without letting others in.
    const headBytes = Math.min(length, (SECTOR_BYTES - (offset % SECTOR_BYTES)) % SECTOR_BYTES);
    if (0 < headBytes) this.#writePart(block, from, fromOffset, headBytes, offset);
    const tailBytes = headBytes < length ? (offset + length) % SECTOR_BYTES : 0;
    if (0 < tailBytes)
      this.#writePart(block, from, fromOffset + length - tailBytes, tailBytes, offset + length - tailBytes);
    const middle = length - headBytes - tailBytes;
    if (middle <= 0) return;
    const within = offset + headBytes - block * this.#grainBytes;
    const position = this.#leaf.ensureBlock(block) + within;
    const first = within / SECTOR_BYTES;
    const leaf = this.#leaf;
    const slot = this.#leafSlot;
    leaf.touch();
    // The sectors become the leaf's when the data has arrived, not before: a flush must not show what is not there.
    const done = (): void => {
      leaf.markWritten(block, first, middle / SECTOR_BYTES);
      if (leaf.isBlockFull(block)) this.#owners.putAll(block, slot);
      else this.#owners.claim(block, first, middle / SECTOR_BYTES, slot);
    };
    this.#put(from, fromOffset + headBytes, middle, position, done, waits);
  }

  #put(
    from: Uint8Array,
    fromOffset: number,
    length: number,
    position: number,
    done: (() => void) | undefined,
    waits: Promise<void>[],
  ): void {
    const { file } = this.#leaf;
    if (length < this.#limits.asyncBytes) {
      file.writeSync(from, fromOffset, length, position);
      done?.();
      return;
    }
    const leaf = this.#leaf;
    leaf.requests++;
    this.#writes++;
    const finished = (): void => {
      leaf.touch(); // Again: a flush that ran meanwhile has not waited for this write.
      leaf.requests--;
      this.#writes--;
      if (this.#writes === 0) this.#onWritesDone?.();
    };
    waits.push(file.write(from, fromOffset, length, position).then(done).finally(finished));
  }

  /** Writes less than a sector: the rest of it as the chain has it. */
  #writePart(block: number, from: Uint8Array, fromOffset: number, length: number, offset: number): void {
    const sectorAt = offset - (offset % SECTOR_BYTES);
    const sector = this.#sectorBuffer;
    const waits: Promise<void>[] = [];
    const owner = this.#owners.blocks[block] ?? OWNER.unknown;
    if (owner === OWNER.unknown) this.#resolve(block);
    if (this.#owners.blocks[block] === OWNER.mixed)
      this.#readMixed(block, sector, sectorAt, sectorAt, sectorAt + SECTOR_BYTES, waits);
    else this.#readRun(this.#owners.blocks[block] ?? OWNER.none, sector, 0, SECTOR_BYTES, sectorAt, waits);
    sector.set(from.subarray(fromOffset, fromOffset + length), offset - sectorAt);
    this.#writeInBlock(block, sector, 0, SECTOR_BYTES, sectorAt, waits);
  }

  async #zeroRange(offset: number, length: number, mayUnmap: boolean): Promise<void> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      if (this.#gate !== undefined) await this.#gate;
      this.#checkWrite(at, end - at);
      const block = Math.floor(at / this.#grainBytes);
      const blockEnd = Math.min(end, this.#endOfBlock(block));
      const isWhole = at === block * this.#grainBytes && blockEnd === this.#endOfBlock(block);
      if (this.#isZero(block) || (isWhole && mayUnmap && this.#unmap(block))) at = blockEnd;
      else {
        const count = Math.min(ZEROS.byteLength, blockEnd - at);
        await this.write(ZEROS.subarray(0, count), at);
        at += count;
      }
      const throttle = this.#throttle();
      if (throttle !== undefined) await throttle;
    }
  }

  /** True where a block reads as zeros because nobody stores it. */
  #isZero(block: number): boolean {
    const owner = this.#owners.blocks[block] ?? OWNER.unknown;
    return (owner === OWNER.unknown ? this.#resolve(block) : owner) === OWNER.none;
  }

  /** Takes a block out of the leaf where that makes it read as zeros: where no parent has it. True when it is out. */
  #unmap(block: number): boolean {
    const offset = block * this.#grainBytes;
    const length = this.#endOfBlock(block) - offset;
    if (this.#leaf.kind === 'fixed' || 0 < this.#writes) return false;
    for (const image of this.#links.slice(1)) {
      // Dropping the block would bring back what a parent has there: neither zeros nor what was there before.
      if (offset < image.sizeBytes && image.hasBlocks(offset, length)) return false;
    }
    this.#leaf.dropBlock(block);
    this.#owners.putAll(block, OWNER.none);
    return true;
  }

  // -- flushing

  #joinFlush(): Promise<void> {
    if (this.#nextFlush === undefined) {
      const before = this.#flushing ?? Promise.resolve();
      const next = before
        .catch(() => undefined)
        .then(() => {
          this.#flushing = next;
          this.#nextFlush = undefined;
          return this.#flushOnce();
        });
      this.#nextFlush = next;
    }
    return this.#nextFlush;
  }

  async #flushOnce(): Promise<void> {
    clearTimeout(this.#writeOut);
    this.#writeOut = undefined;
    if (this.isReadOnly) return;
    const settling = [...this.#settling];
    const results = await Promise.allSettled([this.#leaf, ...settling].map((image) => image.flush()));
    results.slice(1).forEach((result, i) => {
      const image = settling[i];
      if (result.status === 'fulfilled' && image !== undefined && image.requests === 0) this.#settling.delete(image);
    });
    await this.#publishing;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw asVhdError(failed.reason, this.name);
  }

  /** BOUNDED: metadata that waits for a flush is limited in number and in time. */
  #throttle(): MaybeAsync {
    const dirty = this.#leaf.dirtyBlocks;
    if (dirty === 0) return undefined;
    if (this.#writeOut === undefined) {
      this.#writeOut = setTimeout(() => {
        // A failure is told to the next flush, which finds everything still dirty.
        this.#joinFlush().catch(() => undefined);
      }, this.#limits.writeOutMs);
      this.#writeOut.unref();
    }
    if (dirty < this.#limits.dirtyBlocks) return undefined;
    const flush = this.#joinFlush();
    flush.catch(() => undefined);
    return dirty < 2 * this.#limits.dirtyBlocks ? undefined : flush;
  }

  // -- the rest

  /** Runs `change` at a moment when no large write is under way, and holds new writes back until then. */
  async #whileNoWrites(change: () => void): Promise<void> {
    while (this.#gate !== undefined) await this.#gate;
    if (0 < this.#writes) {
      let open: () => void = () => undefined;
      this.#gate = new Promise((resolve) => {
        open = resolve;
      });
      await new Promise<void>((resolve) => {
        this.#onWritesDone = resolve;
      });
      this.#onWritesDone = undefined;
      this.#gate = undefined;
      try {
        change();
      } finally {
        open();
      }
    } else change();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#writeOut);
    try {
      await this.#whileNoWrites(() => undefined);
      await this.#joinFlush();
    } finally {
      clearTimeout(this.#writeOut);
      await Promise.all(this.#links.map((image) => closeWhenIdle(image)));
      await this.#options.onClose?.();
    }
  }

  #endOfBlock(block: number): number {
    return Math.min(this.sizeBytes, (block + 1) * this.#grainBytes);
  }

  #checkRange(offset: number, length: number): void {
    if (this.#closing !== undefined) throw this.#closedError();
    if (!(0 <= offset && offset + length <= this.#leaf.sizeBytes)) {
      throw new VhdError('OUT_OF_RANGE', `${length} bytes at ${offset} of ${this.name}, which has ${this.sizeBytes}`);
    }
  }

  #checkWrite(offset: number, length: number): void {
    this.#checkRange(offset, length);
    if (this.isReadOnly) throw new VhdError('READ_ONLY', `${this.name} was opened read-only`);
  }

  #closedError(): VhdError {
    return new VhdError('CLOSED', `${this.name} is closed`);
  }

  #tooLong(): VhdError {
    return new VhdError('CHAIN_TOO_LONG', `the chain of ${this.name} has ${this.#links.length} images already`);
  }
}

/** Adds a run, merged with the one before where alike; false when `limit` runs are there and this would be another. */
function append(extents: Extent[], offset: number, length: number, link: number | undefined, limit: number): boolean {
  const last = extents.at(-1);
  if (last !== undefined && last.link === link) {
    extents[extents.length - 1] = { ...last, length: last.length + length };
    return true;
  }
  if (limit <= extents.length) return false;
  const isAllocated = link !== undefined;
  const extent = { offset, length, isAllocated, isZero: !isAllocated };
  extents.push(link === undefined ? extent : { ...extent, link });
  return true;
}

function all(waits: readonly Promise<void>[]): MaybeAsync {
  if (waits.length === 0) return undefined;
  if (waits.length === 1) return waits[0];
  return Promise.all(waits).then(() => undefined);
}

function asVhdError(error: unknown, name: string): VhdError {
  return fileError(error, name);
}

/** Closes an image when the requests on it are through. */
async function closeWhenIdle(image: Image): Promise<void> {
  while (0 < image.requests) await new Promise((resolve) => setImmediate(resolve));
  await image.close();
}
