/** Finding zeros fast: `memcmp` against a page of zeros, no allocation per look. */

/** What is looked at in one go, in bytes. */
const GRAIN_BYTES: number = 64 * 1024;
/** File systems give back space in pages of this many bytes. */
const PAGE_BYTES = 4096;
/** Fewer zeros than this between two runs are written with them: a call more costs as much as writing them. */
const LEAST_HOLE_BYTES: number = 16 * 1024;
const ZEROS: Buffer = Buffer.alloc(GRAIN_BYTES);

/** True where all bytes are zero. */
export function isZero(bytes: Uint8Array, start = 0, end: number = bytes.byteLength): boolean {
  for (let at = start; at < end; at += GRAIN_BYTES) {
    const stop = Math.min(end, at + GRAIN_BYTES);
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false;
  }
  return true;
}

/** A stretch of bytes in a buffer. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/**
 * The runs of `bytes[start..end)` that are not zero, at the grain of a page from `start` on, with short stretches of zeros
 * left in. Empty where all is zero.
 */
export function dataRuns(bytes: Uint8Array, start = 0, end: number = bytes.byteLength): readonly Run[] {
  const runs: Run[] = [];
  let open: number | undefined;
  let dataEnd = start;
  for (let grain = start; grain < end; grain += GRAIN_BYTES) {
    const grainEnd = Math.min(end, grain + GRAIN_BYTES);
    if (ZEROS.compare(bytes, grain, grainEnd, 0, grainEnd - grain) === 0) continue;
    for (let at = grain; at < grainEnd; at += PAGE_BYTES) {
      const stop = Math.min(grainEnd, at + PAGE_BYTES);
      // The first byte tells for nearly all pages that hold data.
      if (bytes[at] === 0 && ZEROS.compare(bytes, at, stop, 0, stop - at) === 0) continue;
      if (open !== undefined && LEAST_HOLE_BYTES <= at - dataEnd) {
        runs.push({ start: open, end: dataEnd });
        open = undefined;
      }
      open ??= at;
      dataEnd = stop;
    }
  }
  if (open !== undefined) runs.push({ start: open, end: dataEnd });
  return runs;
}
