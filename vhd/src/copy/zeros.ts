/** Finding zeros fast: `memcmp` against a page of zeros, no allocation per look. */

/** Granularity in bytes at which zeros are left out of files. */
export const ZERO_GRAIN_BYTES: number = 64 * 1024;
const ZEROS: Buffer = Buffer.alloc(ZERO_GRAIN_BYTES);

/** True where all bytes are zero. */
export function isZero(bytes: Uint8Array, start = 0, end: number = bytes.byteLength): boolean {
  for (let at = start; at < end; at += ZERO_GRAIN_BYTES) {
    const stop = Math.min(end, at + ZERO_GRAIN_BYTES);
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false;
  }
  return true;
}

/** A stretch of bytes in a buffer. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** The runs of `bytes[start..end)` that are not zero, at the grain of ZERO_GRAIN_BYTES. Empty where all is zero. */
export function dataRuns(bytes: Uint8Array, start = 0, end: number = bytes.byteLength): readonly Run[] {
  const runs: Run[] = [];
  let open: number | undefined;
  for (let at = start; at < end; at += ZERO_GRAIN_BYTES) {
    const stop = Math.min(end, at + ZERO_GRAIN_BYTES);
    const hasData = ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0;
    if (hasData) open ??= at;
    else if (open !== undefined) {
      runs.push({ start: open, end: at });
      open = undefined;
    }
  }
  if (open !== undefined) runs.push({ start: open, end });
  return runs;
}
