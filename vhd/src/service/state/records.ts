/**
 * What the service remembers of images and disks, a JSON file each beside the VHDs, so that a folder moved or restored
 * from a backup is whole. Layout: `images/<id>.vhd` and `.json`; `disks/<id>/disk.json` and the links of the disk.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { VhdError } from '../../errors.ts';
import { fileError } from '../../storage/file.ts';
import type { DiskRates } from '../control/api.ts';
import { checkId, isId, type Owner } from '../control/ids.ts';
import { readJson, syncFolder, writeJson } from './json-file.ts';

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  readonly kind: 'image' | 'template';
  readonly owner: Owner | null;
  readonly createdAt: string;
}

/** A sealed link that somebody wants to be able to name. */
export interface SnapshotRecord {
  readonly id: string;
  readonly name: string;
  /** File name in the disk's folder. */
  readonly file: string;
  readonly owner: Owner | null;
  /** Equal for the snapshots of several disks that are of one instant: what whoever asked called it, or the task's id. */
  readonly operationId: string | null;
  readonly createdAt: string;
}

export interface DiskRecord {
  readonly id: string;
  readonly name: string;
  readonly imageId: string | null;
  /** Absolute path of a VHD outside of the library that the disk is a clone of: a restore point. */
  readonly baseFile: string | null;
  /** File names in the disk's folder, oldest first; the last one is the leaf. */
  readonly links: readonly string[];
  readonly sizeBytes: number;
  /** Oldest first. */
  readonly snapshots: readonly SnapshotRecord[];
  /** The last lease that was given. ONE-WRITER: it only ever grows, so it is stored before it is given. */
  readonly lease: number;
  /** How the disk is served, kept so that a restarted service serves it again under the same address. */
  readonly open: OpenRecord | null;
  readonly rates: DiskRates;
  readonly owner: Owner | null;
  readonly createdAt: string;
}

export interface OpenRecord {
  readonly lease: number;
  readonly mode: 'write' | 'read';
  readonly exportName: string;
  readonly socketPath: string;
  /** The TCP port for other machines; absent where the disk is for this machine only. */
  readonly port?: number;
}

/** An id that tells people what it is of. */
export function idFrom(name: string): string {
  const slug = name
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 28);
  return `${slug === '' ? 'disk' : slug}-${randomBytes(4).toString('hex')}`;
}

/** Errors: NOT_FOUND. */
export function snapshotOf(record: DiskRecord, snapshotId: string): SnapshotRecord {
  const snapshot = record.snapshots.find(({ id }) => id === snapshotId);
  if (snapshot === undefined)
    throw new VhdError('NOT_FOUND', `disk ${record.id} has no snapshot ${JSON.stringify(snapshotId)}`);
  return snapshot;
}

/** The folders of a storage folder, and the records in them. */
export class Records {
  readonly imagesFolder: string;
  readonly disksFolder: string;
  readonly tasksFolder: string;
  readonly #images = new Map<string, ImageRecord>();
  readonly #disks = new Map<string, DiskRecord>();

  readonly #onDisk: (id: string) => void;

  /** `onDisk` hears of each disk whose record was changed or removed. Errors: READ_ONLY, IO. */
  constructor(storage: string, onDisk: (id: string) => void = () => undefined) {
    this.#onDisk = onDisk;
    this.imagesFolder = join(storage, 'images');
    this.disksFolder = join(storage, 'disks');
    this.tasksFolder = join(storage, 'tasks');
    changing(`cannot make the folders in ${storage}`, () => {
      for (const folder of [this.imagesFolder, this.disksFolder, this.tasksFolder])
        mkdirSync(folder, { recursive: true, mode: 0o700 });
    });
    for (const name of readdirSync(this.imagesFolder)) {
      if (!name.endsWith('.json')) continue;
      const record = readJson(join(this.imagesFolder, name)) as ImageRecord | undefined;
      if (record !== undefined && isId(record.id)) this.#images.set(record.id, { ...UNOWNED, ...record });
    }
    for (const id of readdirSync(this.disksFolder)) {
      const record = readJson(join(this.disksFolder, id, 'disk.json')) as DiskRecord | undefined;
      if (record !== undefined && record.id === id && isId(id)) this.#disks.set(id, upgraded(record));
    }
  }

  images(): readonly ImageRecord[] {
    return [...this.#images.values()];
  }

  disks(): readonly DiskRecord[] {
    return [...this.#disks.values()];
  }

  /** Errors: NOT_FOUND. */
  image(id: string): ImageRecord {
    const record = this.#images.get(id);
    if (record === undefined) throw new VhdError('NOT_FOUND', `no image ${JSON.stringify(id)}`);
    return record;
  }

  /** Errors: NOT_FOUND. */
  disk(id: string): DiskRecord {
    const record = this.#disks.get(id);
    if (record === undefined) throw new VhdError('NOT_FOUND', `no disk ${JSON.stringify(id)}`);
    return record;
  }

  imagePath(id: string): string {
    return join(this.imagesFolder, `${id}.vhd`);
  }

  diskFolder(id: string): string {
    return join(this.disksFolder, id);
  }

  /** The file of a link; of the leaf when left out. */
  diskPath(record: DiskRecord, file: string = record.links.at(-1) ?? ''): string {
    return join(this.disksFolder, record.id, file);
  }

  /** The file that the oldest link of a disk is a child of; `undefined` for a disk that stands alone. */
  basePath(record: DiskRecord): string | undefined {
    if (record.baseFile !== null) return record.baseFile;
    return record.imageId === null ? undefined : this.imagePath(record.imageId);
  }

  /** The folders in which a disk's parents may lie. */
  folders(record: DiskRecord): readonly string[] {
    const own = [this.diskFolder(record.id), this.imagesFolder];
    return record.baseFile === null ? own : [...own, dirname(record.baseFile)];
  }

  /** A name for another link of a disk: never one that was used before. */
  newLink(record: DiskRecord): string {
    const used = readdirSync(this.diskFolder(record.id)).map((name) => Number.parseInt(name, 10) || 0);
    const last = Math.max(0, ...used, ...record.links.map((name) => Number.parseInt(name, 10) || 0));
    return `${String(last + 1).padStart(4, '0')}.vhd`;
  }

  /** Errors: USAGE, EXISTS. */
  newImageId(wanted: string | undefined, name: string): string {
    const id = wanted === undefined ? idFrom(name) : checkId(wanted);
    if (this.#images.has(id) || existsSync(this.imagePath(id)))
      throw new VhdError('EXISTS', `image ${id} is there already`);
    return id;
  }

  /** Makes the folder of a new disk. Errors: USAGE, EXISTS, NO_SPACE, READ_ONLY, IO. */
  newDiskId(wanted: string | undefined, name: string): string {
    const id = wanted === undefined ? idFrom(name) : checkId(wanted);
    if (this.#disks.has(id)) throw new VhdError('EXISTS', `disk ${id} is there already`);
    const folder = this.diskFolder(id);
    changing(`cannot make ${folder}`, () => {
      rmSync(folder, { recursive: true, force: true }); // Left by a creation that was cut off: it has no record.
      mkdirSync(folder, { mode: 0o700 });
      syncFolder(this.disksFolder);
    });
    return id;
  }

  putImage(record: ImageRecord): void {
    writeJson(join(this.imagesFolder, `${record.id}.json`), record);
    this.#images.set(record.id, record);
  }

  /** Changes what the record says at this moment: others may have changed it since it was read. Errors: NOT_FOUND, NO_SPACE, READ_ONLY, IO. */
  changeDisk(id: string, change: Partial<DiskRecord> | ((record: DiskRecord) => Partial<DiskRecord>)): DiskRecord {
    const before = this.disk(id);
    const record = { ...before, ...(typeof change === 'function' ? change(before) : change) };
    this.putDisk(record);
    return record;
  }

  putDisk(record: DiskRecord): void {
    writeJson(join(this.diskFolder(record.id), 'disk.json'), record);
    this.#disks.set(record.id, record);
    this.#onDisk(record.id);
  }

  /** The record goes first: files without a record are nobody's. Errors: READ_ONLY, IO. */
  dropImage(id: string): void {
    changing(`cannot remove image ${id}`, () => {
      rmSync(join(this.imagesFolder, `${id}.json`), { force: true });
      this.#images.delete(id);
      syncFolder(this.imagesFolder);
      rmSync(this.imagePath(id), { force: true });
      syncFolder(this.imagesFolder);
    });
  }

  /** The same for a disk. Errors: READ_ONLY, IO. */
  dropDisk(id: string): void {
    changing(`cannot remove disk ${id}`, () => {
      rmSync(join(this.diskFolder(id), 'disk.json'), { force: true });
      this.#disks.delete(id);
      this.#onDisk(id);
      syncFolder(this.diskFolder(id));
      rmSync(this.diskFolder(id), { recursive: true, force: true });
      syncFolder(this.disksFolder);
    });
  }
}

/** What records of older versions lack. */
const UNOWNED: { readonly owner: null } = { owner: null };
const UNNAMED: Partial<SnapshotRecord> = { ...UNOWNED, operationId: null };

function upgraded(record: DiskRecord): DiskRecord {
  const snapshots = record.snapshots.map((snapshot) => ({ ...UNNAMED, ...snapshot }));
  return { ...UNOWNED, ...record, snapshots };
}

/** Runs a change of the folder. Errors: NO_SPACE, READ_ONLY, IO. */
function changing(what: string, change: () => void): void {
  try {
    change();
  } catch (cause) {
    throw fileError(cause, what);
  }
}
