/** A fixed image: the content of the disk, then the footer. Spec: "Fixed Hard Disk Image". */
import { VhdError } from '../../errors.ts';
import type { OpenFinding } from '../../image/finding.ts';
import type { Image } from '../../image/image.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { SyncGuard } from '../../storage/sync-guard.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { Footer } from './codec/footer.ts';
import type { FooterReading } from './image-metadata.ts';

/** An open fixed image. Every sector is stored; nothing but data is ever written. */
export class FixedImage implements Image {
  readonly kind = 'fixed';
  readonly header = undefined;
  readonly path: string;
  readonly file: RandomAccessFile;
  readonly footer: Footer;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly findings: readonly OpenFinding[];
  readonly blockBytes: number;
  readonly dirtyBlocks = 0;
  readonly canDrop = false;
  readonly tableBytes = 0;
  requests = 0;
  readonly #guard: SyncGuard;

  /** Errors: DAMAGED where the file is shorter than the disk. */
  constructor(file: RandomAccessFile, reading: FooterReading) {
    this.path = file.path;
    this.file = file;
    this.footer = reading.footer;
    this.sizeBytes = reading.footer.currentSizeBytes;
    this.isReadOnly = file.isReadOnly;
    this.findings = reading.findings;
    this.blockBytes = this.sizeBytes;
    this.#guard = new SyncGuard(file);
    if (reading.endBytes < this.sizeBytes) {
      throw new VhdError(
        'DAMAGED',
        `${file.path} holds ${reading.endBytes} bytes of a fixed disk of ${this.sizeBytes}`,
      );
    }
  }

  positionOf(offset: number): number {
    return offset;
  }

  hasBlocks(offset: number, _length: number): boolean {
    return offset < this.sizeBytes;
  }

  nextBlock(first: number): number {
    return first;
  }

  nextGap(_first: number, last: number): number {
    return last + 1;
  }

  claimSectors(owners: Uint8Array, count: number, offset: number, slot: number, none: number): number {
    const end = Math.min(count, (this.sizeBytes - offset) / SECTOR_BYTES);
    let taken = 0;
    for (let i = 0; i < end; i++) {
      if (owners[i] !== none) continue;
      owners[i] = slot;
      taken++;
    }
    return taken;
  }

  touch(): void {
    this.#guard.isDirty = true;
  }

  ensureBlock(_block: number): number {
    return 0;
  }

  markWritten(): void {}

  isBlockFull(_block: number): boolean {
    return true;
  }

  dropBlock(): void {} // The space of a fixed image is fixed.

  async flush(): Promise<void> {
    if (this.#guard.isDirty) await this.#guard.sync();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
