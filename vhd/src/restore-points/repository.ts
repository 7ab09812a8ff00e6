/**
 * A repository: where restore points are kept. Several gateways may share one; nothing in it is ever changed in place, a
 * restore point is there when its manifest is, and what belongs to none is rubbish that `sweep` finds. Layout:
 * docs/design/repository.md.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isVhdError, VhdError } from '../errors.ts';
import { getWhole, type ObjectInfo, type ObjectStore, whole } from '../objects/object-store.ts';
import { newKey, openKey, WrappedKey } from './keys.ts';
import { decodeManifest, encodeManifest, MANIFEST_LIMIT_BYTES, type Manifest } from './manifest.ts';
import { COMPRESSIONS, type Compression, openAlone, sealAlone } from './sealing.ts';

/** The object that makes a place a repository. */
export const CONFIG_KEY = 'oriel-repository.json';
export const REPOSITORY_VERSION = 1;
const CONFIG_LIMIT_BYTES = 65_536;
/** In front of a manifest that is encrypted. */
const SEALED_MAGIC = 'ORIELMX1';
const MANIFEST = 'manifest.json';

export interface RepositoryConfig {
  readonly oriel: 'repository';
  readonly version: number;
  readonly id: string;
  readonly createdAt: string;
  /** How new restore points are stored. */
  readonly form: 'vhd' | 'container';
  readonly compression: Compression;
  /** `null` where it is not encrypted. */
  readonly key: WrappedKey | null;
}

const Config: z.ZodType<RepositoryConfig> = z.object({
  oriel: z.literal('repository'),
  version: z.int(),
  id: z.guid(),
  createdAt: z.iso.datetime(),
  form: z.enum(['vhd', 'container']),
  compression: z.enum(COMPRESSIONS),
  key: z.nullable(WrappedKey),
});

export interface NewRepositoryOptions {
  /** Plain VHDs that any tool opens where they lie, or their pieces in a container, which alone can be compressed or encrypted. */
  readonly form?: 'vhd' | 'container';
  readonly compression?: Compression;
  /** The passphrase or the bytes of the key file; not encrypted when left out. */
  readonly secret?: Uint8Array;
  /** What has to be kept until a time is kept by the store itself, also against whoever has its keys: a bucket with object lock. */
  readonly isLocked?: boolean;
}

/** A restore point by its name. */
export interface PointRef {
  readonly vmId: string;
  readonly pointId: string;
}

/**
 * Makes a repository in an empty place. Errors: EXISTS, NOT_EMPTY, USAGE; UNSUPPORTED where it is to be locked and the store
 * cannot; those of the store.
 */
export async function createRepository(store: ObjectStore, options: NewRepositoryOptions = {}): Promise<Repository> {
  const { secret, compression = 'none' } = options;
  const needsContainer = secret !== undefined || compression !== 'none';
  const form = options.form ?? (needsContainer || store.folder === undefined ? 'container' : 'vhd');
  if (form === 'vhd' && needsContainer)
    throw new VhdError(
      'USAGE',
      'a VHD that any tool can open is neither compressed nor encrypted: choose form container',
    );
  if (options.isLocked === true && !store.isKeeping)
    throw new VhdError(
      'UNSUPPORTED',
      `${store.name} cannot keep restore points against whoever has its keys: choose a bucket that was made with object lock`,
    );
  for await (const { key } of store.list(''))
    throw key === CONFIG_KEY
      ? new VhdError('EXISTS', `${store.name} is a repository already`)
      : new VhdError('NOT_EMPTY', `${store.name} holds ${key}: a repository begins in an empty place`);
  const made = secret === undefined ? undefined : await newKey(secret);
  const config: RepositoryConfig = {
    oriel: 'repository',
    version: REPOSITORY_VERSION,
    id: randomUUID(),
    createdAt: new Date().toISOString(),
    form,
    compression,
    key: made?.wrapped ?? null,
  };
  await store.put(CONFIG_KEY, whole(Buffer.from(`${JSON.stringify(config, null, 2)}\n`)), { isNew: true });
  // Two that make it at the same time: the one whose configuration stays has made it. With another's, data would be
  // encrypted with a key that nobody has.
  await delay(store.settleMs);
  if ((await readConfig(store)).id !== config.id)
    throw new VhdError('EXISTS', `${store.name} was made a repository by somebody else at the same time`);
  return new Repository(store, config, made?.key);
}

/** Errors: NOT_FOUND where the place is no repository; UNSUPPORTED, DAMAGED, WRONG_SECRET, USAGE without a secret that is needed. */
export async function openRepository(store: ObjectStore, secret?: Uint8Array): Promise<Repository> {
  const config = await readConfig(store);
  if (config.key === null) return new Repository(store, config, undefined);
  if (secret === undefined)
    throw new VhdError('USAGE', `${store.name} is encrypted: its passphrase or key file is needed`);
  return new Repository(store, config, await openKey(secret, config.key));
}

async function readConfig(store: ObjectStore): Promise<RepositoryConfig> {
  let bytes: Uint8Array;
  try {
    bytes = await getWhole(store, CONFIG_KEY, CONFIG_LIMIT_BYTES);
  } catch (error) {
    if (!isVhdError(error, 'NOT_FOUND')) throw error;
    throw new VhdError('NOT_FOUND', `${store.name} is no repository: it has no ${CONFIG_KEY}`, { cause: error });
  }
  const parsed = Config.safeParse(jsonOf(bytes));
  if (!parsed.success)
    throw new VhdError('DAMAGED', `${CONFIG_KEY} in ${store.name}: ${z.prettifyError(parsed.error)}`);
  if (REPOSITORY_VERSION < parsed.data.version)
    throw new VhdError(
      'UNSUPPORTED',
      `${store.name} has version ${parsed.data.version}, this Oriel knows ${REPOSITORY_VERSION}`,
    );
  return parsed.data;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** A name for a restore point: the instant, to be read and sorted by people, and chance. */
export function newPointId(at: Date): string {
  const time = at.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${time}-${randomBytes(4).toString('hex')}`;
}

export class Repository {
  readonly store: ObjectStore;
  readonly config: RepositoryConfig;
  /** Of its data; where it is not encrypted there is none. */
  readonly dataKey: Uint8Array | undefined;

  constructor(store: ObjectStore, config: RepositoryConfig, dataKey: Uint8Array | undefined) {
    this.store = store;
    this.config = config;
    this.dataKey = dataKey;
  }

  /** The object of a restore point. */
  keyOf({ vmId, pointId }: PointRef, object: string): string {
    return `points/${vmId}/${pointId}/${object}`;
  }

  /** The restore points of a VM or of all, oldest first for each VM. */
  async *points(vmId?: string): AsyncGenerator<PointRef> {
    const prefix = vmId === undefined ? 'points/' : `points/${vmId}/`;
    for await (const { key } of this.store.list(prefix)) {
      const [, vm, pointId, object, ...more] = key.split('/');
      if (object === MANIFEST && more.length === 0 && vm !== undefined && pointId !== undefined)
        yield { vmId: vm, pointId };
    }
  }

  /** Errors: NOT_FOUND, DAMAGED, UNSUPPORTED. */
  async manifest(point: PointRef): Promise<Manifest> {
    const key = this.keyOf(point, MANIFEST);
    const name = `${key} in ${this.store.name}`;
    const stored = await getWhole(this.store, key, MANIFEST_LIMIT_BYTES);
    const manifest = decodeManifest(this.#opened(stored, key, name), name);
    if (manifest.id !== point.pointId || manifest.vm.id !== point.vmId)
      throw new VhdError('DAMAGED', `${name} is that of ${manifest.vm.id}/${manifest.id}`);
    return manifest;
  }

  /** The restore point is there when this has settled. Errors: EXISTS, and those of the store. */
  async putManifest(manifest: Manifest, options: { readonly isReplacing?: boolean } = {}): Promise<void> {
    const key = this.keyOf({ vmId: manifest.vm.id, pointId: manifest.id }, MANIFEST);
    const plain = encodeManifest(manifest);
    const bytes =
      this.dataKey === undefined
        ? plain
        : Buffer.concat([Buffer.from(SEALED_MAGIC), sealAlone(plain, this.dataKey, key)]);
    const keptUntil = manifest.keptUntil === null ? {} : { keptUntil: new Date(manifest.keptUntil) };
    await this.store.put(key, whole(bytes), { isNew: options.isReplacing !== true, ...keptUntil });
  }

  /** All objects of a restore point. */
  objectsOf({ vmId, pointId }: PointRef): AsyncIterable<ObjectInfo> {
    return this.store.list(`points/${vmId}/${pointId}/`);
  }

  /**
   * Removes a restore point: its manifest first, so that what a kill leaves of it is rubbish. Nothing is asked: who calls
   * this knows that no other stands on it. Errors: SEALED while it has to be kept.
   */
  async removePoint(point: PointRef): Promise<void> {
    await this.store.remove(this.keyOf(point, MANIFEST));
    const rest: string[] = [];
    for await (const { key } of this.objectsOf(point)) rest.push(key);
    for (const key of rest) await this.store.remove(key);
  }

  close(): Promise<void> {
    return this.store.close();
  }

  #opened(stored: Uint8Array, key: string, name: string): Uint8Array {
    const isSealed = Buffer.from(stored.subarray(0, SEALED_MAGIC.length)).toString('latin1') === SEALED_MAGIC;
    if (this.dataKey === undefined) {
      if (isSealed) throw new VhdError('DAMAGED', `${name} is encrypted, the repository is not`);
      return stored;
    }
    // One that is not would let whoever can write to the store put in what they like.
    const opened = isSealed ? openAlone(stored.subarray(SEALED_MAGIC.length), this.dataKey, key) : undefined;
    if (opened === undefined) throw new VhdError('DAMAGED', `${name} was not written with the key of this repository`);
    return opened;
  }
}
