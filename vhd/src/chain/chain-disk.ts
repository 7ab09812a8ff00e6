/**
 * A disk that is a chain of images: what the leaf does not store comes from its parent, and so on; what no link stores
 * reads as zero. Spec: "Differencing Hard Disk Image".
 *
 * For the disk service. The chain can be changed while requests are under way:
 * - `pushLeaf(image)`: live snapshot. The leaf is sealed where it stands, `image` (a new, empty child of it, opened for
 *   writing) takes the writes from here on. Requests are held back only while large writes to the old leaf finish; where
 *   there are none, the swap is done when the call returns its promise.
 * - `spliceLink(link, into)`: after a merge. The link goes, the content it had is in the link `into` above or below it.
 * - `extents` says the link each run comes from; the changes since a snapshot are the runs of the links above it:
 *   `changedSince`, for `oriel:changed:<snapshot>`.
 *
 * Calls never throw: an error is a rejected promise. Requests below `DISK_LIMITS.asyncBytes` are answered at once. One
 * that misses the page cache stalls the event loop for as long as the storage takes: the disk service keeps disks that
 * must not wait for each other in separate workers.
 */

import { type Disk, type Extent, type MaybeAsync, partOf } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { Image } from '../image/image.ts';
import { DISK_LIMITS, type DiskLimits } from '../limits.ts';
import { fileError } from '../storage/file.ts';
import { SECTOR_BYTES } from '../units.ts';
import { ChainLinks } from './chain-links.ts';
import { ExtentList } from './extent-list.ts';
import { FlushQueue } from './flush-queue.ts';
import { Gate } from './gate.ts';
import { all } from './maybe-async.ts';
import { OWNER } from './owner-map.ts';

/** What a chain may be told at open. */
export interface ChainOptions {
  readonly limits?: Partial<DiskLimits>;
  /** Runs when the disk is closed, after its images are: gives back locks. */
  readonly onClose?: () => Promise<void> | void;
}

const ZEROS = new Uint8Array(128 * 1024);
/** Blocks that are gone through before others get their turn. */
const BLOCKS_AT_ONCE = 1024;
/** Extents that `changedSince` asks for at a time. */
const EXTENTS_AT_ONCE = 256;

/** A chain of images as one disk. Made by `openChain`. */
export class ChainDisk implements Disk {
  readonly name: string;
  readonly isReadOnly: boolean;
  readonly #options: ChainOptions;
  readonly #limits: DiskLimits;
  readonly #links: ChainLinks;
  readonly #gate = new Gate();
  readonly #flushes = new FlushQueue(() => this.#flushOnce());
  /** Images that are no longer the leaf and have metadata left to write. */
  readonly #settling = new Set<Image>();
  #closing: Promise<void> | undefined;
  readonly #sectorBuffer = new Uint8Array(SECTOR_BYTES);

  /** Takes over the images, leaf first: closing the disk closes them. Errors: USAGE, CHAIN_TOO_LONG. */
  constructor(links: readonly Image[], options: ChainOptions = {}) {
    this.#options = options;
    this.#limits = { ...DISK_LIMITS, ...options.limits };
    this.#links = new ChainLinks(links, this.#limits);
    this.name = this.#links.leaf.path;
    this.isReadOnly = this.#links.leaf.isReadOnly;
  }

  get sizeBytes(): number {
    return this.#links.leaf.sizeBytes;
  }

  /** The images, leaf first. */
  get links(): readonly Image[] {
    return this.#links.images;
  }

  /** What was noticed at open and did not keep the chain from opening. */
  get findings(): readonly OpenFinding[] {
    return this.links.flatMap((image) => image.findings);
  }

  read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): MaybeAsync {
    try {
      this.#checkRange(offset, length);
      return this.#links.read(into, offset, start, length);
    } catch (error) {
      return Promise.reject(fileError(error, this.name));
    }
  }

  write(from: Uint8Array, offset: number, start = 0, length: number = from.byteLength - start): MaybeAsync {
    if (this.#gate.closed !== undefined) return this.#gate.closed.then(() => this.write(from, offset, start, length));
    try {
      this.#checkWrite(offset, length);
      const links = this.#links;
      const block = Math.floor(offset / links.grainBytes);
      if (
        length < this.#limits.asyncBytes &&
        links.owners.blocks[block] === links.leafSlot &&
        offset + length <= (block + 1) * links.grainBytes
      ) {
        // Most requests: the leaf has all of the block, so there is no metadata to write. No allocation here.
        const { leaf } = links;
        leaf.touch();
        leaf.file.writeSync(from, start, length, leaf.positionOf(offset));
        return undefined;
      }
    } catch (error) {
      return Promise.reject(fileError(error, this.name));
    }
    return this.#writePieces(partOf(from, start, length), offset);
  }

  writeZeroes(offset: number, length: number, options?: { readonly mayUnmap?: boolean }): MaybeAsync {
    return this.#zeroRange(offset, length, options?.mayUnmap ?? false);
  }

  trim(offset: number, length: number): MaybeAsync {
    if (this.#gate.closed !== undefined) return this.#gate.closed.then(() => this.trim(offset, length));
    try {
      this.#checkWrite(offset, length);
      const grain = this.#links.grainBytes;
      const end = offset + length;
      for (let block = Math.ceil(offset / grain); block * grain < end; block++) {
        if (end < this.#links.endOfBlock(block)) break;
        this.#unmap(block);
      }
      return this.#throttle();
    } catch (error) {
      return Promise.reject(fileError(error, this.name));
    }
  }

  /** FLUSHED-IS-SAFE. Callers that arrive while a flush runs share the one after it. */
  flush(): Promise<void> {
    return this.#closing === undefined ? this.#flushes.join() : Promise.reject(this.#closedError());
  }

  async extents(offset: number, length: number, limit: number = Number.MAX_SAFE_INTEGER): Promise<readonly Extent[]> {
    this.#checkRange(offset, length);
    return this.#links.extents(offset, length, limit);
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
    this.#checkRange(offset, length);
    const changes = new ExtentList(limit);
    const end = offset + length;
    for (let at = offset; at < end && !changes.isFull; ) {
      for (const extent of this.#links.extents(at, end - at, EXTENTS_AT_ONCE)) {
        const changedIn = extent.link !== undefined && extent.link < link ? extent.link : undefined;
        changes.add(extent.offset, extent.length, changedIn);
        at = extent.offset + extent.length;
      }
    }
    return changes.finish();
  }

  /**
   * Puts a new leaf on top: the old one keeps what was written so far, `image` takes the rest. `image` is an empty child
   * of the leaf, opened for writing, with the leaf's block size and virtual size. Settles when everything written before
   * is flushed into the old leaf; writes go on meanwhile. FLUSHED-IS-SAFE: the next open has to find `image` before this is
   * called, since a flush may be answered for what it took the moment it is the leaf. Errors: USAGE, CHAIN_TOO_LONG, IO.
   */
  async pushLeaf(image: Image): Promise<void> {
    if (image.isWhole || image.isReadOnly || !this.#canLead(image)) {
      throw new VhdError(
        'USAGE',
        `${image.path} cannot become the leaf of ${this.name}: its size, block size or mode differs`,
      );
    }
    await this.#gate.whileQuiet(() => {
      const old = this.#links.leaf;
      this.#links.push(image);
      this.#settling.add(old);
    });
    await this.#flushes.join();
  }

  /**
   * Takes the link at index `link` out of the chain, when a merge has put its content into its neighbour at index
   * `into` (one above or one below it). `neighbour`, opened anew after the merge, takes the place of the image that the
   * chain has there; it has to be opened for writing where it is, or becomes, the leaf. The images that leave are closed once their requests are through. Errors: USAGE, IO.
   */
  async spliceLink(link: number, into: number, neighbour?: Image): Promise<void> {
    const gone = this.links[link];
    const kept = this.links[into];
    if (gone === undefined || kept === undefined || Math.abs(link - into) !== 1) {
      throw new VhdError('USAGE', `cannot splice link ${link} into link ${into} of ${this.links.length}`);
    }
    const top = (link === 0 || into === 0) && (neighbour ?? kept);
    if (top && !this.#canLead(top)) {
      throw new VhdError(
        'USAGE',
        `${top.path} cannot become the leaf of ${this.name}: its size, block size or mode differs`,
      );
    }
    if (this.#settling.has(gone) || this.#settling.has(kept)) await this.#flushes.join();
    await this.#gate.whileQuiet(() =>
      this.#links.splice(this.links.indexOf(gone), this.links.indexOf(kept), neighbour),
    );
    const leaving = neighbour === undefined ? [gone] : [gone, kept];
    await Promise.all(leaving.map(closeWhenIdle));
  }

  /** True for an image that can be the leaf: the owner map counts in blocks of the leaf. */
  #canLead(image: Image): boolean {
    const isFit = image.isWhole || image.blockBytes === this.#links.grainBytes;
    return isFit && image.sizeBytes === this.sizeBytes && image.isReadOnly === this.isReadOnly;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #writePieces(from: Uint8Array, offset: number): MaybeAsync {
    const waits: Promise<void>[] = [];
    const grain = this.#links.grainBytes;
    const end = offset + from.byteLength;
    try {
      for (let at = offset; at < end; ) {
        const block = Math.floor(at / grain);
        const blockEnd = Math.min(end, (block + 1) * grain);
        this.#writeInBlock(block, from, at - offset, blockEnd - at, at, waits);
        at = blockEnd;
      }
      const throttle = this.#throttle();
      if (throttle !== undefined) waits.push(throttle);
    } catch (error) {
      waits.push(Promise.reject(fileError(error, this.name))); // The others still need the buffer.
    }
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
    const { leaf, leafSlot, owners, grainBytes } = this.#links;
    leaf.touch();
    if (owners.blocks[block] === leafSlot) {
      this.#put(from, fromOffset, length, leaf.positionOf(offset), undefined, waits);
      return;
    }
    // Sectors that are written in part are completed from the chain; both ends at once, without letting others in.
    const headBytes = Math.min(length, (SECTOR_BYTES - (offset % SECTOR_BYTES)) % SECTOR_BYTES);
    const tailBytes = headBytes < length ? (offset + length) % SECTOR_BYTES : 0;
    if (0 < headBytes) this.#writePart(block, from, fromOffset, headBytes, offset);
    if (0 < tailBytes)
      this.#writePart(block, from, fromOffset + length - tailBytes, tailBytes, offset + length - tailBytes);
    const middle = length - headBytes - tailBytes;
    if (middle <= 0) return;
    const within = offset + headBytes - block * grainBytes;
    const first = within / SECTOR_BYTES;
    // A whole leaf has every sector; it gets here when a commit made it the leaf and nobody has looked at the block yet.
    const position = leaf.isWhole ? leaf.positionOf(offset + headBytes) : leaf.ensureBlock(block) + within;
    // The sectors become the leaf's when the data has arrived, not before: a flush must not show what is not there.
    const written = (): void => {
      leaf.markWritten(block, first, middle / SECTOR_BYTES);
      if (leaf.isBlockFull(block)) owners.putAll(block, leafSlot);
      else owners.claim(block, first, middle / SECTOR_BYTES, leafSlot);
    };
    this.#put(from, fromOffset + headBytes, middle, position, written, waits);
  }

  #put(
    from: Uint8Array,
    fromOffset: number,
    length: number,
    position: number,
    written: (() => void) | undefined,
    waits: Promise<void>[],
  ): void {
    const { leaf } = this.#links;
    if (length < this.#limits.asyncBytes) {
      leaf.file.writeSync(from, fromOffset, length, position);
      written?.();
      return;
    }
    waits.push(this.#putLarge(leaf, from, fromOffset, length, position, written));
  }

  async #putLarge(
    leaf: Image,
    from: Uint8Array,
    fromOffset: number,
    length: number,
    position: number,
    written: (() => void) | undefined,
  ): Promise<void> {
    leaf.requests++;
    this.#gate.enter();
    try {
      await leaf.file.write(from, fromOffset, length, position);
      written?.();
    } finally {
      leaf.touch(); // Again: a flush that ran meanwhile has not waited for this write.
      leaf.requests--;
      this.#gate.leave();
    }
  }

  /** Writes less than a sector: the rest of it as the chain has it. */
  #writePart(block: number, from: Uint8Array, fromOffset: number, length: number, offset: number): void {
    const sectorAt = offset - (offset % SECTOR_BYTES);
    const sector = this.#sectorBuffer;
    this.#links.readSector(sector, sectorAt);
    sector.set(from.subarray(fromOffset, fromOffset + length), offset - sectorAt);
    this.#writeInBlock(block, sector, 0, SECTOR_BYTES, sectorAt, NO_WAITS);
  }

  async #zeroRange(offset: number, length: number, mayUnmap: boolean): Promise<void> {
    const end = offset + length;
    let blocks = 0;
    this.#checkWrite(offset, length);
    for (let at = offset; at < end; ) {
      while (this.#gate.closed !== undefined) await this.#gate.closed;
      this.#checkWrite(at, end - at);
      const block = Math.floor(at / this.#links.grainBytes);
      const blockEnd = Math.min(end, this.#links.endOfBlock(block));
      const isWhole = at === block * this.#links.grainBytes && blockEnd === this.#links.endOfBlock(block);
      if (this.#links.ownerOfBlock(block) === OWNER.none || (isWhole && mayUnmap && this.#unmap(block))) at = blockEnd;
      else {
        // Also where the bytes are zero already but a parent could have others: leaving out this write is how other
        // programs brought a parent's data back (quirk 12).
        const count = Math.min(ZEROS.byteLength, blockEnd - at);
        await this.write(ZEROS.subarray(0, count), at);
        at += count;
      }
      const throttle = this.#throttle();
      if (throttle !== undefined) await throttle;
      else if (++blocks % BLOCKS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Takes a block out of the leaf where that makes it read as zeros: where no parent has it. True when it is out. */
  #unmap(block: number): boolean {
    const { leaf } = this.#links;
    if (!leaf.canDrop || 0 < this.#gate.running) return false;
    // Dropping the block would bring back what a parent has there: neither zeros nor what was there before.
    if (this.#links.isBelow(block)) return false;
    leaf.dropBlock(block);
    this.#links.owners.putAll(block, OWNER.none);
    return true;
  }

  async #flushOnce(): Promise<void> {
    if (this.isReadOnly) return;
    const images = [this.#links.leaf, ...this.#settling];
    const results = await Promise.allSettled(images.map((image) => image.flush()));
    results.forEach((result, i) => {
      const image = images[i];
      if (0 < i && result.status === 'fulfilled' && image !== undefined) this.#settling.delete(image);
    });
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw fileError(failed.reason, this.name);
  }

  /** BOUNDED: metadata that waits for a flush is limited in number and in time. */
  #throttle(): MaybeAsync {
    const dirty = this.#links.leaf.dirtyBlocks;
    if (dirty === 0) return undefined;
    this.#flushes.joinWithin(this.#limits.writeOutMs);
    if (dirty < this.#limits.dirtyBlocks) return undefined;
    const flush = this.#flushes.join();
    flush.catch(() => undefined); // Told to the next who flushes: everything is still dirty.
    return dirty < 2 * this.#limits.dirtyBlocks ? undefined : flush;
  }

  async #close(): Promise<void> {
    try {
      await this.#gate.whileQuiet(() => undefined);
      await this.#flushes.join();
    } finally {
      this.#flushes.stop();
      await Promise.all(this.links.map(closeWhenIdle));
      await this.#options.onClose?.();
    }
  }

  #checkRange(offset: number, length: number): void {
    if (this.#closing !== undefined) throw this.#closedError();
    if (!(0 <= offset && offset + length <= this.sizeBytes)) {
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
}

/** For writes of one sector, which are never large. */
const NO_WAITS: Promise<void>[] = [];

/** Closes an image when the requests on it are through. */
async function closeWhenIdle(image: Image): Promise<void> {
  while (0 < image.requests) await new Promise((resolve) => setImmediate(resolve));
  await image.close();
}
