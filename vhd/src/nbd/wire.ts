/**
 * The numbers of the NBD protocol and where each field sits on the wire, one column to check against the specification.
 * Spec: NetworkBlockDevice/nbd doc/proto.md. Every field is big-endian.
 */

/** Greeting of the server, 18 bytes. Spec: "Fixed newstyle negotiation". */
export const GREETING = {
  magic: 0, //   u64  'NBDMAGIC'
  option: 8, //  u64  'IHAVEOPT'
  flags: 16, //  u16
  SIZE: 18,
} as const;

/** Header of a client option, 16 bytes, then `length` bytes of data. Spec: "Option haggling". */
export const OPTION = {
  magic: 0, //   u64  'IHAVEOPT'
  option: 8, //  u32
  length: 12, // u32
  SIZE: 16,
} as const;

/** Header of an option reply, 20 bytes, then `length` bytes of data. Spec: "Option haggling". */
export const OPTION_REPLY = {
  magic: 0, //   u64  0x0003e889045565a9
  option: 8, //  u32
  type: 12, //   u32
  length: 16, // u32
  SIZE: 20,
} as const;

/** Request header, 28 bytes on the wire, then the payload of a write. Spec: "Request message". */
export const REQUEST = {
  magic: 0, //   u32  0x25609513
  flags: 4, //   u16
  type: 6, //    u16
  cookie: 8, //  u64  echoed in the reply, opaque to us
  offset: 16, // u64
  length: 24, // u32
  SIZE: 28,
} as const;

/** Simple reply, 16 bytes, then the data of a read. Spec: "Simple reply message". */
export const SIMPLE_REPLY = {
  magic: 0, //   u32  0x67446698
  error: 4, //   u32
  cookie: 8, //  u64
  SIZE: 16,
} as const;

/** Header of one chunk of a structured reply, 20 bytes, then `length` bytes. Spec: "Structured reply chunk message". */
export const CHUNK = {
  magic: 0, //   u32  0x668e33ef
  flags: 4, //   u16
  type: 6, //    u16
  cookie: 8, //  u64
  length: 16, // u32
  SIZE: 20,
} as const;

export const NBD_MAGIC: Buffer = Buffer.from('NBDMAGIC', 'latin1');
export const OPTION_MAGIC: Buffer = Buffer.from('IHAVEOPT', 'latin1');
export const OPTION_REPLY_MAGIC: Buffer = Buffer.from('0003e889045565a9', 'hex');
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const CHUNK_MAGIC = 0x668e33ef;

/** Spec: "Handshake flags" (server) and "Client flags" use the same two bits. */
export const HANDSHAKE_FLAG = { fixedNewstyle: 1, noZeroes: 2 } as const;

/** Spec: "Option types". */
export const OPT = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

/** Spec: "Option reply types". An error has the top bit set. */
export const REP = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errUnsupported: 0x8000_0001,
  errPolicy: 0x8000_0002,
  errInvalid: 0x8000_0003,
  errTlsRequired: 0x8000_0005,
  errUnknown: 0x8000_0006,
  errShutdown: 0x8000_0007,
  errTooBig: 0x8000_0009,
} as const;

/** Spec: "NBD_OPT_INFO and NBD_OPT_GO", information types. */
export const INFO = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

/** Spec: "Transmission flags". */
export const EXPORT_FLAG = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  rotational: 16,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultiConn: 256,
  sendCache: 1024,
  sendFastZero: 2048,
} as const;

/** Spec: "Request types". */
export const CMD = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

/** Spec: "Command flags". */
export const CMD_FLAG = { fua: 1, noHole: 2, df: 4, reqOne: 8, fastZero: 16 } as const;

/** Spec: "Structured reply types" and "Structured reply flags". An error type has the top bit set. */
export const CHUNK_TYPE = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const;
export const CHUNK_DONE = 1;

/** Spec: "Error values". */
export const ERRNO = {
  ok: 0,
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

/** Flags of `base:allocation`. Spec: "NBD_CMD_BLOCK_STATUS", "base:allocation metadata context". */
export const STATE = { hole: 1, zero: 2 } as const;
/** Flag of `oriel:changed:<snapshot>`: the run was written after the snapshot. */
export const CHANGED = 1;

/** The context every NBD client knows. */
export const BASE_ALLOCATION = 'base:allocation';
/** Prefix of the contexts that tell what changed since a snapshot; the rest is the name of the snapshot. */
export const CHANGED_PREFIX = 'oriel:changed:';

const TWO_32 = 0x1_0000_0000;

// Numbers are put together byte by byte: a request and its reply have some fifteen of them, and Buffer's own methods take
// five to ten times as long (35 ns to 5, Node 20). The caller has checked that the bytes are there.

export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return ((readU16(bytes, at) << 16) | readU16(bytes, at + 2)) >>> 0;
}

export function writeU16(bytes: Uint8Array, value: number, at: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeU32(bytes: Uint8Array, value: number, at: number): void {
  writeU16(bytes, value >>> 16, at);
  writeU16(bytes, value & 0xffff, at + 2);
}

/** Reads a u64 as a number, without BigInt. Values above 2^53 come out inexact, and are beyond every bound we check. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * TWO_32 + readU32(bytes, at + 4);
}

/** Writes a number below 2^53 as a u64, without BigInt. */
export function writeU64(bytes: Uint8Array, value: number, at: number): void {
  writeU32(bytes, Math.floor(value / TWO_32), at);
  writeU32(bytes, value % TWO_32, at + 4);
}
