/**
 * One format of images: what recognizes, opens, makes, checks and changes files of it. Each folder here implements it,
 * `formats.ts` lists them, and `testing/format-contract.ts` is the suite that every one has to pass.
 *
 * What changes an image in place is worked out as a patch and written by an operation, with its journal and its lock.
 */
import type { FileSink } from '../copy/copy.ts';
import type { OperationOptions } from '../copy/options.ts';
import type { Range } from '../copy/pieces.ts';
import type { Disk } from '../disk.ts';
import type { Finding, OpenFinding } from '../image/finding.ts';
import type { Ties } from '../image/identity.ts';
import type { FormatName, Image } from '../image/image.ts';
import type { ParentLink } from '../image/parent-link.ts';
import type { Part, Patch } from '../image/patch.ts';
import type { RandomAccessFile } from '../storage/file.ts';

/** What this library writes by itself. */
export type NativeFormat = 'raw' | 'fixed' | 'dynamic';

/** Identity, time and size in bytes of a new image. */
export interface NewImageFields {
  readonly identity: string;
  readonly now: Date;
  /** Bytes of a block, where there are blocks; the usual size when left out. */
  readonly blockBytes?: number;
}

/** A new file: all bytes of it that are not zero, and its length in bytes. */
export interface NewFile {
  readonly parts: readonly Part[];
  readonly lengthBytes: number;
}

/** A stream whose length in bytes is known before its first byte. A chunk is only valid until the next is asked for. */
export interface ByteStream {
  readonly lengthBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** One kind of image that can be made. Errors of all: USAGE, TOO_LARGE. */
export interface Target {
  /** An empty image. */
  newImage(sizeBytes: number, fields: NewImageFields): NewFile;
  /** Where a copy goes, into an empty file. */
  sink(file: RandomAccessFile, fields: NewImageFields): FileSink;
  /** The content of a disk as such an image. */
  stream(disk: Disk, fields: NewImageFields): Promise<ByteStream>;
}

/** How thoroughly to look for what is wrong. */
export interface CheckFileOptions extends OperationOptions {
  /** Reads the data too. */
  readonly isDeep?: boolean;
}

/** A patch, and the identity of the image that it is for. */
export interface ImagePatch extends Patch {
  readonly identity: string;
  /** The identity that it gives the image; the one it has when left out. */
  readonly becomes?: string;
  /** Virtual bytes that turned out to be gone for good. */
  readonly lost?: readonly Range[];
}

/** A format. Files are only read, but for the empty ones that are handed over to be filled. */
export interface ImageFormat {
  readonly name: FormatName;
  /** True for a file of this format, and for a damaged one that still shows what it was. Errors: IO. */
  isOf(file: RandomAccessFile): boolean;
  /** Opens an image, and takes over `file`. `noticed` is what the search for it found. Errors: what is wrong with it. */
  open(file: RandomAccessFile, noticed: readonly OpenFinding[]): Image;
  /** Whose child the image is. Errors: what is wrong with the records that say so. */
  tiesOf(file: RandomAccessFile): Ties;
  /** What is wrong with the image. Errors: what keeps it from opening; CANCELLED, IO. */
  check(file: RandomAccessFile, options: CheckFileOptions): Promise<readonly Finding[]>;
  /** What mends findings of these codes; `undefined` where nothing is to be written. Errors: IO. */
  repair(
    file: RandomAccessFile,
    codes: ReadonlySet<string>,
    parentModified: () => Date | undefined,
  ): ImagePatch | undefined;
  /** What gives an image another identity; `undefined` where images of the format have none. Errors: USAGE, those of `tiesOf`. */
  readonly identify:
    | ((file: RandomAccessFile, identity: string) => ImagePatch & { readonly becomes: string })
    | undefined;
  /** What gives an image another virtual size. Errors: USAGE, TOO_LARGE. */
  resize(file: RandomAccessFile, sizeBytes: number): ImagePatch;
  /** An empty child of `parent`; `undefined` where images of the format have no parents. Errors: USAGE, TOO_LARGE. */
  readonly newChild: ((sizeBytes: number, fields: NewImageFields, parent: ParentLink) => NewFile) | undefined;
  /** What makes an image a child of `parent`. Errors: NO_PARENT. */
  relink(file: RandomAccessFile, parent: ParentLink): ImagePatch;
  /**
   * Writes an image that is not whole anew into the empty `file`, without what it need not hold. `isBelow` says whether
   * a parent has any block of a range. Errors: CANCELLED, NO_SPACE, IO.
   */
  rewrite(
    image: Image,
    file: RandomAccessFile,
    isBelow: (offset: number, length: number) => boolean,
    options: OperationOptions,
  ): Promise<void>;
}
