/** The library: images and templates, a VHD and a record each. */
import { VhdError } from '../../errors.ts';
import { openImage, tiesOf } from '../../formats/open.ts';
import { refuseSealed, seal } from '../../image/seal.ts';
import { createImage } from '../../ops/create.ts';
import type { Storage } from '../../storage/storage.ts';
import type { DiskServiceApi, Health, ImageInfo, ListFilter, OwnerChange } from '../control/api.ts';
import { type Owner, requireOwner } from '../control/ids.ts';
import type { TaskInfo } from '../control/task.ts';
import { KeyedLock } from '../state/keyed-lock.ts';
import type { DiskRecord, ImageRecord } from '../state/records.ts';
import type { TaskContext, TaskWork } from '../state/task-book.ts';
import { ImageUses } from './image-uses.ts';
import { importFile } from './import-file.ts';
import { imageKey } from './read-only-exports.ts';
import type { Shared } from './shared.ts';

export class Images {
  readonly #shared: Shared;
  readonly #lock = new KeyedLock();
  readonly uses: ImageUses = new ImageUses();
  /** Ids of images that are being made. */
  readonly #coming = new Set<string>();
  /** Disks that are being put on an image, one change of a disk at a time. */
  readonly #comers = new Map<string, string>();

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  list({ owner }: ListFilter = {}): Promise<readonly ImageInfo[]> {
    const records = this.#shared.records.images().filter((one) => owner === undefined || one.owner === owner);
    return Promise.resolve(records.map((record) => this.#info(record)));
  }

  get(id: string): Promise<ImageInfo> {
    return Promise.resolve().then(() => this.#info(this.#shared.records.image(id)));
  }

  create(input: Parameters<DiskServiceApi['createImage']>[0]): Promise<ImageInfo> {
    const { records, storage } = this.#shared;
    return this.#withNewId(input, async (id) => {
      await createImage(records.imagePath(id), { sizeBytes: input.sizeBytes, storage });
      return this.#record(newRecord(id, 'image', input));
    });
  }

  /** Copies into a file beside, which becomes the image when it is whole. */
  async import(input: Parameters<DiskServiceApi['importImage']>[0]): Promise<TaskInfo> {
    let started: (task: TaskInfo) => void = () => undefined;
    const task = new Promise<TaskInfo>((resolve) => {
      started = resolve;
    });
    const imported = this.#withNewId(input, async (id) => {
      const work: TaskWork = (context) => this.#import(id, input, context);
      const info = await this.#shared.tasks.start('image.import', id, input, work, { lane: 'import' });
      started(info);
      await this.#shared.tasks.ended(info.id);
    });
    await Promise.race([task, imported]);
    return task;
  }

  async #import(
    id: string,
    input: Parameters<DiskServiceApi['importImage']>[0],
    context: TaskContext,
  ): Promise<{ readonly id: string }> {
    const { storage } = this.#shared;
    const beside = this.#partOf(id);
    try {
      context.progress(null, 'copying');
      await importFile(input.path, beside, context, input.format);
      await this.#takeIn(id, beside, input);
    } finally {
      storage.remove(beside);
    }
    return { id };
  }

  /** What an import that was cut off with the service had copied. */
  forgetPart(id: string): void {
    this.#shared.storage.remove(this.#partOf(id));
  }

  #partOf(id: string): string {
    return `${this.#shared.records.imagePath(id)}.part`;
  }

  /** A new image of what `make` writes to a path that is free. Errors: EXISTS, and those of `make`. */
  async add(
    id: string,
    input: { readonly name: string; readonly kind?: ImageRecord['kind']; readonly owner?: Owner },
    make: (path: string) => Promise<void>,
  ): Promise<void> {
    const { storage } = this.#shared;
    const beside = this.#partOf(id);
    await this.#withNewId({ ...input, id }, async () => {
      try {
        storage.remove(beside); // Left by one that was cut off.
        await make(beside);
        await this.#takeIn(id, beside, input);
      } finally {
        storage.remove(beside);
      }
    });
  }

  /** A file that is whole becomes the image. */
  async #takeIn(
    id: string,
    path: string,
    input: { readonly name: string; readonly kind?: ImageRecord['kind']; readonly owner?: Owner },
  ): Promise<void> {
    const { records, storage } = this.#shared;
    if (input.kind === 'template') seal(path, storage);
    storage.rename(path, records.imagePath(id));
    await storage.syncFolder(records.imagesFolder);
    await this.#record(newRecord(id, input.kind ?? 'image', input));
  }

  /** Runs work with an id that nobody else is given meanwhile. Errors: USAGE, EXISTS. */
  async #withNewId<T>(
    input: { readonly id?: string; readonly name: string },
    work: (id: string) => Promise<T>,
  ): Promise<T> {
    const id = this.#shared.records.newImageId(input.id, input.name);
    if (this.#coming.has(id)) throw new VhdError('EXISTS', `image ${id} is being made already`);
    this.#coming.add(id);
    try {
      return await work(id);
    } finally {
      this.#coming.delete(id);
    }
  }

  /** Runs short work during which the image is neither removed nor changed: who wants to waits. Errors: IN_PROGRESS: it is being changed. */
  whileUsed<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#lock.run(id, async () => {
      const end = this.uses.read(id);
      return await work().finally(end);
    });
  }

  /** SEALED-STAYS, ONE-WRITER: what changes an image has it for itself. Errors: SEALED, HAS_CHILDREN, LOCKED, IN_PROGRESS. */
  async claimToChange(id: string, kind: string): Promise<() => void> {
    return this.#lock.run(id, async () => {
      const { records, storage, pool } = this.#shared;
      const record = records.image(id);
      const end = this.uses.change(id, kind);
      try {
        this.#requireNoChildren(id);
        if (record.kind === 'template') throw new VhdError('SEALED', `image ${id} is a template`);
        refuseSealed(records.imagePath(id), storage);
        if (pool.isOpen(imageKey(id))) throw new VhdError('LOCKED', `image ${id} is being served`);
        return end;
      } catch (error) {
        end();
        throw error;
      }
    });
  }

  #requireNoChildren(id: string): void {
    const children = this.#shared.records.disks().filter((disk) => this.#isBaseOf(disk, id));
    if (0 < children.length)
      throw new VhdError('HAS_CHILDREN', `image ${id} is the base of ${children.map((disk) => disk.id).join(', ')}`);
  }

  describe({ id, name, description }: Parameters<DiskServiceApi['describeImage']>[0]): Promise<ImageInfo> {
    return this.#lock.run(id, async () => {
      const record = this.#shared.records.image(id);
      return this.#record({ ...record, name: name ?? record.name, description: description ?? record.description });
    });
  }

  /** Runs long work that puts a disk on the image: who wants to remove or change it meanwhile is refused. Errors: NOT_FOUND, IN_PROGRESS. */
  async whileComing<T>(id: string, disk: string, work: () => Promise<T>): Promise<T> {
    const end = await this.#lock.run(id, () => {
      this.#shared.records.image(id);
      const ended = this.uses.read(id);
      this.#comers.set(disk, id);
      return Promise.resolve(ended);
    });
    return work().finally(() => {
      this.#comers.delete(disk);
      end();
    });
  }

  setOwner({ id, owner, from }: OwnerChange): Promise<ImageInfo> {
    return this.#lock.run(id, async () => {
      const record = this.#shared.records.image(id);
      requireOwner(`image ${id}`, record.owner, from);
      return this.#record({ ...record, owner });
    });
  }

  seal(id: string): Promise<ImageInfo> {
    return this.#lock.run(id, async () => {
      const { records } = this.#shared;
      const record = records.image(id);
      this.uses.requireUnchanged(id);
      seal(records.imagePath(id), this.#shared.storage);
      return this.#record({ ...record, kind: 'template' });
    });
  }

  remove(id: string): Promise<void> {
    return this.#lock.run(id, async () => {
      const { records, pool } = this.#shared;
      records.image(id);
      this.#requireNoChildren(id);
      this.uses.requireUnused(id);
      if (pool.isOpen(imageKey(id))) throw new VhdError('LOCKED', `image ${id} is being served`);
      await records.dropImage(id);
    });
  }

  /** What the disk's own file says counts too: the write of its record may have failed when it was put on another base. */
  #isBaseOf(disk: DiskRecord, id: string): boolean {
    if (disk.imageId === id || this.#comers.get(disk.id) === id) return true;
    const { records, storage } = this.#shared;
    const parent = tiesOf(records.diskPath(disk, disk.links[0]), storage)?.parentIdentity;
    return parent !== undefined && parent === tiesOf(records.imagePath(id), storage)?.identity;
  }

  async #record(record: ImageRecord): Promise<ImageInfo> {
    await this.#shared.records.putImage(record);
    return this.#info(record);
  }

  #info(record: ImageRecord): ImageInfo {
    const { records, storage } = this.#shared;
    const path = records.imagePath(record.id);
    const stat = storage.stat(path);
    const looked = look(path, storage);
    return {
      id: record.id,
      name: record.name,
      description: record.description,
      kind: record.kind,
      sizeBytes: looked.sizeBytes,
      storedBytes: stat?.storedBytes ?? 0,
      childCount: records.disks().filter((disk) => disk.imageId === record.id).length,
      isSealed: stat?.isWritable === false,
      health: looked.health,
      owner: record.owner,
      createdAt: record.createdAt,
    };
  }
}

function newRecord(
  id: string,
  kind: ImageRecord['kind'],
  { name, owner }: Pick<Parameters<DiskServiceApi['createImage']>[0], 'name' | 'owner'>,
): ImageRecord {
  return { id, name, description: '', kind, owner: owner ?? null, createdAt: new Date().toISOString() };
}

/** What the file of an image says of itself. */
function look(path: string, storage: Storage): { readonly sizeBytes: number; readonly health: Health } {
  try {
    const image = openImage(path, { storage });
    void image.close();
    return { sizeBytes: image.sizeBytes, health: { state: 'ok' } };
  } catch (error) {
    const code = error instanceof VhdError ? error.code : 'IO';
    return {
      sizeBytes: 0,
      health: { state: 'broken', code, message: error instanceof Error ? error.message : String(error) },
    };
  }
}
