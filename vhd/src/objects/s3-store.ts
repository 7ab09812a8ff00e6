/**
 * Objects in a bucket of an S3 server: Amazon's, or one that speaks like it. A put is one request or a multipart upload, so
 * that an object is there whole or not at all; what was begun and never finished is found by `sweep`.
 *
 * A bucket with object lock keeps, in mode COMPLIANCE, what is put with `keptUntil`: no key of it, the owner's neither, can
 * take it away before. Such a bucket has versions: what replaces an object, or hides it, leaves the one that is kept.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type {
  DeleteMarkerEntry,
  GetObjectCommandOutput,
  ListMultipartUploadsCommandOutput,
  ListObjectVersionsCommandOutput,
  S3,
} from '@aws-sdk/client-s3';
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';
import { type ObjectInfo, type ObjectStore, type PutOptions, requireKey } from './object-store.ts';
import { isMissing, nameOf, type S3Place, s3Error, statusOf } from './s3-errors.ts';
import { existing, upload } from './s3-upload.ts';

/** Times that a range is asked for when its bytes do not all arrive; requests that fail are repeated by the SDK. */
const GETS = 4;

/** What was found out about a bucket when it was opened. */
export interface BucketFacts {
  readonly place: S3Place;
  /** In front of every name: empty, or with a slash at its end. */
  readonly prefix: string;
  /** Deleting an object leaves its versions. */
  readonly isVersioned: boolean;
  /** It has object lock. */
  readonly isKeeping: boolean;
  /** Of a put with `isNew`; see `ObjectStore`. */
  readonly settleMs: number;
}

/** One version of an object, or a mark that it was deleted. */
interface Version {
  readonly id: string;
  readonly isMark: boolean;
}

export class S3Store implements ObjectStore {
  readonly name: string;
  readonly folder = undefined;
  readonly isKeeping: boolean;
  readonly settleMs: number;
  readonly #s3: S3;
  readonly #place: S3Place;
  readonly #prefix: string;
  readonly #isVersioned: boolean;
  readonly #conditions = { areKnown: true };

  constructor(s3: S3, { place, prefix, isVersioned, isKeeping, settleMs }: BucketFacts) {
    this.#s3 = s3;
    this.#place = place;
    this.#prefix = prefix;
    this.#isVersioned = isVersioned;
    this.name = place.name;
    this.isKeeping = isKeeping;
    this.settleMs = settleMs;
  }

  async put(key: string, parts: Iterable<Part> | AsyncIterable<Part>, options: PutOptions = {}): Promise<void> {
    const name = `${requireKey(key)} in ${this.name}`;
    // Also where the server would say so: before the data was sent, not after.
    if (options.isNew === true && (await this.stat(key)) !== undefined) throw existing(name);
    const target = {
      s3: this.#s3,
      bucket: this.#place.bucket,
      key: this.#prefix + key,
      name,
      isKeeping: this.isKeeping,
      conditions: this.#conditions,
      guard: <T>(action: () => Promise<T>) => this.#guard(`store ${key}`, action),
    };
    await upload(target, parts, options);
  }

  async get(key: string, offset: number, length: number): Promise<Uint8Array> {
    const name = `${requireKey(key)} in ${this.name}`;
    if (length === 0) return new Uint8Array(0); // A range of no bytes cannot be asked for.
    const Range = `bytes=${offset}-${offset + length - 1}`;
    for (let attempt = 1; ; attempt++) {
      const bytes = await this.#guard(`read ${key}`, async () => {
        const answer = await this.#ask(key, Range, name);
        if (answer.ContentLength !== length) throw short(name, offset, length);
        return this.#bytesOf(answer, length, attempt);
      });
      if (bytes !== undefined) return bytes;
      await delay(100 * 2 ** attempt);
    }
  }

  async stat(key: string): Promise<ObjectInfo | undefined> {
    const { Bucket, Key } = this.#address(key);
    return this.#guard(`look at ${key}`, async () => {
      try {
        const { ContentLength, LastModified } = await this.#s3.headObject({ Bucket, Key });
        return this.#info(key, ContentLength, LastModified);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    let token: string | undefined;
    do {
      const page = await this.#guard('list what is', () =>
        this.#s3.listObjectsV2({
          Bucket: this.#place.bucket,
          Prefix: this.#prefix + prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const { Key = '', Size, LastModified } of page.Contents ?? []) {
        const key = Key.slice(this.#prefix.length);
        // What ends in a slash stands for a folder in the tools that made it.
        if (key !== '' && !key.endsWith('/')) yield this.#info(key, Size, LastModified);
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async remove(key: string): Promise<void> {
    const address = this.#address(key);
    await this.#guard(`remove ${key}`, async () => {
      if (this.#isVersioned) await this.#removeVersions(key);
      else await this.#s3.deleteObject(address);
    });
  }

  async sweep(before: Date): Promise<number> {
    return this.#guard('remove what was never finished', async () => {
      let bytes = 0;
      for await (const { key, id, begunAt } of this.#uploads()) {
        const upload = { Bucket: this.#place.bucket, Key: key, UploadId: id };
        const found = await this.#partsOf(upload);
        if (before <= begunAt || before <= found.touchedAt) continue;
        await ignoring('NoSuchUpload', this.#s3.abortMultipartUpload(upload));
        bytes += found.bytes;
      }
      return bytes;
    });
  }

  async close(): Promise<void> {
    this.#s3.destroy();
  }

  async #ask(key: string, Range: string, name: string): Promise<GetObjectCommandOutput> {
    try {
      return await this.#s3.getObject({ ...this.#address(key), Range });
    } catch (error) {
      if (statusOf(error) === 416) throw new VhdError('IO', `${name} ends before ${Range.slice('bytes='.length)}`);
      if (isMissing(error)) throw new VhdError('NOT_FOUND', `${this.name} has no ${key}`);
      throw error;
    }
  }

  /** `undefined` where they did not all arrive and are to be asked for again. */
  async #bytesOf({ Body }: GetObjectCommandOutput, length: number, attempt: number): Promise<Uint8Array | undefined> {
    try {
      const bytes = await Body?.transformToByteArray();
      if (bytes?.byteLength === length) return bytes;
    } catch (error) {
      if (GETS <= attempt) throw error;
    }
    if (GETS <= attempt) throw new VhdError('IO', `${this.#place.server} breaks off while it sends`);
    return undefined;
  }

  /**
   * All versions, the oldest first, so that none of them comes back as the object. Where older ones are kept, a mark hides
   * them, and the life cycle of the bucket has to take them away when their time is over.
   */
  async #removeVersions(key: string): Promise<void> {
    const address = this.#address(key);
    const [current, ...older] = await this.#versions(address.Key);
    if (current === undefined) return;
    const isThere = !current.isMark;
    const until = isThere && this.isKeeping ? await this.#keptUntil(address, current.id) : undefined;
    if (until !== undefined)
      throw new VhdError('SEALED', `${key} in ${this.name} has to be kept until ${until.toISOString()}`);
    let isLeft = false;
    for (const { id } of older.reverse()) {
      try {
        await this.#s3.deleteObject({ ...address, VersionId: id });
      } catch (error) {
        if ((await this.#keptUntil(address, id)) === undefined) throw error;
        isLeft = true;
      }
    }
    if (isLeft && isThere) await this.#s3.deleteObject(address);
    if (isThere || !isLeft) await this.#s3.deleteObject({ ...address, VersionId: current.id });
  }

  /** Newest first. */
  async #versions(key: string): Promise<readonly Version[]> {
    const found: (Version & { readonly at: number })[] = [];
    let marker: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const page: ListObjectVersionsCommandOutput = await this.#s3.listObjectVersions({
        Bucket: this.#place.bucket,
        Prefix: key,
        ...marker,
      });
      const add = (isMark: boolean, one: DeleteMarkerEntry): void => {
        const at = one.IsLatest === true ? Infinity : (one.LastModified?.getTime() ?? 0);
        if (one.Key === key && one.VersionId !== undefined) found.push({ id: one.VersionId, isMark, at });
      };
      for (const one of page.Versions ?? []) add(false, one);
      for (const one of page.DeleteMarkers ?? []) add(true, one);
      const isLast = page.IsTruncated !== true || key < (page.NextKeyMarker ?? key);
      marker = isLast ? undefined : markerOf(page.NextKeyMarker, page.NextVersionIdMarker);
    }
    return found.sort((a, b) => b.at - a.at);
  }

  /** Until when a version is kept; `undefined` where it is not any more, or nobody may know. */
  async #keptUntil(address: { Bucket: string; Key: string }, VersionId: string): Promise<Date | undefined> {
    try {
      const { ObjectLockRetainUntilDate: until } = await this.#s3.headObject({ ...address, VersionId });
      return until !== undefined && Date.now() < until.getTime() ? until : undefined;
    } catch {
      return undefined;
    }
  }

  async *#uploads(): AsyncGenerator<{ readonly key: string; readonly id: string; readonly begunAt: Date }> {
    let marker: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {};
    while (marker !== undefined) {
      const page: ListMultipartUploadsCommandOutput = await this.#s3.listMultipartUploads({
        Bucket: this.#place.bucket,
        Prefix: this.#prefix,
        ...marker,
      });
      for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
        if (Key !== undefined && UploadId !== undefined && Initiated !== undefined)
          yield { key: Key, id: UploadId, begunAt: Initiated };
      marker =
        page.IsTruncated === true
          ? { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' }
          : undefined;
    }
  }

  /** An upload that is long under way was begun long ago: its newest part says whether somebody is at work. */
  async #partsOf(upload: {
    Bucket: string;
    Key: string;
    UploadId: string;
  }): Promise<{ touchedAt: Date; bytes: number }> {
    let touchedAt = new Date(0);
    let bytes = 0;
    let marker: string | undefined;
    do {
      const page = await ignoring(
        'NoSuchUpload',
        this.#s3.listParts({ ...upload, ...(marker === undefined ? {} : { PartNumberMarker: marker }) }),
      );
      for (const { LastModified, Size } of page?.Parts ?? []) {
        if (LastModified !== undefined && touchedAt < LastModified) touchedAt = LastModified;
        bytes += Size ?? 0;
      }
      marker = page?.IsTruncated === true ? page.NextPartNumberMarker : undefined;
    } while (marker !== undefined);
    return { touchedAt, bytes };
  }

  #address(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.bucket, Key: this.#prefix + requireKey(key) };
  }

  #info(key: string, size: number | undefined, modifiedAt: Date | undefined): ObjectInfo {
    if (size === undefined || modifiedAt === undefined)
      throw new VhdError('IO', `${this.#place.server} does not say how large ${key} is, or from when`);
    return { key, sizeBytes: size, storedBytes: size, modifiedAt };
  }

  async #guard<T>(doing: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw s3Error(doing, error, this.#place);
    }
  }
}

const markerOf = (KeyMarker = '', VersionIdMarker = ''): { KeyMarker: string; VersionIdMarker: string } => ({
  KeyMarker,
  VersionIdMarker,
});

const short = (name: string, offset: number, length: number): VhdError =>
  new VhdError('IO', `${name} does not have ${length} bytes at ${offset}`);

/** The answer, or nothing where it is this error. */
async function ignoring<T>(name: string, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (nameOf(error) === name) return undefined;
    throw error;
  }
}
