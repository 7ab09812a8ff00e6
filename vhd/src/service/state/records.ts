/**
 * What the service remembers of images and disks, a JSON file each beside the VHDs, so that a folder moved or restored
 * from a backup is whole. Layout: `images/<id>.vhd` and `.json`; `disks/<id>/disk.json` and the links of the disk.
 */
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { VhdError } from '../../errors.ts';
import { folderOfPoints } from '../../restore-points/place.ts';
import type { Storage } from '../../storage/storage.ts';
import type { DiskRates } from '../control/api.ts';
import { checkId, isId, type Owner } from '../control/ids.ts';
import { readJson, writeJson } from './json-file.ts';
import { KeyedLock } from './keyed-lock.ts';

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly kind: 'image' | 'template';
  readonly owner: Owner | null;
  readonly createdAt: string;
}

/** A sealed link that somebody wants to be able to name. */
export interface SnapshotRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
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
  readonly description: string;
  readonly imageId: string | null;
  /** Absolute path of a VHD outside of the library that the disk is a clone of: a restore point. */
  readonly baseFile: string | null;
  /** The link of another disk that it goes on from: a file name in that disk's folder. */
  readonly branchOf: { readonly disk: string; readonly file: string } | null;
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

export interface RecordsOptions {
  /** The storage folder. */
  readonly folder: string;
  readonly storage: Storage;
  /** Hears of each disk whose record was changed or removed. */
  readonly onDisk?: (id: string) => void;
  /** Hears of records that say nothing: what they were of is not served. */
  readonly onUnreadable?: (path: string) => void;
}

/** The folders of a storage folder, and the records in them. */
export class Records {
  readonly imagesFolder: string;
  readonly disksFolder: string;
  readonly tasksFolder: string;
  /** Files that are taken away; made with the first one. */
  readonly exportsFolder: string;
  readonly #storage: Storage;
  readonly #options: RecordsOptions;
  readonly #images = new Map<string, ImageRecord>();
  readonly #disks = new Map<string, DiskRecord>();
  /** One change of a record at a time, by its path: the next starts from what the one before it left. */
  readonly #lock = new KeyedLock();

  private constructor(options: RecordsOptions) {
    this.#options = options;
    this.#storage = options.storage;
    this.imagesFolder = join(options.folder, 'images');
    this.disksFolder = join(options.folder, 'disks');
    this.tasksFolder = join(options.folder, 'tasks');
    this.exportsFolder = join(options.folder, 'exports');
  }

  /** Makes the folders where they are not there, and reads what is in them. Errors: NO_SPACE, READ_ONLY, IO. */
  static async open(options: RecordsOptions): Promise<Records> {
    const { storage, folder } = options;
    const records = new Records(options);
    for (const one of [records.imagesFolder, records.disksFolder, records.tasksFolder]) storage.makeFolder(one);
    await storage.syncFolder(folder);
    records.#read();
    return records;
  }

  #read(): void {
    const read = (path: string): { readonly id: string } | undefined => {
      const record = readJson(path, this.#storage) as { readonly id: string } | undefined;
      if (record === undefined && this.#storage.stat(path) !== undefined) this.#options.onUnreadable?.(path);
      return record;
    };
    for (const name of this.#storage.list(this.imagesFolder)) {
      if (!name.endsWith('.json')) continue;
      const record = read(join(this.imagesFolder, name)) as ImageRecord | undefined;
      // What a repair keeps of an image lies there too.
      if (record !== undefined && name === `${record.id}.json` && isId(record.id))
        this.#images.set(record.id, { ...UNOWNED, ...record });
    }
    for (const id of this.#storage.list(this.disksFolder)) {
      const record = read(join(this.disksFolder, id, 'disk.json')) as DiskRecord | undefined;
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
    if (record.branchOf !== null) return join(this.diskFolder(record.branchOf.disk), record.branchOf.file);
    return record.imageId === null ? undefined : this.imagePath(record.imageId);
  }

  /** The folders in which a disk's parents may lie. */
  folders(record: DiskRecord): readonly string[] {
    const own = [this.diskFolder(record.id), this.imagesFolder];
    const trunk = record.branchOf === null ? undefined : this.#disks.get(record.branchOf.disk);
    if (trunk !== undefined) return [...own, ...this.folders(trunk)];
    if (record.baseFile === null) return own;
    return [...own, folderOfPoints(record.baseFile) ?? dirname(record.baseFile)];
  }

  /** A name for another link of a disk: never one that was used before. */
  newLink(record: DiskRecord): string {
    const names = [...this.#storage.list(this.diskFolder(record.id)), ...record.links];
    const last = Math.max(0, ...names.map((name) => Number.parseInt(name, 10) || 0));
    return `${String(last + 1).padStart(4, '0')}.vhd`;
  }

  /** Errors: USAGE, EXISTS. */
  newImageId(wanted: string | undefined, name: string): string {
    const id = wanted === undefined ? idFrom(name) : checkId(wanted);
    if (this.#images.has(id) || this.#storage.stat(this.imagePath(id)) !== undefined)
      throw new VhdError('EXISTS', `image ${id} is there already`);
    return id;
  }

  /** Errors: USAGE. */
  newDiskId(wanted: string | undefined, name: string): string {
    return wanted === undefined ? idFrom(name) : checkId(wanted);
  }

  /** Makes the folder of a new disk. Errors: EXISTS, NO_SPACE, READ_ONLY, IO. */
  async makeDiskFolder(id: string): Promise<void> {
    if (this.#disks.has(id)) throw new VhdError('EXISTS', `disk ${id} is there already`);
    const folder = this.diskFolder(id);
    this.#storage.removeFolder(folder); // Left by a creation that was cut off: it has no record.
    this.#storage.makeFolder(folder);
    await this.#storage.syncFolder(this.disksFolder);
  }

  async putImage(record: ImageRecord): Promise<void> {
    await writeJson(join(this.imagesFolder, `${record.id}.json`), record, this.#storage);
    this.#images.set(record.id, record);
  }

  /** A record for a new disk. Errors: NO_SPACE, READ_ONLY, IO. */
  addDisk(record: DiskRecord): Promise<void> {
    return this.#lock.run(record.id, () => this.#putDisk(record));
  }

  /**
   * Changes what the record says by then: others may have changed it since it was read. Settles when the change is on
   * stable storage; nobody sees it before. Errors: NOT_FOUND, NO_SPACE, READ_ONLY, IO.
   */
  changeDisk(
    id: string,
    change: Partial<DiskRecord> | ((record: DiskRecord) => Partial<DiskRecord>),
  ): Promise<DiskRecord> {
    return this.#lock.run(id, async () => {
      const before = this.disk(id);
      const record = { ...before, ...(typeof change === 'function' ? change(before) : change) };
      await this.#putDisk(record);
      return record;
    });
  }

  /** The record goes first: files without a record are nobody's. Errors: READ_ONLY, IO. */
  async dropImage(id: string): Promise<void> {
    this.#storage.remove(join(this.imagesFolder, `${id}.json`));
    this.#images.delete(id);
    await this.#storage.syncFolder(this.imagesFolder);
    this.#storage.remove(this.imagePath(id));
    await this.#storage.syncFolder(this.imagesFolder);
  }

  /** The same for a disk. Errors: READ_ONLY, IO. */
  dropDisk(id: string): Promise<void> {
    return this.#lock.run(id, async () => {
      const folder = this.diskFolder(id);
      this.#storage.remove(join(folder, 'disk.json'));
      this.#disks.delete(id);
      this.#options.onDisk?.(id);
      await this.#storage.syncFolder(folder);
      this.#storage.removeFolder(folder);
      await this.#storage.syncFolder(this.disksFolder);
    });
  }

  async #putDisk(record: DiskRecord): Promise<void> {
    const path = join(this.diskFolder(record.id), 'disk.json');
    await writeJson(path, record, this.#storage);
    this.#disks.set(record.id, record);
    this.#options.onDisk?.(record.id);
  }
}

/** What records of older versions lack. */
const UNOWNED: { readonly owner: null; readonly description: '' } = { owner: null, description: '' };
const UNBRANCHED: Partial<DiskRecord> = { branchOf: null };
const UNNAMED: Partial<SnapshotRecord> = { ...UNOWNED, operationId: null };

function upgraded(record: DiskRecord): DiskRecord {
  const snapshots = record.snapshots.map((snapshot) => ({ ...UNNAMED, ...snapshot }));
  return { ...UNOWNED, ...UNBRANCHED, ...record, snapshots };
}
