/** Changes of the bytes of an image as data: worked out by a format, written by an operation with its journal. */

/** Bytes and where they go. */
export interface Part {
  /** File offset in bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What is to be written into an image, and the size in bytes that its file has afterwards; the one it has when left out. */
export interface Patch {
  readonly parts: readonly Part[];
  readonly sizeBytes?: number;
}
