/**
 * A dynamic or differencing image. Spec: "Dynamic Hard Disk Image", "Differencing Hard Disk Image", "Block Allocation
 * Table and Data Blocks". Data goes to its place at once, new metadata waits in memory for a flush: flush.ts.
 */
import { VhdError } from '../../errors.ts';
import type { OpenFinding } from '../../image/finding.ts';
import type { Image } from '../../image/image.ts';
import type { ImageDetails } from '../../image/image-details.ts';
import type { StoredParent } from '../../image/parent-link.ts';
import { DISK_LIMITS } from '../../limits.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { SyncGuard } from '../../storage/sync-guard.ts';
import { LIMITS, SECTOR_BYTES } from '../../units.ts';
import { BlockFill, type BlockTable, FILL } from './block-table.ts';
import { BAT_UNUSED } from './codec/bat.ts';
import { bitmapBytes, hasAllSectors, markSectors, sectorRuns } from './codec/bitmap.ts';
import { encodeFooter, FOOTER_BYTES, type Footer, hasBatmap } from './codec/footer.ts';
import type { Header } from './codec/header.ts';
import { blockSpanBytes, nextBlockOffset } from './codec/layout.ts';
import { detailsOf } from './details.ts';
import { type Batch, type BitmapWrite, writeBatch } from './flush.ts';
import { findFreeSpace } from './free-space.ts';
import type { DynamicTable, FooterReading } from './image-metadata.ts';
import { storedParent } from './stored-parent.ts';

/** An open dynamic or differencing image. */
export class DynamicImage implements Image {
  readonly format = 'vhd';
  readonly path: string;
  readonly file: RandomAccessFile;
  readonly identity: string;
  readonly hasParent: boolean;
  readonly isWhole = false;
  readonly sizeBytes: number;
  readonly sectorBytes: number = SECTOR_BYTES;
  readonly isReadOnly: boolean;
  readonly findings: readonly OpenFinding[];
  readonly blockBytes: number;
  readonly canDrop: boolean;
  /** Where each block starts. For reading only. */
  readonly table: BlockTable;
  requests = 0;

  readonly #footer: Footer;
  readonly #header: Header;
  readonly #bitmapBytes: number;
  readonly #footerBytes: Uint8Array;
  readonly #fill: BlockFill;
  readonly #bitmaps = new Map<number, Uint8Array>();
  readonly #dirtyEntries = new Set<number>();
  readonly #dirtyBitmaps = new Set<number>();
  /** Blocks whose table entry a flush that failed may have written: their bitmaps reveal, whatever memory says. */
  readonly #maybeShown = new Set<number>();
  readonly #guard: SyncGuard;
  readonly #allOnes: Uint8Array;
  /** Where the trailing footer is. */
  #endBytes: number;
  #free: number[] | undefined;
  #lastBlock = -1;
  #lastBitmap: Uint8Array | undefined;
  #freed: number[] = [];

  constructor(
    file: RandomAccessFile,
    reading: FooterReading,
    metadata: DynamicTable,
    findings: readonly OpenFinding[],
  ) {
    this.path = file.path;
    this.file = file;
    this.identity = reading.footer.uuid;
    this.hasParent = reading.footer.diskType === 'differencing';
    this.#footer = reading.footer;
    this.#header = metadata.header;
    this.table = metadata.table;
    this.sizeBytes = reading.footer.currentSizeBytes;
    this.isReadOnly = file.isReadOnly;
    this.findings = findings;
    this.blockBytes = metadata.header.blockBytes;
    this.canDrop = !hasBatmap(reading.footer);
    this.#bitmapBytes = bitmapBytes(this.blockBytes);
    this.#footerBytes = encodeFooter(reading.footer);
    this.#fill = new BlockFill(this.table.length);
    this.#allOnes = new Uint8Array(this.#bitmapBytes).fill(0xff);
    this.#endBytes = reading.endBytes;
    this.#guard = new SyncGuard(file);
    // A tail that a power cut or an old writer left unwhole is written anew; the next flush syncs it.
    if (!this.isReadOnly && !reading.isTailWhole) file.writeSync(this.#footerBytes, 0, FOOTER_BYTES, this.#endBytes);
  }

  get parent(): StoredParent | undefined {
    return this.hasParent ? storedParent(this.file, this.#header) : undefined;
  }

  describe(): ImageDetails {
    const { blockBytes, table } = this;
    return { ...detailsOf(this.#footer), blockBytes, blocks: table.length, allocatedBlocks: table.used };
  }

  get tableBytes(): number {
    return this.table.bytes;
  }

  get dirtyBlocks(): number {
    return this.#dirtyEntries.size + this.#dirtyBitmaps.size;
  }

  positionOf(offset: number): number {
    const block = Math.floor(offset / this.blockBytes);
    const entry = this.table.get(block);
    if (entry === BAT_UNUSED) return -1;
    return entry * SECTOR_BYTES + this.#bitmapBytes + (offset - block * this.blockBytes);
  }

  hasBlocks(offset: number, length: number): boolean {
    const last = Math.min(this.table.length - 1, Math.floor((offset + length - 1) / this.blockBytes));
    return this.table.hasAny(Math.floor(offset / this.blockBytes), last);
  }

  nextBlock(first: number, last: number): number {
    return this.table.nextUsed(first, last);
  }

  nextGap(first: number, last: number): number {
    return this.table.nextUnused(first, last);
  }

  claimSectors(owners: Uint8Array, count: number, offset: number, slot: number, none: number): number {
    const end = Math.min(count, (this.sizeBytes - offset) / SECTOR_BYTES);
    const perBlock = this.blockBytes / SECTOR_BYTES;
    const start = offset / SECTOR_BYTES;
    let taken = 0;
    for (let at = 0; at < end; ) {
      const block = Math.floor((start + at) / perBlock);
      const within = start + at - block * perBlock;
      const length = Math.min(perBlock - within, end - at);
      if (this.table.get(block) !== BAT_UNUSED)
        taken += this.#claimBlock(owners, at, block, within, length, slot, none);
      at += length;
    }
    return taken;
  }

  touch(): void {
    this.#guard.isDirty = true;
  }

  ensureBlock(block: number): number {
    const entry = this.table.get(block);
    const start = entry === BAT_UNUSED ? this.#allocate(block) : entry * SECTOR_BYTES;
    return start + this.#bitmapBytes;
  }

  isBlockFull(block: number): boolean {
    if (this.table.get(block) === BAT_UNUSED) return false;
    if (this.#fill.get(block) === FILL.unknown) this.#loadBitmap(block);
    return this.#fill.get(block) === FILL.full;
  }

  /** The sector bitmap of a block that is in the file: a copy, as it is in memory now. Errors: IO. */
  bitmapOf(block: number): Uint8Array {
    return this.isBlockFull(block) ? this.#fullBitmap(block) : this.#loadBitmap(block).slice();
  }

  markWritten(block: number, firstSector: number, count: number): void {
    this.#guard.isDirty = true;
    if (this.isBlockFull(block)) return;
    const bitmap = this.#loadBitmap(block);
    if (hasAllSectors(bitmap, firstSector, count)) return; // Written over: nothing to show that is not shown.
    markSectors(bitmap, firstSector, count);
    this.#bitmaps.set(block, bitmap);
    this.#dirtyBitmaps.add(block);
    if (hasAllSectors(bitmap, 0, this.#sectorsOf(block))) this.#fill.set(block, FILL.full);
  }

  dropBlock(block: number): void {
    const entry = this.table.get(block);
    if (entry === BAT_UNUSED) return;
    this.#freeSpace(); // Looked for before the block leaves the table: its space is free only after a flush.
    this.table.set(block, BAT_UNUSED);
    this.#fill.set(block, FILL.unknown);
    this.#bitmaps.delete(block);
    this.#dirtyBitmaps.delete(block);
    this.#dirtyEntries.add(block);
    this.#freed.push(entry);
  }

  async flush(): Promise<void> {
    this.#guard.check();
    const batch = this.#takeBatch();
    const { file } = this;
    const table = { position: this.#header.batOffset, length: this.table.length };
    try {
      await writeBatch(batch, { file, guard: this.#guard, table });
    } catch (error) {
      this.#putBack(batch);
      throw error;
    }
    this.#maybeShown.clear();
    // Nothing on disk leads to these any more; requests that began before may still be on their way to them.
    const to = this.requests === 0 ? this.#freeSpace() : this.#freed;
    for (const entry of batch.freed) to.push(entry);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** Sectors of a block that lie within the disk. */
  #sectorsOf(block: number): number {
    return Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes) / SECTOR_BYTES;
  }

  #claimBlock(
    owners: Uint8Array,
    at: number,
    block: number,
    within: number,
    length: number,
    slot: number,
    none: number,
  ): number {
    let taken = 0;
    const claim = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        if (owners[i] !== none) continue;
        owners[i] = slot;
        taken++;
      }
    };
    if (this.isBlockFull(block)) claim(at, at + length);
    else {
      for (const run of sectorRuns(this.#loadBitmap(block), within, length)) {
        if (run.isPresent) claim(at + run.first - within, at + run.first - within + run.count);
      }
    }
    return taken;
  }

  /** The bitmap of a block that is in the file. Only a writable image keeps it: readers resolve a block once. */
  #loadBitmap(block: number): Uint8Array {
    const known = this.#bitmaps.get(block) ?? (this.#lastBlock === block ? this.#lastBitmap : undefined);
    if (known !== undefined) return known;
    const bitmap = new Uint8Array(this.#bitmapBytes);
    this.file.readSync(bitmap, 0, bitmap.byteLength, this.table.get(block) * SECTOR_BYTES);
    const isFull = hasAllSectors(bitmap, 0, this.#sectorsOf(block));
    this.#fill.set(block, isFull ? FILL.full : FILL.partial);
    if (this.isReadOnly) {
      this.#lastBlock = block;
      this.#lastBitmap = bitmap;
    } else if (!isFull) this.#cacheBitmap(block, bitmap);
    return bitmap;
  }

  #cacheBitmap(block: number, bitmap: Uint8Array): void {
    this.#bitmaps.set(block, bitmap);
    if (this.#bitmaps.size - this.#dirtyBitmaps.size <= DISK_LIMITS.cachedBitmaps) return;
    for (const old of this.#bitmaps.keys()) {
      if (this.#dirtyBitmaps.has(old) || old === block) continue;
      this.#bitmaps.delete(old);
      return;
    }
  }

  /** Gives a block a place: free space between other blocks, or the end of the file. Returns its position. */
  #allocate(block: number): number {
    if (this.isReadOnly) throw new VhdError('READ_ONLY', `${this.path} was opened read-only`);
    const free = this.#freeSpace();
    const reused = free.at(-1);
    let at: number;
    if (reused === undefined) at = this.#append();
    else {
      at = reused * SECTOR_BYTES;
      this.#wipe(at);
      free.pop();
    }
    this.#guard.isDirty = true;
    this.table.set(block, at / SECTOR_BYTES);
    this.#dirtyEntries.add(block);
    if (!this.hasParent) {
      this.#fill.set(block, FILL.full); // Nothing lies below: sectors that were never written are zeros, here and anywhere.
    } else {
      this.#fill.set(block, FILL.partial);
      this.#bitmaps.set(block, new Uint8Array(this.#bitmapBytes));
      this.#dirtyBitmaps.add(block);
    }
    return at;
  }

  #freeSpace(): number[] {
    this.#free ??= findFreeSpace(this.table, this.#header, this.#endBytes, this.#footer.headerOffset);
    return this.#free;
  }

  /** A new place behind everything. The old footer stays where it is, in the gap in front of the bitmap. */
  #append(): number {
    const at = nextBlockOffset(this.#endBytes + FOOTER_BYTES, this.blockBytes);
    if (LIMITS.blockOffsetBytes <= at) throw new VhdError('NO_SPACE', `${this.path} cannot grow beyond 2 TiB`);
    const end = at + blockSpanBytes(this.blockBytes);
    this.file.writeSync(this.#footerBytes, 0, FOOTER_BYTES, end);
    this.#endBytes = end;
    return at;
  }

  /** Used space is filled with zeros: a reader that ignores bitmaps must not find what was there. */
  #wipe(position: number): void {
    const end = position + blockSpanBytes(this.blockBytes);
    for (let at = position; at < end; at += ZEROS.byteLength) {
      this.file.writeSync(ZEROS, 0, Math.min(ZEROS.byteLength, end - at), at);
    }
  }

  #fullBitmap(block: number): Uint8Array {
    if (!this.hasParent) return this.#allOnes;
    const bitmap = new Uint8Array(this.#bitmapBytes);
    markSectors(bitmap, 0, this.#sectorsOf(block));
    return bitmap;
  }

  #takeBatch(): Batch {
    const batch: Batch = {
      entries: new Map(),
      fresh: new Map(),
      shown: new Map(),
      freed: this.#freed,
      isRevealing: false,
    };
    this.#freed = [];
    for (const block of this.#dirtyEntries) {
      const entry = this.table.get(block);
      batch.entries.set(block, entry);
      if (entry === BAT_UNUSED) continue;
      const to = this.#maybeShown.has(block) ? batch.shown : batch.fresh;
      to.set(block, this.#bitmapWrite(block, entry));
    }
    for (const block of this.#dirtyBitmaps) {
      if (!batch.fresh.has(block)) batch.shown.set(block, this.#bitmapWrite(block, this.table.get(block)));
      if (this.#fill.get(block) === FILL.full) this.#bitmaps.delete(block);
    }
    this.#dirtyEntries.clear();
    this.#dirtyBitmaps.clear();
    return batch;
  }

  #bitmapWrite(block: number, entry: number): BitmapWrite {
    return { position: entry * SECTOR_BYTES, bytes: this.bitmapOf(block) };
  }

  /** After a flush that failed: all of the batch is dirty again, except for blocks that were dropped meanwhile. */
  #putBack(batch: Batch): void {
    this.#guard.isDirty = true;
    for (const block of batch.entries.keys()) {
      this.#dirtyEntries.add(block);
      if (batch.isRevealing) this.#maybeShown.add(block);
    }
    for (const [block, write] of [...batch.fresh, ...batch.shown]) {
      if (this.table.get(block) * SECTOR_BYTES !== write.position) continue;
      if (this.#fill.get(block) !== FILL.full && !this.#bitmaps.has(block)) this.#bitmaps.set(block, write.bytes);
      this.#dirtyBitmaps.add(block);
    }
    for (const entry of batch.freed) this.#freed.push(entry);
  }
}

const ZEROS = new Uint8Array(128 * 1024);
