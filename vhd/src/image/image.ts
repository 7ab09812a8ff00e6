/**
 * One image, open: where its bytes lie, and which sectors it stores, whatever its format. An image names its parent and
 * knows nothing of it; what a sector reads as that the image does not store is for the chain to say.
 */
import type { RandomAccessFile } from '../storage/file.ts';
import type { OpenFinding } from './finding.ts';
import type { ImageDetails } from './image-details.ts';
import type { StoredParent } from './parent-link.ts';

/** The formats that are opened here; others go through qemu-img. */
export type FormatName = 'vhd' | 'raw';

/** An open image. Offsets, positions and lengths in bytes. */
export interface Image {
  readonly format: FormatName;
  readonly path: string;
  readonly file: RandomAccessFile;
  /** What a child remembers its parent by; NIL_IDENTITY where the format has none, or a writer left it empty. */
  readonly identity: string;
  /** True where sectors that the image does not store are a parent's. */
  readonly hasParent: boolean;
  /** How it names its parent; `undefined` where it has none. Errors: IO. */
  readonly parent: StoredParent | undefined;
  /** True where every sector is stored, each at its own offset: there is no table, and no block is ever missing. */
  readonly isWhole: boolean;
  /** Virtual size. */
  readonly sizeBytes: number;
  /** The unit in which the image says what it stores. */
  readonly sectorBytes: number;
  readonly isReadOnly: boolean;
  readonly findings: readonly OpenFinding[];
  /** The unit of allocation: data within one block lies in one piece. A whole image is one block. */
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
  /** False where blocks stay once they are there: in whole images, and where another record would still list them. */
  readonly canDrop: boolean;
  /** Takes a block out of the image; its space is used again after the next flush. */
  dropBlock(block: number): void;
  /** Memory that the table takes. */
  readonly tableBytes: number;
  /** Blocks whose metadata waits for a flush. */
  readonly dirtyBlocks: number;
  /** FLUSHED-IS-SAFE. At most two syncs. Not to be called while another flush of the image runs. Errors: IO, NO_SPACE. */
  flush(): Promise<void>;
  /** What is worth telling about it besides. */
  describe(): ImageDetails;
  /** Closes the file without a flush. Idempotent. */
  close(): Promise<void>;
}
