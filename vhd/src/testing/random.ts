/** Seeded random numbers for tests, and how deep tests go. */

/** Multiplies iterations and cut points; `npm run test:deep` sets 10. */
export const TEST_DEPTH: number = Math.max(0.1, Number(process.env['ORIEL_TEST_DEPTH'] ?? '1') || 1);

/** How long a test may take whose work grows with the depth, in milliseconds. */
export const DEEP_TIMEOUT_MS: number = 60_000 * Math.max(1, TEST_DEPTH);

/** A small, fast generator (mulberry32): the same numbers for the same seed, everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 up to, not including, `below`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.next() < p;
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to pick from');
    return value;
  }

  /** Random bytes, never zero, so that they cannot be mistaken for what was never written. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const start = this.below(POOL.byteLength - Math.min(length, POOL.byteLength - 1));
    for (let at = 0; at < length; at += POOL.byteLength) bytes.set(POOL.subarray(start, start + length - at), at);
    return bytes;
  }
}

/** Bytes to cut pieces from: making them one by one would be most of the time of a test. */
const POOL: Uint8Array = makePool(1 << 20);

function makePool(length: number): Uint8Array {
  const random = new Random(1);
  return Uint8Array.from({ length }, () => 1 + random.below(255));
}
