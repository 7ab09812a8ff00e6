/**
 * Putting one object into a bucket, whole or not at all, with as much memory as a few parts of it take. What fits into one
 * part is one request; anything else is a multipart upload, which becomes an object with its last request.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { S3 } from '@aws-sdk/client-s3';
import { throwIfCancelled } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';
import type { PutOptions } from './object-store.ts';
import { isMissing, nameOf, statusOf } from './s3-errors.ts';

const MIB = 1 << 20;
/** S3 takes no smaller part than 5 MiB but for the last. */
const LEAST_PART_BYTES = 8 * MIB;
/** S3 takes 10,000 parts; some servers are set to 1,000 (`max_upload_part_num` of Swift). */
const FEW_PARTS = 900;
const MANY_PARTS = 9_000;
/** BOUNDED: parts that are kept in memory, about; one is filled, one held back, the others are on their way. */
const BUFFERED_BYTES = 64 * MIB;
const MAX_SENDING = 4;
/** Which put an object came from: what tells a put whose answer was lost from somebody else's. */
const TOKEN = 'oriel-put';

/** Where the object goes. */
export interface Target {
  readonly s3: S3;
  readonly bucket: string;
  readonly key: string;
  /** For messages. */
  readonly name: string;
  /** The bucket keeps what it is told to keep. */
  readonly isKeeping: boolean;
  /** Whether the server takes `If-None-Match`; set to false here when it says that it does not. */
  readonly conditions: { areKnown: boolean };
  /** Runs requests; their errors come as ours. */
  readonly guard: <T>(action: () => Promise<T>) => Promise<T>;
}

/** Errors: EXISTS, CANCELLED, those of `parts` as they come, and those of the server. Nothing is there then. */
export async function upload(
  target: Target,
  parts: Iterable<Part> | AsyncIterable<Part>,
  options: PutOptions,
): Promise<void> {
  const { lengthBytes, atMostBytes = lengthBytes, signal } = options;
  const { guard } = target;
  const put = new Put(target, options, firstPartBytes(atMostBytes ?? 0));
  let held: Buffer | undefined;
  try {
    for await (const chunk of chunksOf(parts, put.partBytes, atMostBytes !== undefined, lengthBytes)) {
      throwIfCancelled(signal);
      const full = held;
      held = chunk;
      if (full !== undefined) await guard(() => put.send(full));
    }
    const last = held ?? Buffer.alloc(0);
    await guard(() => put.finish(last));
  } catch (error) {
    await put.abort();
    throwIfCancelled(signal);
    throw error;
  }
}

/** The size of parts for an object of at most `bytes`: few where that is possible, and never too many. */
export function firstPartBytes(bytes: number): number {
  const some = Math.min(2 * LEAST_PART_BYTES, Math.ceil(bytes / FEW_PARTS));
  return Math.max(LEAST_PART_BYTES, Math.ceil(Math.max(some, bytes / MANY_PARTS) / MIB) * MIB);
}

/** All bytes of the object in stretches of that size; where nobody knows how many there will be, they grow. */
async function* chunksOf(
  parts: Iterable<Part> | AsyncIterable<Part>,
  firstBytes: number,
  isSizeKnown: boolean,
  lengthBytes = 0,
): AsyncGenerator<Buffer> {
  let count = 0;
  const next = (): Buffer => {
    const doublings = isSizeKnown ? 0 : Math.floor(count++ / FEW_PARTS);
    return Buffer.allocUnsafeSlow(firstBytes * 2 ** doublings);
  };
  let chunk = next();
  let filled = 0;
  let at = 0;
  const add = function* (length: number, bytes?: Uint8Array): Generator<Buffer> {
    for (let from = 0; from < length; ) {
      if (filled === chunk.byteLength) {
        yield chunk;
        chunk = next();
        filled = 0;
      }
      const step = Math.min(length - from, chunk.byteLength - filled);
      if (bytes === undefined) chunk.fill(0, filled, filled + step);
      else chunk.set(bytes.subarray(from, from + step), filled);
      from += step;
      filled += step;
      at += step;
    }
  };
  for await (const { offset, bytes } of parts) {
    if (offset < at) throw new VhdError('USAGE', `a part at ${offset} comes after one that ended at ${at}`);
    yield* add(offset - at);
    yield* add(bytes.byteLength, bytes);
  }
  yield* add(Math.max(0, lengthBytes - at));
  yield chunk.subarray(0, filled);
}

/** One put: begun as a multipart upload when a second part is there. */
class Put {
  readonly partBytes: number;
  readonly #target: Target;
  readonly #options: PutOptions;
  readonly #token = randomUUID();
  readonly #maxSending: number;
  readonly #etags: (string | undefined)[] = [];
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #sending: Promise<void>[] = [];
  #uploadId: string | undefined;

  constructor(target: Target, options: PutOptions, partBytes: number) {
    this.#target = target;
    this.#options = options;
    this.partBytes = partBytes;
    this.#maxSending = Math.max(1, Math.min(MAX_SENDING, Math.floor(BUFFERED_BYTES / partBytes) - 2));
    const { signal } = options;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Sends a part; settles when there is room for another. */
  async send(body: Buffer): Promise<void> {
    const { s3 } = this.#target;
    if (this.#uploadId === undefined) {
      const begun = await s3.createMultipartUpload({ ...this.#address, ...this.#facts }, this.#call);
      if (begun.UploadId === undefined)
        throw new VhdError('IO', `${this.#target.name} began an upload without a name for it`);
      this.#uploadId = begun.UploadId;
    }
    const sending = this.#sendPart(this.#uploadId, this.#etags.push(undefined), body);
    sending.catch(() => undefined); // Told by the await of its turn.
    this.#sending.push(sending);
    if (this.#maxSending <= this.#sending.length) await this.#sending.shift();
  }

  /** Sends the last part; then the object is there. */
  async finish(last: Buffer): Promise<void> {
    if (this.#uploadId === undefined) return this.#asNew((condition) => this.#putWhole(last, condition));
    await this.send(last);
    await Promise.all(this.#sending);
    await this.#asNew((condition) => this.#complete(condition));
    this.#uploadId = undefined;
  }

  /** Nothing of it stays. What cannot be reached any more is left to `sweep`. */
  async abort(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#sending);
    if (this.#uploadId === undefined) return;
    const upload = { ...this.#address, UploadId: this.#uploadId };
    await this.#target.s3.abortMultipartUpload(upload).catch(() => undefined);
  }

  async #sendPart(uploadId: string, number: number, body: Buffer): Promise<void> {
    const part = { ...this.#address, UploadId: uploadId, PartNumber: number, Body: body, ContentMD5: md5(body) };
    const { ETag } = await this.#target.s3.uploadPart(part, this.#call);
    this.#etags[number - 1] = ETag;
  }

  async #putWhole(body: Buffer, condition: Condition): Promise<void> {
    const object = { ...this.#address, ...this.#facts, Body: body, ContentMD5: md5(body) };
    await this.#target.s3.putObject({ ...object, ...condition }, this.#call);
  }

  async #complete(condition: Condition): Promise<void> {
    const Parts = this.#etags.map((ETag, i) => ({ PartNumber: i + 1, ETag }));
    const upload = { ...this.#address, UploadId: this.#uploadId, MultipartUpload: { Parts } };
    await this.#target.s3.completeMultipartUpload({ ...upload, ...condition }, this.#call);
  }

  /**
   * The request that makes the object. Servers that know `If-None-Match` decide themselves whose it is; of others it was
   * asked before whether the name is free, and is asked afterwards whose object has it.
   */
  async #asNew(make: (condition: Condition) => Promise<void>): Promise<void> {
    const { conditions, name } = this.#target;
    const isNew = this.#options.isNew === true;
    const isConditional = isNew && conditions.areKnown;
    try {
      await make(isConditional ? { IfNoneMatch: '*' } : {});
    } catch (error) {
      if (isConditional && nameOf(error) === 'NotImplemented') {
        conditions.areKnown = false;
        return this.#asNew(make);
      }
      // A request is repeated when its answer was lost: then it meets what the first one made.
      const isInDoubt = nameOf(error) === 'NoSuchUpload' || [409, 412].includes(statusOf(error) ?? 0);
      const owner = isInDoubt ? await this.#owner() : undefined;
      if (owner === this.#token) return;
      if (owner !== undefined && isNew) throw existing(name);
      throw error;
    }
    if (isNew && !conditions.areKnown && (await this.#owner()) !== this.#token) throw existing(name);
  }

  /** Whose put made the object; `undefined` where there is none, empty where nobody says. */
  async #owner(): Promise<string | undefined> {
    try {
      const { Metadata } = await this.#target.s3.headObject(this.#address);
      return Metadata?.[TOKEN] ?? '';
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  get #address(): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#target.bucket, Key: this.#target.key };
  }

  get #call(): { readonly abortSignal: AbortSignal } {
    return { abortSignal: this.#signal };
  }

  get #facts(): Facts {
    const { keptUntil } = this.#options;
    const facts = { ContentType: 'application/octet-stream', Metadata: { [TOKEN]: this.#token } };
    if (!this.#target.isKeeping || keptUntil === undefined || keptUntil.getTime() <= Date.now()) return facts;
    return { ...facts, ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: keptUntil };
  }
}

type Condition = { readonly IfNoneMatch?: string };

interface Facts {
  readonly ContentType: string;
  readonly Metadata: Record<string, string>;
  readonly ObjectLockMode?: 'COMPLIANCE';
  readonly ObjectLockRetainUntilDate?: Date;
}

export const existing = (name: string): VhdError => new VhdError('EXISTS', `${name} is there already`);

/** Every S3 server checks it, also those that know no newer sum; buckets with object lock ask for it. */
const md5 = (body: Buffer): string => createHash('md5').update(body).digest('base64');
