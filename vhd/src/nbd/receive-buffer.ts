/**
 * Buffers that sockets receive into. What one read leaves unparsed (part of a header, part of a 4 KiB page of payload)
 * moves to the headroom in front of where the next read lands, so the parser always sees contiguous bytes.
 */

/** Room for what is left over; payload is passed on in whole pages of the disk, so it is always less than one page. */
export const HEADROOM_BYTES = 4096;
/** More than the send buffer of a unix socket (208 KiB), so that one read takes all there is. */
const RECEIVE_BYTES = 256 << 10;
/** As many as the writes that one client may have in flight fill. */
const POOLED_BUFFERS = 5;

export interface ReceiveBuffer {
  readonly bytes: Buffer;
  /** Where a read lands: everything behind the headroom. */
  readonly landing: Buffer<ArrayBuffer>;
  /** Writes that still read from it, and one while it is parsed. */
  uses: number;
}

export class ReceivePool {
  readonly #free: ReceiveBuffer[] = [];

  take(): ReceiveBuffer {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const bytes = Buffer.allocUnsafeSlow(HEADROOM_BYTES + RECEIVE_BYTES);
    return { bytes, landing: bytes.subarray(HEADROOM_BYTES), uses: 0 };
  }

  give(buffer: ReceiveBuffer): void {
    if (this.#free.length < POOLED_BUFFERS) this.#free.push(buffer);
  }
}
