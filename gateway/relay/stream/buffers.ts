/**
 * Read buffers that are used again. Node allocates 64 KiB for each read of a socket, and that, not framing, is what a
 * relay costs: with buffers of our own the CPU per byte falls by half (bench/relay.mjs).
 *
 * Each connection to a VM holds one, also while it is quiet. A read that fills it gets a larger one next, a read that a
 * smaller one could have held a smaller one.
 */

export const BUFFERS = {
  /** Free bytes in front, so that a frame header can be written there. */
  headroomBytes: 10,
  /** Small, middle, large. A unix socket holds less than a large one, so that one read empties it. */
  sizesBytes: [512, 16_384, 262_144],
  largeBytes: 262_144,
  /** Kept for later, of each size; what is given back beyond it is left to the collector. */
  free: [2048, 256, 16],
  /** BOUNDED: streams that rest after a large read hold large buffers; beyond so many there are middle ones only. */
  largeInUse: 64,
} as const;

export type BufferSize = 0 | 1 | 2;

/** `bytes` is what a read may fill; it begins `headroomBytes` into `whole`. */
export interface ReadBuffer {
  readonly whole: Buffer;
  readonly bytes: Buffer;
  readonly size: BufferSize;
}

/** The smallest that holds so many bytes, or the largest. */
export function sizeFor(length: number): BufferSize {
  if (length <= BUFFERS.sizesBytes[0]) return 0;
  return length <= BUFFERS.sizesBytes[1] ? 1 : 2;
}

/** Of the buffer after one of this size into which so many bytes were read. */
export function nextSize(size: BufferSize, length: number): BufferSize {
  if (length === BUFFERS.sizesBytes[size]) return size === 0 ? 1 : 2;
  const fitting = sizeFor(length);
  return fitting < size ? fitting : size;
}

export class BufferPool {
  readonly #free: readonly [ReadBuffer[], ReadBuffer[], ReadBuffer[]] = [[], [], []];
  #largeInUse = 0;

  take(wanted: BufferSize): ReadBuffer {
    const size = wanted === 2 && BUFFERS.largeInUse <= this.#largeInUse ? 1 : wanted;
    if (size === 2) this.#largeInUse += 1;
    return this.#free[size].pop() ?? make(size);
  }

  give(buffer: ReadBuffer): void {
    if (buffer.size === 2) this.#largeInUse -= 1;
    const free = this.#free[buffer.size];
    if (free.length < BUFFERS.free[buffer.size]) free.push(buffer);
  }
}

function make(size: BufferSize): ReadBuffer {
  // Not from Node's shared slab: these live long, and would keep it alive.
  const whole = Buffer.allocUnsafeSlow(BUFFERS.headroomBytes + BUFFERS.sizesBytes[size]);
  return { whole, bytes: whole.subarray(BUFFERS.headroomBytes), size };
}
