/**
 * What is done to bytes before they are stored: compressed with zstd, encrypted with AES-256-GCM, or neither. Each piece
 * stands for itself, so that any of them can be read alone. Layout: docs/design/repository.md, "Pieces".
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { VhdError } from '../errors.ts';

export const COMPRESSIONS = ['none', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** How hard zstd tries: what restic takes by default as well. */
const ZSTD_LEVEL = 3;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 16;
/** In front of every piece: 0 as it is, 1 compressed. */
const STORED = { plain: 0, zstd: 1 } as const;

let zstd: Promise<typeof import('@mongodb-js/zstd')> | undefined;
/** Loaded where it is needed: it is native code. */
const loadZstd = (): Promise<typeof import('@mongodb-js/zstd')> => (zstd ??= import('@mongodb-js/zstd'));

/** At once: a hop to another thread would copy the bytes, and take as long as half of it. */
export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** Pieces of one object. */
export class Sealing {
  readonly #compression: Compression;
  readonly #key: Buffer | undefined;

  /** `salt` is the object's own: two objects never share a key, so a number is enough to tell the nonces of one apart. */
  constructor(compression: Compression, dataKey: Uint8Array | undefined, salt: string, purpose: 'data' | 'index') {
    this.#compression = compression;
    this.#key =
      dataKey === undefined
        ? undefined
        : Buffer.from(hkdfSync('sha256', dataKey, Buffer.from(salt, 'hex'), `oriel restore point ${purpose}`, 32));
  }

  /** `number` is the place of the piece in the object; none is used twice. */
  async seal(bytes: Uint8Array, number: number): Promise<Uint8Array> {
    const packed = await this.#pack(bytes);
    if (this.#key === undefined) return packed;
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce(number));
    return Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
  }

  /** Errors: DAMAGED where it is not what was sealed, or not `length` bytes. */
  async open(stored: Uint8Array, number: number, length: number, name: string): Promise<Uint8Array> {
    const packed = this.#key === undefined ? Buffer.from(stored) : decrypt(stored, this.#key, number, name);
    const how = packed[0];
    const body = packed.subarray(1);
    if (how === STORED.plain && body.byteLength === length) return body;
    if (how === STORED.zstd && fits(body, length)) {
      const bytes = await (await loadZstd()).decompress(body).catch((cause: unknown) => {
        throw new VhdError('DAMAGED', `${name} cannot be unpacked`, { cause });
      });
      if (bytes.byteLength === length) return bytes;
    }
    throw new VhdError('DAMAGED', `${name} is not a piece of ${length} bytes`);
  }

  async #pack(bytes: Uint8Array): Promise<Buffer> {
    const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#compression === 'zstd') {
      const body = await (await loadZstd()).compress(given, ZSTD_LEVEL);
      if (body.byteLength < given.byteLength) return Buffer.concat([Buffer.of(STORED.zstd), body]);
    }
    return Buffer.concat([Buffer.of(STORED.plain), given]);
  }
}

export const newSalt = (): string => randomBytes(SALT_BYTES).toString('hex');

/** Bytes of any size under a key, with a nonce of their own; `context` has to be the same when they are opened. */
export function sealAlone(bytes: Uint8Array, key: Uint8Array, context: string): Uint8Array {
  const iv = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}

/** `undefined` where key, context or bytes are not those that were sealed. */
export function openAlone(sealed: Uint8Array, key: Uint8Array, context: string): Buffer | undefined {
  if (sealed.byteLength < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(NONCE_BYTES, sealed.byteLength - TAG_BYTES)),
      decipher.final(),
    ]);
  } catch {
    return undefined;
  }
}

function decrypt(stored: Uint8Array, key: Buffer, number: number, name: string): Buffer {
  const end = stored.byteLength - TAG_BYTES;
  if (end < 1) throw new VhdError('DAMAGED', `${name} is too short`);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(number));
  decipher.setAuthTag(stored.subarray(end));
  try {
    return Buffer.concat([decipher.update(stored.subarray(0, end)), decipher.final()]);
  } catch (cause) {
    throw new VhdError('DAMAGED', `${name} is not what was stored`, { cause });
  }
}

function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(NONCE_BYTES);
  bytes.writeUInt32BE(Math.floor(number / 2 ** 32), 4);
  bytes.writeUInt32BE(number % 2 ** 32, 8);
  return bytes;
}

/** Content of one block of a zstd frame, at most. RFC 8878, 3.1.1.2.3. */
const ZSTD_BLOCK_BYTES = 131_072;

/**
 * True for one whole zstd frame that holds no more than `length` bytes and a part of a block. Asked before it is
 * unpacked, so that a few bytes cannot become a gigabyte. RFC 8878, 3.1.1.
 */
function fits(frame: Buffer, length: number): boolean {
  if (frame.byteLength < 9 || frame.readUInt32LE(0) !== 0xfd2fb528) return false;
  const descriptor = frame[4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = 5 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) + sizeBytes;
  const most = Math.ceil(length / ZSTD_BLOCK_BYTES) + 1;
  for (let blocks = 1; blocks <= most && at + 3 <= frame.byteLength; blocks++) {
    const header = frame.readUIntLE(at, 3);
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
    if ((header & 1) !== 0) return at + ((descriptor & 4) === 0 ? 0 : 4) === frame.byteLength;
  }
  return false;
}
