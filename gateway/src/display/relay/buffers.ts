/**
 * Read buffers that are used again. Node allocates 64 KiB for each read of a socket, and that, not framing, is what a
 * relay costs: with buffers of our own the CPU per byte falls by half (bench/relay.mjs).
 *
 * Each connection to a VM holds one. While it is quiet it is a small one; a read that fills it gets a large one next.
 */

export const BUFFERS = {
  /** Free bytes in front, so that a frame header can be written there. */
  headroomBytes: 10,
  smallBytes: 512,
  largeBytes: 262_144,
  /** Kept for later, of each size; what is given back beyond it is left to the collector. */
  freeSmall: 2048,
  freeLarge: 16,
} as const;

/** `bytes` is what a read may fill; it begins `headroomBytes` into `whole`. */
export interface ReadBuffer {
  readonly whole: Buffer;
  readonly bytes: Buffer;
  readonly isLarge: boolean;
}

export class BufferPool {
  readonly #small: ReadBuffer[] = [];
  readonly #large: ReadBuffer[] = [];

  take(isLarge: boolean): ReadBuffer {
    return (isLarge ? this.#large : this.#small).pop() ?? make(isLarge);
  }

  give(buffer: ReadBuffer): void {
    const free = buffer.isLarge ? this.#large : this.#small;
    if (free.length < (buffer.isLarge ? BUFFERS.freeLarge : BUFFERS.freeSmall)) free.push(buffer);
  }
}

function make(isLarge: boolean): ReadBuffer {
  const size = isLarge ? BUFFERS.largeBytes : BUFFERS.smallBytes;
  // Not from Node's shared slab: these live long, and would keep it alive.
  const whole = Buffer.allocUnsafeSlow(BUFFERS.headroomBytes + size);
  return { whole, bytes: whole.subarray(BUFFERS.headroomBytes), isLarge };
}
