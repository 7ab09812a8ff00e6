/** What is worth telling about an image, as far as its format has it. Sizes in bytes. */

/** Cylinders, heads, sectors per track: a hint for old guests, never the size. */
export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/** Details of one image. */
export interface ImageDetails {
  /** `raw`, `fixed`, `dynamic`, `differencing`. */
  readonly type: string;
  /** Size that qemu 7.2 would see: it takes the geometry of some writers for it (quirk 5). */
  readonly qemuBytes?: number;
  readonly createdAt?: string;
  /** Four characters each; `win ` for images of this library. */
  readonly creator?: string;
  readonly creatorVersion?: string;
  readonly geometry?: Geometry;
  /** Of images with a table. */
  readonly blockBytes?: number;
  readonly blocks?: number;
  readonly allocatedBlocks?: number;
}
