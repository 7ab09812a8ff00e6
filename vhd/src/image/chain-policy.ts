/** What a caller allows about parents: the paths in an image come out of a file that anybody may have written. */

/** Where parents may lie. */
export interface ChainPolicy {
  /** Folders (with all below them) besides the folder of the leaf. A parent that is not where the image says is looked for in each. */
  readonly folders?: readonly string[];
  /** False leaves out the folder of the leaf. */
  readonly isLeafFolderAllowed?: boolean;
}
