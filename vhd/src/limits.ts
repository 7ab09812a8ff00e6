/** BOUNDED: the numbers of disk/. One object, units in the names, a test that crosses each. */

/** What each limit bounds. */
export interface DiskLimits {
  /** Images in a chain, the leaf counted. */
  readonly chainLinks: number;
  /** Bytes that the tables of a chain may take in memory; only blocks that are there take any. */
  readonly chainTableBytes: number;
  /** Requests of at least this size go to the thread pool; smaller ones are answered at once from the page cache. */
  readonly asyncBytes: number;
  /** Blocks whose bitmap or table entry may wait in memory for a flush before one is started. */
  readonly dirtyBlocks: number;
  /** Metadata waits at most this long before it is written out without being asked. */
  readonly writeOutMs: number;
  /** Bitmaps of one image that are kept without being dirty. */
  readonly cachedBitmaps: number;
  /** Bytes one disk spends on remembering which link stores which sector. */
  readonly ownerCacheBytes: number;
  /** Files in a folder that are looked at for children of an image before it is opened for writing. */
  readonly siblings: number;
}

/** The values in force unless a caller or a test says otherwise. */
export const DISK_LIMITS: DiskLimits = {
  chainLinks: 200,
  chainTableBytes: 256 * 1024 * 1024,
  asyncBytes: 128 * 1024,
  dirtyBlocks: 1024,
  writeOutMs: 5000,
  cachedBitmaps: 256,
  ownerCacheBytes: 512 * 1024,
  siblings: 4096,
};
