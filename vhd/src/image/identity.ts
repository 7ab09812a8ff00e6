/** Identities of images: what ties a child to its parent. `8-4-4-4-12` lower-case hexadecimal. */

/** The identity that stands for "none". It ties nothing to anything: two images without identity are not the same one. */
export const NIL_IDENTITY = '00000000-0000-0000-0000-000000000000';

/** What a file says about whose child it is: read from its records alone, also where the rest of it is damaged. */
export interface Ties {
  readonly identity: string;
  /** Virtual size in bytes. */
  readonly sizeBytes: number;
  /** Identity of the parent; NIL_IDENTITY for a parent that has none. `undefined` in an image without parent. */
  readonly parentIdentity: string | undefined;
}
