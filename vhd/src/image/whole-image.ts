/** An image that stores every sector at its own offset: all of a raw file, the content of a fixed image. */

import type { RandomAccessFile } from '../storage/file.ts';
import { SyncGuard } from '../storage/sync-guard.ts';
import { SECTOR_BYTES } from '../units.ts';
import type { OpenFinding } from './finding.ts';
import type { FormatName, Image } from './image.ts';
import type { ImageDetails } from './image-details.ts';

/** What a format gives to a whole image. */
export interface WholeImageFields {
  readonly format: FormatName;
  readonly identity: string;
  readonly sizeBytes: number;
  readonly findings: readonly OpenFinding[];
  readonly details: ImageDetails;
}

/** An open whole image. Nothing but data is ever written. */
export class WholeImage implements Image {
  readonly format: FormatName;
  readonly path: string;
  readonly file: RandomAccessFile;
  readonly identity: string;
  readonly hasParent = false;
  readonly parent = undefined;
  readonly isWhole = true;
  readonly sizeBytes: number;
  readonly sectorBytes: number = SECTOR_BYTES;
  readonly isReadOnly: boolean;
  readonly findings: readonly OpenFinding[];
  readonly blockBytes: number;
  readonly dirtyBlocks = 0;
  readonly canDrop = false;
  readonly tableBytes = 0;
  requests = 0;
  readonly #details: ImageDetails;
  readonly #guard: SyncGuard;

  constructor(file: RandomAccessFile, fields: WholeImageFields) {
    this.format = fields.format;
    this.path = file.path;
    this.file = file;
    this.identity = fields.identity;
    this.sizeBytes = fields.sizeBytes;
    this.isReadOnly = file.isReadOnly;
    this.findings = fields.findings;
    this.blockBytes = this.sizeBytes;
    this.#details = fields.details;
    this.#guard = new SyncGuard(file);
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

  dropBlock(): void {} // Its space is fixed.

  async flush(): Promise<void> {
    if (this.#guard.isDirty) await this.#guard.sync();
  }

  describe(): ImageDetails {
    return this.#details;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
