/**
 * The transmission phase of one NBD connection, from received bytes to disk calls to replies. The hot path of the disk
 * service: payloads go to the disk straight from the receive buffer, replies are built in shared slabs and leave once
 * per tick, disk calls that are done at once cost no promise, and no BigInt is made.
 * Spec: NBD proto.md, "Transmission phase" and "Request types".
 */
import type { Disk } from '../disk.ts';
import type { MetaContext, NbdStats } from './export.ts';
import type { NbdLimits } from './limits.ts';
import { ReadStream } from './read-stream.ts';
import { HEADROOM_BYTES, type ReceiveBuffer, type ReceivePool } from './receive-buffer.ts';
import { type Cookie, DATA_CHUNK_HEADER, putDataChunk, putErrorChunk, putNoneChunk, putSimpleReply } from './reply.ts';
import { PIECE_BYTES, ReplyWriter, type SlabPool } from './reply-writer.ts';
import { changeRange, replyStatus } from './slow-requests.ts';
import { errnoOf, type Rules, validateRequest } from './validate.ts';
import { CMD, CMD_FLAG, ERRNO, REQUEST, REQUEST_MAGIC, readU16, readU32, readU64, SIMPLE_REPLY } from './wire.ts';

/** The socket, as far as the transmission needs it. */
export interface Wire {
  /** Queues bytes; `taken` is called when they are off our hands. */
  send(bytes: Buffer, taken: () => void): void;
  /** Bytes sent until `uncork` leave in one system call. */
  cork(): void;
  uncork(): void;
  /** Received bytes are wanted again, after `received` returned false. */
  resume(): void;
  /** All is answered: close in order. */
  finish(): void;
  /** A request is answered by an error because it makes no sense. */
  refused(reason: string): void;
  /** The peer broke the protocol: close at once. */
  destroy(reason: string): void;
}

export interface TransmissionOptions {
  readonly disk: Disk;
  readonly rules: Rules;
  readonly contexts: readonly { readonly id: number; readonly context: MetaContext }[];
  readonly limits: NbdLimits;
  readonly stats: NbdStats;
  readonly wire: Wire;
  readonly slabs: SlabPool;
  readonly receivePool: ReceivePool;
}

/** A write whose payload is arriving, or whose pieces the disk has not all taken. */
interface WriteState {
  readonly cookie: Cookie;
  readonly isFua: boolean;
  offset: number;
  remaining: number;
  /** Pieces that the disk still works on. */
  pending: number;
  /** Not `ok`: the rest of the payload is dropped. */
  error: number;
}

/** The part of a receive buffer that is not parsed yet. */
interface Window {
  readonly buffer: ReceiveBuffer;
  at: number;
  readonly end: number;
}

export class Transmission {
  /** Settles when the connection is over and no request of it reaches the disk any more. */
  readonly idle: Promise<void>;
  readonly writer: ReplyWriter;
  readonly #disk: Disk;
  readonly #options: TransmissionOptions;
  readonly #limits: NbdLimits;
  readonly #reader: ReadStream;
  #settleIdle: () => void = () => {};
  #incoming: ReceiveBuffer | undefined;
  #window: Window | undefined;
  #carry = 0;
  #writing: WriteState | undefined;
  #inFlight = 0;
  #writeBytesInFlight = 0;
  #isStalled = false;
  #isWakeScheduled = false;
  #phase: 'open' | 'finishing' | 'over' = 'open';

  constructor(options: TransmissionOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.#limits = options.limits;
    this.idle = new Promise((resolve) => {
      this.#settleIdle = resolve;
    });
    this.writer = new ReplyWriter(
      options.slabs,
      (bytes, taken) => options.wire.send(bytes, taken),
      () => this.#taken(),
      () => options.wire.destroy('a read failed in the middle of its reply'),
    );
    this.#reader = new ReadStream(
      options.disk,
      this.writer,
      options.limits,
      options.rules.hasStructuredReplies,
      options.stats,
    );
  }

  /** Where the next bytes are to be received. Ask again after each `received`. */
  landing(): Buffer<ArrayBuffer> {
    this.#incoming ??= this.#options.receivePool.take();
    return this.#incoming.landing;
  }

  /** `count` bytes arrived in `landing`. False: do not receive more until `wire.resume` is called. */
  received(count: number): boolean {
    if (this.#phase !== 'open') return true;
    const buffer = this.#incoming as ReceiveBuffer;
    this.#incoming = undefined;
    buffer.uses = 1;
    this.#window = { buffer, at: HEADROOM_BYTES - this.#carry, end: HEADROOM_BYTES + count };
    this.#carry = 0;
    return this.#run(this.#window);
  }

  /** The peer has sent all it will: answer what is open, then finish. */
  ended(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'finishing';
    this.#finishWhenIdle();
  }

  /** The socket is gone. Disk calls that run go on; nothing new starts. */
  abandon(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#reader.abandon();
    if (this.#writing?.pending === 0) this.#inFlight -= 1; // Its payload will never be whole.
    if (this.#inFlight === 0) this.#settleIdle();
  }

  #run(window: Window): boolean {
    let goesOn = true;
    while (goesOn && this.#phase === 'open') {
      if (this.#isFull()) {
        this.writer.flush();
        this.#isStalled = true;
        return false;
      }
      goesOn = this.#writing === undefined ? this.#request(window) : this.#payload(window, this.#writing);
    }
    this.writer.rest();
    this.#leave(window);
    return true;
  }

  /** BOUNDED: a client gets no further request in while its earlier ones hold this much. */
  #isFull(): boolean {
    return (
      this.#limits.requestsInFlight <= this.#inFlight ||
      this.#limits.replyBytesQueued <= this.writer.queuedBytes ||
      this.#limits.writeBytesInFlight <= this.#writeBytesInFlight ||
      this.writer.isLocked
    );
  }

  /** Moves what is left of a window in front of where the next bytes land. */
  #leave(window: Window): void {
    const { buffer, at, end } = window;
    this.#window = undefined;
    if (this.#incoming === undefined && buffer.uses === 1) this.#incoming = buffer;
    const next = (this.#incoming ??= this.#options.receivePool.take());
    this.#carry = end - at;
    if (0 < this.#carry) buffer.bytes.copy(next.bytes, HEADROOM_BYTES - this.#carry, at, end);
    buffer.uses -= 1;
    if (buffer.uses === 0 && buffer !== next) this.#options.receivePool.give(buffer);
  }

  /** Parses one request. False: it is not all there. */
  #request(window: Window): boolean {
    const { at } = window;
    if (window.end < at + REQUEST.SIZE) return false;
    const { bytes } = window.buffer;
    if (readU32(bytes, at + REQUEST.magic) !== REQUEST_MAGIC) {
      this.#options.wire.destroy('bad request magic');
      return false;
    }
    const flags = readU16(bytes, at + REQUEST.flags);
    const type = readU16(bytes, at + REQUEST.type);
    const cookie = { high: readU32(bytes, at + REQUEST.cookie), low: readU32(bytes, at + REQUEST.cookie + 4) };
    const offset = readU64(bytes, at + REQUEST.offset);
    const length = readU32(bytes, at + REQUEST.length);
    window.at = at + REQUEST.SIZE;
    const error = validateRequest(type, flags, offset, length, this.#options.rules);
    if (error !== ERRNO.ok)
      this.#options.wire.refused(`request ${type}, flags ${flags}, ${length} bytes at ${offset}: error ${error}`);
    if (type === CMD.write) return this.#startWrite(cookie, flags, offset, length, error);
    if (error === ERRNO.ok) this.#start(type, cookie, flags, offset, length);
    else this.#fail(type, cookie, error);
    return true;
  }

  #start(type: number, cookie: Cookie, flags: number, offset: number, length: number): void {
    const { stats } = this.#options;
    switch (type) {
      case CMD.read:
        stats.reads += 1;
        stats.readBytes += length;
        if (length <= PIECE_BYTES) this.#read(cookie, offset, length);
        else this.#track(this.#reader.read(cookie, flags, offset, length), type, cookie);
        return;
      case CMD.disconnect:
        this.ended();
        return;
      case CMD.flush:
        stats.flushes += 1;
        this.#track(this.#disk.flush(), type, cookie);
        return;
      case CMD.trim:
      case CMD.writeZeroes:
        if (type === CMD.trim) stats.trims += 1;
        else stats.zeroes += 1;
        this.#track(changeRange(this.#disk, type, flags, offset, length, this.#limits.zeroStepBytes), type, cookie);
        return;
      case CMD.cache:
        this.#track(this.#reader.cache(offset, length), type, cookie);
        return;
      case CMD.blockStatus: {
        const limit = (flags & CMD_FLAG.reqOne) === 0 ? this.#limits.statusExtents : 1;
        this.#track(replyStatus(this.writer, this.#options.contexts, cookie, offset, length, limit), type, cookie);
        return;
      }
    }
  }

  /** A read of up to one piece: straight into the reply. */
  #read(cookie: Cookie, offset: number, length: number): void {
    const { hasStructuredReplies } = this.#options.rules;
    const { writer } = this;
    if (length === 0) {
      const at = writer.reserve(DATA_CHUNK_HEADER);
      writer.commit(
        hasStructuredReplies
          ? putNoneChunk(writer.bytes, at, cookie)
          : putSimpleReply(writer.bytes, at, cookie, ERRNO.ok),
      );
      return;
    }
    const head = hasStructuredReplies ? DATA_CHUNK_HEADER : SIMPLE_REPLY.SIZE;
    const at = writer.reserve(head + length);
    const { bytes } = writer;
    let pending: Promise<void> | undefined;
    try {
      pending = this.#disk.read(bytes, offset, at + head, length);
    } catch (error) {
      this.#fail(CMD.read, cookie, errnoOf(error));
      return;
    }
    if (pending === undefined) {
      if (hasStructuredReplies) putDataChunk(bytes, at, cookie, true, offset, length);
      else putSimpleReply(bytes, at, cookie, ERRNO.ok);
      writer.commit(head + length);
    } else {
      this.#readLater(pending, cookie, offset, length, head);
    }
  }

  #readLater(pending: Promise<void>, cookie: Cookie, offset: number, length: number, head: number): void {
    const region = this.writer.detach(head + length);
    const isStructured = this.#options.rules.hasStructuredReplies;
    this.#inFlight += 1;
    const settle = (error: number): void => {
      const { bytes } = region.slab;
      if (error === ERRNO.ok) {
        if (isStructured) putDataChunk(bytes, region.at, cookie, true, offset, length);
        else putSimpleReply(bytes, region.at, cookie, ERRNO.ok);
        this.#scheduleWake();
        this.writer.sendRegion(region, head + length);
      } else {
        this.writer.sendRegion(region, 0);
        this.#fail(CMD.read, cookie, error);
      }
      this.#finished();
    };
    pending.then(
      () => settle(ERRNO.ok),
      (error: unknown) => settle(errnoOf(error)),
    );
  }

  #startWrite(cookie: Cookie, flags: number, offset: number, length: number, error: number): boolean {
    if (this.#limits.payloadBytes < length) {
      // To find the next request its payload would have to be read, which is what the limit forbids.
      this.#options.wire.destroy(`write of ${length} bytes`);
      return false;
    }
    const { stats } = this.#options;
    stats.writes += 1;
    stats.writeBytes += length;
    this.#inFlight += 1;
    const isFua = (flags & CMD_FLAG.fua) !== 0;
    this.#writing = { cookie, isFua, offset, remaining: length, pending: 0, error };
    return true;
  }

  /** Passes on payload that has arrived. Pieces end on pages of the disk, so no page is written in two halves. */
  #payload(window: Window, write: WriteState): boolean {
    let length = Math.min(window.end - window.at, write.remaining);
    if (length < write.remaining && write.error === ERRNO.ok) {
      length -= (write.offset + length) % HEADROOM_BYTES;
      if (length <= 0) return false;
    }
    if (length === 0 && 0 < write.remaining) return false;
    const { at } = window;
    window.at += length;
    write.remaining -= length;
    if (write.error === ERRNO.ok && 0 < length) this.#writePiece(window.buffer, at, length, write);
    write.offset += length;
    if (write.remaining === 0) {
      this.#writing = undefined;
      if (write.pending === 0) this.#finishWrite(write);
    }
    return true;
  }

  #writePiece(buffer: ReceiveBuffer, at: number, length: number, write: WriteState): void {
    let pending: Promise<void> | undefined;
    try {
      pending = this.#disk.write(buffer.bytes, write.offset, at, length);
    } catch (error) {
      write.error = errnoOf(error);
    }
    if (pending === undefined) return;
    write.pending += 1;
    buffer.uses += 1;
    this.#writeBytesInFlight += length;
    const settle = (error: number): void => {
      if (error !== ERRNO.ok) write.error = error;
      write.pending -= 1;
      this.#writeBytesInFlight -= length;
      buffer.uses -= 1;
      if (buffer.uses === 0 && buffer !== this.#incoming) this.#options.receivePool.give(buffer);
      if (write.remaining === 0 && write.pending === 0) this.#finishWrite(write);
      else if (this.#phase === 'over' && write.pending === 0) this.#finished();
      else this.#scheduleWake();
    };
    pending.then(
      () => settle(ERRNO.ok),
      (error: unknown) => settle(errnoOf(error)),
    );
  }

  #finishWrite(write: WriteState): void {
    if (write.error !== ERRNO.ok) {
      this.#fail(CMD.write, write.cookie, write.error);
      this.#finished();
    } else if (write.isFua) {
      this.#inFlight -= 1; // `#track` counts it again.
      this.#track(this.#disk.flush(), CMD.write, write.cookie);
    } else {
      this.#succeed(write.cookie);
      this.#finished();
    }
  }

  /** Answers when a request that takes its time is done. `true`: it has answered itself. */
  #track(work: Promise<boolean | void>, type: number, cookie: Cookie): void {
    this.#inFlight += 1;
    work.then(
      (isAnswered) => {
        if (isAnswered !== true) this.#succeed(cookie);
        this.#finished();
      },
      (error: unknown) => {
        this.#fail(type, cookie, errnoOf(error));
        this.#finished();
      },
    );
  }

  #succeed(cookie: Cookie): void {
    if (this.#phase === 'over') return;
    const at = this.writer.reserve(SIMPLE_REPLY.SIZE);
    this.writer.commit(putSimpleReply(this.writer.bytes, at, cookie, ERRNO.ok));
  }

  /** Spec: with structured replies, a read must not be answered by a simple reply, not even by an error. */
  #fail(type: number, cookie: Cookie, error: number): void {
    this.#options.stats.errors += 1;
    if (this.#phase === 'over') return;
    const { writer } = this;
    const at = writer.reserve(64);
    const isChunk = type === CMD.read && this.#options.rules.hasStructuredReplies;
    writer.commit(
      isChunk ? putErrorChunk(writer.bytes, at, cookie, error) : putSimpleReply(writer.bytes, at, cookie, error),
    );
  }

  #finished(): void {
    this.#inFlight -= 1;
    if (this.#phase === 'over') {
      if (this.#inFlight === 0) this.#settleIdle();
      return;
    }
    this.#scheduleWake();
  }

  #taken(): void {
    this.#reader.roomMade();
    if (this.#isStalled) this.#scheduleWake();
  }

  /** Replies of everything that settles in this tick leave together. */
  #scheduleWake(): void {
    if (this.#isWakeScheduled || this.#phase === 'over') return;
    this.#isWakeScheduled = true;
    this.#options.wire.cork();
    process.nextTick(() => this.#wake());
  }

  #wake(): void {
    this.#isWakeScheduled = false;
    if (this.#phase !== 'over') {
      if (this.#isStalled && !this.#isFull()) {
        this.#isStalled = false;
        if (this.#run(this.#window as Window)) this.#options.wire.resume();
      }
      this.writer.rest();
      if (this.#phase === 'finishing') this.#finishWhenIdle();
    }
    this.#options.wire.uncork();
  }

  #finishWhenIdle(): void {
    // A write whose payload will never arrive whole is not waited for.
    if ((this.#writing === undefined ? 0 : 1) < this.#inFlight || 0 < (this.#writing?.pending ?? 0)) return;
    this.writer.rest();
    this.#options.wire.finish();
  }
}
