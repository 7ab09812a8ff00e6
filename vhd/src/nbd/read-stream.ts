/**
 * Reads of more than one piece: sent as they come from the disk, so that a reply of 32 MiB never sits in memory.
 * With structured replies each piece is a chunk and runs of zeroes travel as holes; a simple reply is one run of bytes
 * that no other reply may cut, so the writer is locked for it.
 * Spec: NBD proto.md, "Structured reply types", NBD_REPLY_TYPE_OFFSET_DATA and _OFFSET_HOLE.
 */
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { NbdStats } from './export.ts';
import type { NbdLimits } from './limits.ts';
import { type Cookie, DATA_CHUNK_HEADER, putDataChunk, putErrorChunk, putHoleChunk, putSimpleReply } from './reply.ts';
import { PIECE_BYTES, type ReplyWriter } from './reply-writer.ts';
import { errnoOf } from './validate.ts';
import { CMD_FLAG, ERRNO, SIMPLE_REPLY } from './wire.ts';

/** Extents looked up at once when searching a read for holes. */
const HOLE_SEARCH = 256;

interface Run {
  readonly at: number;
  readonly length: number;
  readonly isHole: boolean;
}

export class ReadStream {
  readonly #disk: Disk;
  readonly #writer: ReplyWriter;
  readonly #limits: NbdLimits;
  readonly #isStructured: boolean;
  readonly #stats: NbdStats;
  #last: Promise<unknown> = Promise.resolve();
  #isAbandoned = false;
  #waiting: (() => void)[] = [];

  constructor(disk: Disk, writer: ReplyWriter, limits: NbdLimits, isStructured: boolean, stats: NbdStats) {
    this.#disk = disk;
    this.#stats = stats;
    this.#writer = writer;
    this.#limits = limits;
    this.#isStructured = isStructured;
  }

  /** Answers one read. Long reads follow each other: the client wants the first one first. */
  read(cookie: Cookie, flags: number, offset: number, length: number): Promise<boolean> {
    const isWhole = (flags & CMD_FLAG.df) !== 0;
    // Spec: a server may refuse "don't fragment" beyond 64 KiB.
    if (isWhole) return Promise.reject(new VhdError('TOO_LARGE', `unfragmented read of ${length} bytes`));
    const work = this.#last.then(() =>
      this.#isStructured ? this.#readChunks(cookie, offset, length) : this.#readSimple(cookie, offset, length),
    );
    this.#last = work.catch(() => undefined);
    return work;
  }

  /** Reads a range for the sake of the caches below. */
  async cache(offset: number, length: number): Promise<void> {
    const region = this.#writer.takeRegion(PIECE_BYTES);
    try {
      for (let at = offset; at < offset + length && !this.#isAbandoned; at += PIECE_BYTES) {
        const pending = this.#disk.read(region.slab.bytes.subarray(0, Math.min(PIECE_BYTES, offset + length - at)), at);
        await (pending ?? new Promise((resolve) => setImmediate(resolve)));
      }
    } finally {
      this.#writer.sendRegion(region, 0);
    }
  }

  /** The socket took something. */
  roomMade(): void {
    if (this.#waiting.length === 0 || !this.#hasRoom()) return;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The socket is gone: whoever waits for room must not wait for ever. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #readChunks(cookie: Cookie, offset: number, length: number): Promise<boolean> {
    const end = offset + length;
    let at = offset;
    try {
      while (at < end) {
        for (const run of await this.#runs(at, end)) {
          if (run.isHole) {
            this.#hole(cookie, run, run.at + run.length === end);
          } else {
            const pending = this.#data(cookie, run, run.at + run.length === end);
            if (pending !== undefined) await pending;
          }
          at = run.at + run.length;
        }
      }
    } catch (error) {
      if (this.#isAbandoned) return true;
      this.#stats.errors += 1;
      const place = this.#writer.reserve(64);
      this.#writer.commit(putErrorChunk(this.#writer.bytes, place, cookie, errnoOf(error), at));
    }
    return true;
  }

  /** The next pieces and holes of a range. */
  async #runs(from: number, end: number): Promise<readonly Run[]> {
    const runs: Run[] = [];
    for (const extent of await this.#disk.extents(from, end - from, HOLE_SEARCH)) {
      const step = extent.isZero ? extent.length : PIECE_BYTES;
      const extentEnd = extent.offset + extent.length;
      for (let at = extent.offset; at < extentEnd; at += step) {
        runs.push({ at, length: Math.min(step, extentEnd - at), isHole: extent.isZero });
      }
    }
    return runs;
  }

  #hole(cookie: Cookie, run: Run, isLast: boolean): void {
    const place = this.#writer.reserve(64);
    this.#writer.commit(putHoleChunk(this.#writer.bytes, place, cookie, isLast, run.at, run.length));
  }

  #data(cookie: Cookie, run: Run, isLast: boolean): Promise<void> | undefined {
    if (this.#isAbandoned) throw new VhdError('CLOSED', 'the connection is closed');
    if (!this.#hasRoom()) return this.#room().then(() => this.#data(cookie, run, isLast));
    this.#writer.flush();
    const region = this.#writer.takeRegion(DATA_CHUNK_HEADER + run.length);
    const { bytes } = region.slab;
    const send = (): void => {
      putDataChunk(bytes, 0, cookie, isLast, run.at, run.length);
      this.#writer.sendRegion(region, region.length);
    };
    const drop = (error: unknown): never => {
      this.#writer.sendRegion(region, 0);
      throw error;
    };
    let pending: Promise<void> | undefined;
    try {
      pending = this.#disk.read(bytes.subarray(DATA_CHUNK_HEADER, DATA_CHUNK_HEADER + run.length), run.at);
    } catch (error) {
      drop(error);
    }
    if (pending !== undefined) return pending.then(send, drop);
    send();
    return undefined;
  }

  /** The header promises all of the bytes: once it is out, an error can only end the connection. */
  async #readSimple(cookie: Cookie, offset: number, length: number): Promise<boolean> {
    let isStarted = false;
    try {
      for (let at = offset; at < offset + length; at += PIECE_BYTES) {
        if (this.#isAbandoned) throw new VhdError('CLOSED', 'the connection is closed');
        if (!this.#hasRoom()) await this.#room();
        const head = isStarted ? 0 : SIMPLE_REPLY.SIZE;
        const count = Math.min(PIECE_BYTES, offset + length - at);
        const region = this.#writer.takeRegion(head + count);
        try {
          await this.#disk.read(region.slab.bytes.subarray(head, head + count), at);
        } catch (error) {
          this.#writer.sendNow(region, 0);
          throw error;
        }
        if (!isStarted) {
          this.#writer.lock();
          isStarted = true;
          putSimpleReply(region.slab.bytes, 0, cookie, ERRNO.ok);
        }
        this.#writer.sendNow(region, region.length);
      }
    } catch (error) {
      if (isStarted) this.#writer.spoil();
      throw error;
    } finally {
      if (isStarted) this.#writer.unlock();
    }
    return true;
  }

  #hasRoom(): boolean {
    return this.#writer.queuedBytes < this.#limits.replyBytesQueued;
  }

  /** Settles when the client has taken enough. BOUNDED: a client that stops reading stops the reading of the disk. */
  async #room(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#isAbandoned) throw new VhdError('CLOSED', 'the connection is closed');
  }
}
