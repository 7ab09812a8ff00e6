/**
 * A place for whole objects under names: a folder, or a bucket of an S3 server. An object appears whole or not at all,
 * is never changed, and can be read at any place. What is kept there must be readable without Oriel, so a name is a path.
 */
import { VhdError } from '../errors.ts';
import type { Part } from '../image/patch.ts';

/** What is known of an object without reading it. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** What it takes in the store: less than its size where the store leaves out zeros. */
  readonly storedBytes: number;
  /** By the clock of the store. */
  readonly modifiedAt: Date;
}

export interface PutOptions {
  /** Length in bytes: what no part covers is zeros. Up to the end of the last part when left out. */
  readonly lengthBytes?: number;
  /** About how long it gets at most, where the length is not known: a store that sends it in parts plans them by it. */
  readonly atMostBytes?: number;
  /** Fails with EXISTS where there is an object of that name. Else that one is replaced. */
  readonly isNew?: boolean;
  /** Until then nobody may remove or replace it. A store with `isKeeping` enforces it. */
  readonly keptUntil?: Date;
  readonly signal?: AbortSignal;
}

/** Errors of all: IO, CANCELLED, and USAGE for a name that is none. */
export interface ObjectStore {
  /** For messages: a path, or `s3://bucket/prefix`. */
  readonly name: string;
  /** The folder that the keys are paths in, where there is one. */
  readonly folder: string | undefined;
  /** What has a `keptUntil` is kept by the store itself, against whoever holds its keys. */
  readonly isKeeping: boolean;
  /** In ms: how long after a put with `isNew` another that began with it may still take its place. 0: the store decides at once. */
  readonly settleMs: number;
  /** Stores what comes, in ascending order. Errors: EXISTS, NO_SPACE, READ_ONLY, and those of `parts`: then nothing is there. */
  put(key: string, parts: Iterable<Part> | AsyncIterable<Part>, options?: PutOptions): Promise<void>;
  /** The bytes of a range. Errors: NOT_FOUND; IO where the object ends before. */
  get(key: string, offset: number, length: number): Promise<Uint8Array>;
  /** `undefined` where there is none. */
  stat(key: string): Promise<ObjectInfo | undefined>;
  /** All whose names start with `prefix`, in the order of their names. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Nothing happens where there is none. Errors: SEALED while it has to be kept. */
  remove(key: string): Promise<void>;
  /** Gives an object another name in place of what had it, in one step, and that time. Only where there is a folder. */
  rename?(from: string, to: string, modifiedAt: Date): Promise<void>;
  /** Removes what was begun, never became an object, and has not been touched since. Returns its bytes. */
  sweep(before: Date): Promise<number>;
  close(): Promise<void>;
}

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** Errors: USAGE. */
export function requireKey(key: string): string {
  if (!KEY.test(key) || 512 < key.length)
    throw new VhdError('USAGE', `not a name of an object: ${JSON.stringify(key)}`);
  return key;
}

/** Reads a small object whole. Errors: NOT_FOUND, TOO_LARGE, IO. */
export async function getWhole(store: ObjectStore, key: string, limitBytes: number): Promise<Uint8Array> {
  const info = await store.stat(key);
  if (info === undefined) throw new VhdError('NOT_FOUND', `${store.name} has no ${key}`);
  if (limitBytes < info.sizeBytes)
    throw new VhdError('TOO_LARGE', `${key} in ${store.name} has ${info.sizeBytes} bytes, at most ${limitBytes}`);
  return store.get(key, 0, info.sizeBytes);
}

/** A small object as the parts that `put` takes. */
export const whole = (bytes: Uint8Array): readonly Part[] => [{ offset: 0, bytes }];
