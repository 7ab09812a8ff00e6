/**
 * The library as the API shows it: images, templates, disks and snapshots of every storage. The truth is their disk
 * services'; what is added here is which VM has a disk, and events.
 */
import type { DiskInfo, DiskSource as ServiceSource } from '@oriel/vhd';
import { DISK_TOPIC, type Disk, type DiskKind, type DiskSource } from '../../../api/disk.ts';
import type { DiskDescribe } from '../../../api/image.ts';
import { GatewayError } from '../../errors.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { FIRST_STORAGE, placeOf, referenceOf } from '../storages/reference.ts';
import type { Located, Storages } from '../storages/storages.ts';
import { asking, isCode } from './errors.ts';
import { type Family, familyOf } from './family.ts';
import { diskView, type Holder, imageView, snapshotView } from './view.ts';

export interface LibraryOptions {
  readonly storages: Storages;
  readonly hub: EventHub;
  readonly holderOf: (reference: string) => Promise<Holder>;
  /** All of them at once: by the reference of the disk. */
  readonly holders: () => Promise<ReadonlyMap<string, NonNullable<Holder>>>;
}

export interface Listed {
  readonly items: Disk[];
  /** Names of storages that do not answer: what lies there is left out. */
  readonly unreachable: string[];
}

export class Library {
  readonly #options: LibraryOptions;
  readonly #unsubscribe: () => void;

  constructor(options: LibraryOptions) {
    this.#options = options;
    this.#unsubscribe = options.storages.subscribe((_, reference) => {
      if (reference !== undefined) void this.#seen(reference);
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Of one storage or of all. Errors: UNAVAILABLE where none of them answers. */
  async list(kind: DiskKind | undefined, storageId?: string): Promise<Listed> {
    const { storages } = this.#options;
    const ids = storageId === undefined ? storages.ids() : [storageId];
    const up = ids.filter((id) => storages.client(id) !== undefined);
    if (up.length === 0) for (const id of ids) storages.requireClient(id);
    const holders = await this.#options.holders();
    const items = (await Promise.all(up.map((id) => this.#listOne(id, kind, holders)))).flat();
    const unreachable = ids.filter((id) => !up.includes(id)).map((id) => storages.nameOf(id));
    return { items, unreachable };
  }

  async #listOne(
    storageId: string,
    kind: DiskKind | undefined,
    holders: ReadonlyMap<string, NonNullable<Holder>>,
  ): Promise<Disk[]> {
    const client = this.#options.storages.requireClient(storageId);
    const what = `storage ${this.#options.storages.nameOf(storageId)}`;
    const [images, disks] = await Promise.all([
      kind === 'disk' || kind === 'snapshot' ? [] : asking(what, client.listImages()),
      kind === 'image' || kind === 'template' ? [] : asking(what, client.listDisks()),
    ]);
    const all = images.map((image) => imageView(storageId, image));
    for (const disk of disks) {
      all.push(diskView(storageId, disk, holders.get(referenceOf({ storageId, id: disk.id }))));
      all.push(...disk.snapshots.map((snapshot, at) => snapshotView(storageId, disk, snapshot, at)));
    }
    return kind === undefined ? all : all.filter((disk) => disk.kind === kind);
  }

  /** A disk, an image or a snapshot. */
  async get(reference: string): Promise<Disk> {
    const found = (await this.#diskOrImage(reference)) ?? this.#snapshot(reference);
    if (found === undefined) throw new GatewayError('NOT_FOUND', `nothing in the library has the id ${reference}`);
    return found;
  }

  async snapshots(diskId: string): Promise<Disk[]> {
    const { storageId } = placeOf(diskId);
    const disk = await this.#disk(diskId);
    return disk.snapshots.map((snapshot, at) => snapshotView(storageId, disk, snapshot, at)).toReversed();
  }

  /** A disk that is nobody's yet. A clone lies where its template does; a blank one in the storage named, or the first. */
  async make(name: string, source: DiskSource, storageId: string = FIRST_STORAGE): Promise<Disk> {
    const { storages } = this.#options;
    const at = source.from === 'blank' ? storageId : placeOf(sourceOf(source)).storageId;
    const client = storages.requireClient(at);
    const made = await asking(`disk ${name}`, client.createDisk({ name, source: await this.usable(source) }));
    return this.#changed(diskView(at, made, undefined));
  }

  /** Seals what the disk holds now and puts a new leaf on it; settles when it is on stable storage. A VM writes on. */
  async snapshot(diskId: string, name: string): Promise<Disk> {
    const { client, id, storageId } = this.#options.storages.locate(diskId);
    const what = `disk ${diskId}`;
    const task = await asking(what, client.snapshotDisks({ ids: [id], name }));
    await asking(what, client.waitForTask(task.id));
    const disk = await this.#disk(diskId);
    const at = disk.snapshots.length - 1;
    const newest = disk.snapshots[at];
    if (newest === undefined) throw new GatewayError('INTERNAL', `the snapshot of ${what} is gone already`);
    return this.#changed(snapshotView(storageId, disk, newest, at));
  }

  /** Renames it, or says what it is. */
  async describe(reference: string, change: DiskDescribe): Promise<Disk> {
    const found = await this.get(reference);
    const { client, id } = this.#options.storages.locate(reference);
    const what = `${found.kind} ${found.name}`;
    const asked = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    if (found.kind === 'snapshot') {
      const diskId = placeOf(this.diskOf(reference)).id;
      await asking(what, client.describeDisk({ id: diskId, snapshotId: id, ...asked }));
    } else if (found.kind === 'disk') await asking(what, client.describeDisk({ id, ...asked }));
    else await asking(what, client.describeImage({ id, ...asked }));
    return this.#changed(await this.get(reference));
  }

  /** The disk that a snapshot is of; of anything else, itself. */
  diskOf(reference: string): string {
    const { storageId, id } = placeOf(reference);
    const disk = this.#options.storages.disks(storageId).find((one) => one.snapshots.some((each) => each.id === id));
    return disk === undefined ? reference : referenceOf({ storageId, id: disk.id });
  }

  /** All that hangs together with it. Errors: NOT_FOUND, UNAVAILABLE. */
  async family(reference: string): Promise<Family> {
    const { id } = await this.get(reference);
    const { items } = await this.list(undefined, placeOf(reference).storageId);
    return familyOf(items, id);
  }

  async requireClosed(diskId: string): Promise<void> {
    const { state } = await this.#disk(diskId);
    if (state.state !== 'open' && state.state !== 'faulted') return;
    throw new GatewayError('CONFLICT', `disk ${diskId} is in use: stop its VM first`);
  }

  async seal(reference: string): Promise<Disk> {
    const { client, id, storageId } = this.#options.storages.locate(reference);
    return this.#changed(imageView(storageId, await asking(`image ${reference}`, client.sealImage({ id }))));
  }

  /** Deletes whatever has the id: a disk that no VM has, or an image without children. */
  async delete(reference: string): Promise<void> {
    const found = await this.get(reference);
    if (found.vm !== null) throw new GatewayError('CONFLICT', `disk ${found.name} is in use by a VM`);
    if (found.kind === 'snapshot') throw new GatewayError('CONFLICT', 'a snapshot is deleted through its disk');
    const { client, id } = this.#options.storages.locate(reference);
    const gone = found.kind === 'disk' ? client.removeDisk({ id }) : client.removeImage({ id });
    await asking(`${found.kind} ${found.name}`, gone);
    this.#removed(reference);
  }

  /** What an event is sent for after work that others did. */
  async publish(reference: string): Promise<void> {
    const found = (await this.#diskOrImage(reference)) ?? this.#snapshot(reference);
    if (found === undefined) this.#removed(reference);
    else this.#changed(found);
  }

  /** What the disk service is told to make a disk from. Errors: CONFLICT: damaged; UNPROCESSABLE: no template. */
  async usable(source: DiskSource): Promise<ServiceSource> {
    if (source.from === 'blank') return { from: 'blank', sizeBytes: source.sizeBytes };
    const { client, id } = this.#options.storages.locate(sourceOf(source));
    const image = await asking(`image ${sourceOf(source)}`, client.getImage({ id }));
    if (image.health.state === 'broken') {
      throw new GatewayError('CONFLICT', `${image.kind} ${image.name} is damaged (${image.health.code})`);
    }
    if (source.from === 'template' && image.kind !== 'template') {
      throw new GatewayError('UNPROCESSABLE', `image ${image.name} is no template: seal it first`);
    }
    return { from: 'image', imageId: id };
  }

  async #disk(reference: string): Promise<DiskInfo> {
    const { client, id } = this.#options.storages.locate(reference);
    return await asking(`disk ${reference}`, client.getDisk({ id }));
  }

  async #diskOrImage(reference: string): Promise<Disk | undefined> {
    const { client, id, storageId }: Located = this.#options.storages.locate(reference);
    try {
      const disk = await asking(`disk ${reference}`, client.getDisk({ id }));
      return diskView(storageId, disk, await this.#options.holderOf(reference));
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND', 'UNPROCESSABLE')) throw error;
    }
    try {
      return imageView(storageId, await asking(`image ${reference}`, client.getImage({ id })));
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND', 'UNPROCESSABLE')) throw error;
      return undefined;
    }
  }

  #snapshot(reference: string): Disk | undefined {
    const { storageId, id } = placeOf(reference);
    for (const disk of this.#options.storages.disks(storageId)) {
      const at = disk.snapshots.findIndex((snapshot) => snapshot.id === id);
      const snapshot = disk.snapshots[at];
      if (snapshot !== undefined) return snapshotView(storageId, disk, snapshot, at);
    }
    return undefined;
  }

  /** The disk service told of a change. */
  async #seen(reference: string): Promise<void> {
    const disk = this.#options.storages.seen(reference);
    if (disk === undefined) return this.#removed(reference);
    // A store that is being closed has no holders any more, and nobody listens.
    const holder = await this.#options.holderOf(reference).catch(() => undefined);
    this.#changed(diskView(placeOf(reference).storageId, disk, holder));
  }

  #changed(disk: Disk): Disk {
    this.#options.hub.publish(DISK_TOPIC, { kind: 'changed', id: disk.id, data: disk }, { right: 'settings' });
    return disk;
  }

  #removed(id: string): void {
    this.#options.hub.publish(DISK_TOPIC, { kind: 'removed', id }, { right: 'settings' });
  }
}

/** The reference of what a clone is made from. */
export function sourceOf(source: Exclude<DiskSource, { from: 'blank' }>): string {
  return source.from === 'template' ? source.templateId : source.imageId;
}
