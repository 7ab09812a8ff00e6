/**
 * Encoders of NBD replies into a buffer that the caller owns, for the server's hot path.
 * Spec: NBD proto.md, "Simple reply message", "Structured reply chunk message", "Structured reply types".
 */
import {
  CHUNK,
  CHUNK_DONE,
  CHUNK_MAGIC,
  CHUNK_TYPE,
  SIMPLE_REPLY,
  SIMPLE_REPLY_MAGIC,
  writeU16,
  writeU32,
  writeU64,
} from './wire.ts';

/** A request's cookie in two halves: numbers stay exact, and no BigInt is made for each request. */
export interface Cookie {
  readonly high: number;
  readonly low: number;
}

/** Bytes in front of the data in one OFFSET_DATA chunk. */
export const DATA_CHUNK_HEADER: number = CHUNK.SIZE + 8;

export function putSimpleReply(bytes: Buffer, at: number, cookie: Cookie, error: number): number {
  writeU32(bytes, SIMPLE_REPLY_MAGIC, at + SIMPLE_REPLY.magic);
  writeU32(bytes, error, at + SIMPLE_REPLY.error);
  writeU32(bytes, cookie.high, at + SIMPLE_REPLY.cookie);
  writeU32(bytes, cookie.low, at + SIMPLE_REPLY.cookie + 4);
  return SIMPLE_REPLY.SIZE;
}

function putChunk(bytes: Buffer, at: number, cookie: Cookie, type: number, isLast: boolean, length: number): number {
  writeU32(bytes, CHUNK_MAGIC, at + CHUNK.magic);
  writeU16(bytes, isLast ? CHUNK_DONE : 0, at + CHUNK.flags);
  writeU16(bytes, type, at + CHUNK.type);
  writeU32(bytes, cookie.high, at + CHUNK.cookie);
  writeU32(bytes, cookie.low, at + CHUNK.cookie + 4);
  writeU32(bytes, length, at + CHUNK.length);
  return at + CHUNK.SIZE;
}

/** The header of `length` bytes of data at `offset`, which follow it. */
export function putDataChunk(
  bytes: Buffer,
  at: number,
  cookie: Cookie,
  isLast: boolean,
  offset: number,
  length: number,
): number {
  writeU64(bytes, offset, putChunk(bytes, at, cookie, CHUNK_TYPE.offsetData, isLast, 8 + length));
  return DATA_CHUNK_HEADER;
}

/** A run that reads as zero, without its bytes. */
export function putHoleChunk(
  bytes: Buffer,
  at: number,
  cookie: Cookie,
  isLast: boolean,
  offset: number,
  length: number,
): number {
  const body = putChunk(bytes, at, cookie, CHUNK_TYPE.offsetHole, isLast, 12);
  writeU64(bytes, offset, body);
  writeU32(bytes, length, body + 8);
  return CHUNK.SIZE + 12;
}

/** Success without data. */
export function putNoneChunk(bytes: Buffer, at: number, cookie: Cookie): number {
  putChunk(bytes, at, cookie, CHUNK_TYPE.none, true, 0);
  return CHUNK.SIZE;
}

/** An error ends the reply. With `offset` it says where: what was sent before that is good. */
export function putErrorChunk(bytes: Buffer, at: number, cookie: Cookie, error: number, offset?: number): number {
  const length = offset === undefined ? 6 : 14;
  const type = offset === undefined ? CHUNK_TYPE.error : CHUNK_TYPE.errorOffset;
  const body = putChunk(bytes, at, cookie, type, true, length);
  writeU32(bytes, error, body);
  writeU16(bytes, 0, body + 4);
  if (offset !== undefined) writeU64(bytes, offset, body + 6);
  return CHUNK.SIZE + length;
}

/** A run of one metadata context. */
export interface StatusRun {
  readonly length: number;
  readonly flags: number;
}

/** Bytes that a block-status chunk of so many runs takes. */
export function statusChunkBytes(runs: number): number {
  return CHUNK.SIZE + 4 + 8 * runs;
}

export function putStatusChunk(
  bytes: Buffer,
  at: number,
  cookie: Cookie,
  isLast: boolean,
  contextId: number,
  runs: readonly StatusRun[],
): number {
  let place = putChunk(bytes, at, cookie, CHUNK_TYPE.blockStatus, isLast, 4 + 8 * runs.length);
  writeU32(bytes, contextId, place);
  place += 4;
  for (const run of runs) {
    writeU32(bytes, run.length, place);
    writeU32(bytes, run.flags, place + 4);
    place += 8;
  }
  return place - at;
}
