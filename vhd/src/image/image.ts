/**
 * One VHD file, open: where its bytes lie, and which sectors it stores. An image knows nothing of its parent; what a
 * sector reads as that the image does not store is for the chain to say.
 */
import type { DiskType, Footer } from '../formats/vhd/codec/footer.ts';
import type { Header } from '../formats/vhd/codec/header.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import type { OpenFinding } from './finding.ts';

/** An open image. Offsets, positions and lengths in bytes. */
export interface Image {
  readonly kind: DiskType;
  readonly path: string;
  readonly file: RandomAccessFile;
  readonly footer: Footer;
  /** `undefined` in a fixed image. */
  readonly header: Header | undefined;
  /** Virtual size. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly findings: readonly OpenFinding[];
  /** The unit of allocation: data within one block lies in one piece. A fixed image is one block. */
  readonly blockBytes: number;
  /** Requests under way on `file` that were started by others; space is not reused while there are any. */
  requests: number;

  /** File position of the byte at a virtual offset; -1 where its block is not in the file. Ignores sector bitmaps. */
  positionOf(offset: number): number;
  /** True where any block of the range is in the file. */
  hasBlocks(offset: number, length: number): boolean;
  /** The first block from `first` to `last` that is in the file; `last + 1` where none is. */
  nextBlock(first: number, last: number): number;
  /** The first block from `first` to `last` that is not in the file; `last + 1` where all are. */
  nextGap(first: number, last: number): number;
  /**
   * Writes `slot` into `owners` for each sector that the image stores and that has no owner yet (is `none`).
   * `owners[0]` stands for the sector at `offset`. Returns how many it took. Errors: IO.
   */
  claimSectors(owners: Uint8Array, count: number, offset: number, slot: number, none: number): number;

  /** Takes note of bytes written to `file` past this object, so that the next flush syncs them. */
  touch(): void;
  /** Makes room for a block and returns the position of its data; nothing happens where it is there. Errors: NO_SPACE, IO. */
  ensureBlock(block: number): number;
  /** The sectors of a block are written: they are this image's from now on, for readers after the next flush. */
  markWritten(block: number, firstSector: number, count: number): void;
  /** True where the image stores every sector of the block. Errors: IO. */
  isBlockFull(block: number): boolean;
  /** False where blocks stay once they are there: in fixed images, and where blktap's batmap would still list them (quirk 16). */
  readonly canDrop: boolean;
  /** Takes a block out of the image; its space is used again after the next flush. */
  dropBlock(block: number): void;
  /** Memory that the table takes. */
  readonly tableBytes: number;
  /** Blocks whose metadata waits for a flush. */
  readonly dirtyBlocks: number;
  /** FLUSHED-IS-SAFE. At most two syncs. Not to be called while another flush of the image runs. Errors: IO, NO_SPACE. */
  flush(): Promise<void>;
  /** Closes the file without a flush. Idempotent. */
  close(): Promise<void>;
}
