/**
 * The client's reading of replies as a value machine: bytes in, records out, at any chunking.
 * Spec: NBD proto.md, "Simple reply message", "Structured reply chunk message".
 */
import { VhdError } from '../errors.ts';
import { CHUNK, CHUNK_DONE, CHUNK_MAGIC, CHUNK_TYPE, readU64, SIMPLE_REPLY, SIMPLE_REPLY_MAGIC } from './wire.ts';

/** What a reply, or a part of one, says. Cookies are the low halves: the client only makes such. */
export type ReplyPart =
  | { readonly kind: 'done'; readonly cookie: number; readonly error: number }
  | { readonly kind: 'data'; readonly cookie: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'hole'; readonly cookie: number; readonly offset: number; readonly length: number }
  | {
      readonly kind: 'status';
      readonly cookie: number;
      readonly contextId: number;
      readonly runs: readonly (readonly [number, number])[];
    };

/** BOUNDED: a chunk holds at most the largest read and its header. */
const CHUNK_BYTES: number = (32 << 20) + 64;

export interface ReplyParserOptions {
  readonly hasStructuredReplies: boolean;
  /** The length and offset of an open read, by its cookie: a simple reply does not say. */
  readonly openRead: (cookie: number) => { readonly offset: number; readonly length: number } | undefined;
}

/** Errors it throws: NBD_PROTOCOL. */
export class ReplyParser {
  readonly #options: ReplyParserOptions;
  #pending: Buffer = Buffer.alloc(0);
  /** Errors of chunks whose reply goes on. */
  readonly #errors = new Map<number, number>();

  constructor(options: ReplyParserOptions) {
    this.#options = options;
  }

  receive(chunk: Uint8Array): readonly ReplyPart[] {
    this.#pending = this.#pending.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const parts: ReplyPart[] = [];
    while (4 <= this.#pending.byteLength) {
      const magic = this.#pending.readUInt32BE(0);
      if (magic === SIMPLE_REPLY_MAGIC) {
        if (!this.#simple(parts)) break;
      } else if (magic === CHUNK_MAGIC && this.#options.hasStructuredReplies) {
        if (!this.#chunk(parts)) break;
      } else {
        throw new VhdError('NBD_PROTOCOL', `bad reply magic ${magic.toString(16)}`);
      }
    }
    return parts;
  }

  #simple(parts: ReplyPart[]): boolean {
    if (this.#pending.byteLength < SIMPLE_REPLY.SIZE) return false;
    const error = this.#pending.readUInt32BE(SIMPLE_REPLY.error);
    const cookie = this.#pending.readUInt32BE(SIMPLE_REPLY.cookie + 4);
    const read = error === 0 ? this.#options.openRead(cookie) : undefined;
    if (read !== undefined) {
      if (this.#options.hasStructuredReplies) throw new VhdError('NBD_PROTOCOL', 'a simple reply to a read');
      if (this.#pending.byteLength < SIMPLE_REPLY.SIZE + read.length) return false;
      const bytes = this.#pending.subarray(SIMPLE_REPLY.SIZE, SIMPLE_REPLY.SIZE + read.length);
      parts.push({ kind: 'data', cookie, offset: read.offset, bytes });
    }
    this.#pending = this.#pending.subarray(SIMPLE_REPLY.SIZE + (read?.length ?? 0));
    parts.push({ kind: 'done', cookie, error });
    return true;
  }

  #chunk(parts: ReplyPart[]): boolean {
    if (this.#pending.byteLength < CHUNK.SIZE) return false;
    const length = this.#pending.readUInt32BE(CHUNK.length);
    if (CHUNK_BYTES < length) throw new VhdError('NBD_PROTOCOL', `a chunk of ${length} bytes`);
    if (this.#pending.byteLength < CHUNK.SIZE + length) return false;
    const flags = this.#pending.readUInt16BE(CHUNK.flags);
    const type = this.#pending.readUInt16BE(CHUNK.type);
    const cookie = this.#pending.readUInt32BE(CHUNK.cookie + 4);
    const body = this.#pending.subarray(CHUNK.SIZE, CHUNK.SIZE + length);
    this.#pending = this.#pending.subarray(CHUNK.SIZE + length);
    this.#body(type, cookie, body, parts);
    if ((flags & CHUNK_DONE) !== 0) {
      parts.push({ kind: 'done', cookie, error: this.#errors.get(cookie) ?? 0 });
      this.#errors.delete(cookie);
    }
    return true;
  }

  #body(type: number, cookie: number, body: Buffer, parts: ReplyPart[]): void {
    const need = (bytes: number): void => {
      if (body.byteLength < bytes)
        throw new VhdError('NBD_PROTOCOL', `a chunk of type ${type} with ${body.byteLength} bytes`);
    };
    if (0x8000 <= type) {
      need(6);
      this.#errors.set(cookie, body.readUInt32BE(0) || 5);
      return;
    }
    switch (type) {
      case CHUNK_TYPE.none:
        return;
      case CHUNK_TYPE.offsetData:
        need(9);
        parts.push({ kind: 'data', cookie, offset: readU64(body, 0), bytes: body.subarray(8) });
        return;
      case CHUNK_TYPE.offsetHole:
        need(12);
        parts.push({ kind: 'hole', cookie, offset: readU64(body, 0), length: body.readUInt32BE(8) });
        return;
      case CHUNK_TYPE.blockStatus: {
        need(12);
        const runs: [number, number][] = [];
        for (let at = 4; at + 8 <= body.byteLength; at += 8)
          runs.push([body.readUInt32BE(at), body.readUInt32BE(at + 4)]);
        parts.push({ kind: 'status', cookie, contextId: body.readUInt32BE(0), runs });
        return;
      }
      default:
        throw new VhdError('NBD_PROTOCOL', `a chunk of unknown type ${type}`);
    }
  }
}
