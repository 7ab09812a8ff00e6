/**
 * Where replies are put together: pooled slabs that many small replies share, sent in one write per tick, and given
 * back when the socket has taken them. Fresh buffers and a write per reply were what made a first prototype slow.
 */

/**
 * One slab holds the largest piece of data that is sent at once, with its header. Large, because each piece costs a wait
 * for room in the socket; a slab takes memory only as far as it was ever filled.
 */
export const PIECE_BYTES: number = 1 << 20;
const HEADER_ROOM = 64;
const SLAB_BYTES = PIECE_BYTES + HEADER_ROOM;
/** As many as the replies that one client may have queued fill, and the one being filled. */
const POOLED_SLABS = 3;

export interface Slab {
  readonly bytes: Buffer;
  /** Sends and pending regions that still need the bytes, and one for being the slab in use. */
  uses: number;
}

/** Slabs that are not in use now, shared by all connections of a thread. */
export class SlabPool {
  readonly #free: Slab[] = [];

  take(): Slab {
    const slab = this.#free.pop() ?? { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), uses: 0 };
    slab.uses = 1;
    return slab;
  }

  release(slab: Slab): void {
    slab.uses -= 1;
    if (slab.uses === 0 && this.#free.length < POOLED_SLABS) this.#free.push(slab);
  }
}

/** Where finished bytes go: `done` is called once they were taken, or never if the connection dies. */
export type Send = (bytes: Buffer, done: () => void) => void;

/** A place in a slab whose content is still being read. */
export interface Region {
  readonly slab: Slab;
  readonly at: number;
  readonly length: number;
}

export class ReplyWriter {
  /** Reserved or sent, and not taken by the socket yet. BOUNDED by whoever reserves. */
  queuedBytes = 0;
  readonly #pool: SlabPool;
  readonly #send: Send;
  readonly #taken: () => void;
  readonly #onSpoilt: () => void;
  #slab: Slab | undefined;
  #start = 0;
  #end = 0;
  #isLocked = false;
  #deferred: (() => void)[] = [];

  constructor(pool: SlabPool, send: Send, taken: () => void, onSpoilt: () => void) {
    this.#onSpoilt = onSpoilt;
    this.#pool = pool;
    this.#send = send;
    this.#taken = taken;
  }

  /** Room for `length` bytes (at most a piece and its header). Fill `bytes` from the returned place, then `commit`. */
  reserve(length: number): number {
    if (this.#slab !== undefined && this.#slab.bytes.byteLength < this.#end + length) this.#dropSlab();
    if (this.#slab === undefined) {
      this.#slab = this.#pool.take();
      this.#start = 0;
      this.#end = 0;
    }
    return this.#end;
  }

  /** The slab that `reserve` spoke of. */
  get bytes(): Buffer {
    return (this.#slab as Slab).bytes;
  }

  /** The reserved bytes are a reply now; they leave with the next flush. */
  commit(length: number): void {
    this.#end += length;
    this.queuedBytes += length;
  }

  /** The reserved bytes become a reply later; `sendRegion` must follow. What was committed before leaves without waiting. */
  detach(length: number): Region {
    const slab = this.#slab as Slab;
    const region = { slab, at: this.#end, length };
    this.#sendCommitted();
    slab.uses += 1;
    this.#end += length;
    this.#start = this.#end;
    this.queuedBytes += length;
    return region;
  }

  /** A slab of its own for a piece of a long read; `sendRegion` or `sendNow` must follow. */
  takeRegion(length: number): Region {
    this.queuedBytes += length;
    return { slab: this.#pool.take(), at: 0, length };
  }

  /** Sends the first `length` bytes of a region (0: none), and lets go of it. */
  sendRegion(region: Region, length: number): void {
    if (this.#isLocked) {
      this.#deferred.push(() => this.sendRegion(region, length));
      return;
    }
    this.queuedBytes -= region.length - length;
    if (length === 0) this.#pool.release(region.slab);
    else this.#push(region.slab, region.at, length);
  }

  /** Sends what was committed. */
  flush(): void {
    if (this.#start < this.#end && !this.#isLocked) this.#sendCommitted();
  }

  /** Nothing but `sendNow` leaves until `unlock`: a simple reply in pieces must not be cut by another reply. */
  lock(): void {
    this.flush();
    this.#isLocked = true;
  }

  unlock(): void {
    this.#isLocked = false;
    for (const send of this.#deferred.splice(0)) send();
    this.flush();
  }

  get isLocked(): boolean {
    return this.#isLocked;
  }

  /** Sends a region of its own at once, also while locked. */
  sendNow(region: Region, length: number): void {
    this.queuedBytes -= region.length - length;
    this.#push(region.slab, region.at, length);
  }

  /** A reply broke off in the middle: nothing that follows could be understood. */
  spoil(): void {
    this.#onSpoilt();
  }

  /** Gives the current slab back when nothing waits in it, so that an idle connection holds none. */
  rest(): void {
    this.flush();
    if (this.#slab === undefined || this.#start < this.#end) return;
    this.#pool.release(this.#slab);
    this.#slab = undefined;
  }

  #dropSlab(): void {
    const slab = this.#slab as Slab;
    if (this.#isLocked && this.#start < this.#end) {
      const region = { slab, at: this.#start, length: this.#end - this.#start };
      slab.uses += 1;
      this.#deferred.push(() => this.sendRegion(region, region.length));
    } else {
      this.#sendCommitted();
    }
    this.#pool.release(slab);
    this.#slab = undefined;
  }

  #sendCommitted(): void {
    const length = this.#end - this.#start;
    if (length === 0) return;
    const slab = this.#slab as Slab;
    const at = this.#start;
    this.#start = this.#end;
    slab.uses += 1;
    if (this.#isLocked) this.#deferred.push(() => this.#push(slab, at, length));
    else this.#push(slab, at, length);
  }

  #push(slab: Slab, at: number, length: number): void {
    this.#send(slab.bytes.subarray(at, at + length), () => {
      this.#pool.release(slab);
      this.queuedBytes -= length;
      this.#taken();
    });
  }
}
