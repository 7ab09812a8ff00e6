/**
 * The library as the API shows it: images, templates, disks and snapshots. The truth is the disk service's; what is added
 * here is which VM has a disk, and events.
 */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import {
  type DiskInfo,
  type DiskServiceClient,
  type ImageInfo,
  idFrom,
  type DiskSource as ServiceSource,
  type SnapshotInfo,
} from '@oriel/vhd';
import { LIVE_TOPICS } from '../../../api/desktop.ts';
import type { Disk, DiskKind, DiskSource } from '../../../api/disk.ts';
import type { VmDisks } from '../../compute/vms/ports.ts';
import { GatewayError } from '../../errors.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { asking } from './errors.ts';

export interface LibraryOptions {
  readonly client: DiskServiceClient;
  readonly hub: EventHub;
  /** Folder of disc images (`*.iso`). */
  readonly discFolder: string;
  readonly holderOf: (diskId: string) => Promise<{ readonly id: string; readonly name: string } | undefined>;
}

type Holder = { readonly id: string; readonly name: string } | undefined;

export class Library implements VmDisks {
  readonly #options: LibraryOptions;

  constructor(options: LibraryOptions) {
    this.#options = options;
  }

  async list(kind: DiskKind | undefined): Promise<Disk[]> {
    const { client } = this.#options;
    const [images, disks] = await Promise.all([
      kind === 'disk' || kind === 'snapshot' ? [] : asking('the library', client.listImages()),
      kind === 'image' || kind === 'template' ? [] : asking('the library', client.listDisks()),
    ]);
    const all = images.map(imageView);
    for (const disk of disks) all.push(...(await this.#withSnapshots(disk)));
    return kind === undefined ? all : all.filter((disk) => disk.kind === kind);
  }

  async get(id: string): Promise<Disk> {
    const found = (await this.list(undefined)).find((disk) => disk.id === id);
    if (found === undefined) throw new GatewayError('NOT_FOUND', `nothing in the library has the id ${id}`);
    return found;
  }

  async snapshots(diskId: string): Promise<Disk[]> {
    const disk = await this.#disk(diskId);
    return disk.snapshots.map((snapshot, at) => snapshotView(disk, snapshot, at)).toReversed();
  }

  /** A disk that is nobody's yet. */
  async make(name: string, source: DiskSource): Promise<Disk> {
    const from = await this.#usable(source);
    const made = await asking(`disk ${name}`, this.#options.client.createDisk({ name, source: from }));
    return this.#changed(diskView(made, undefined));
  }

  async create(diskId: string, name: string, source: DiskSource): Promise<void> {
    const { client } = this.#options;
    const from = await this.#usable(source);
    try {
      const made = await asking(`disk ${name}`, client.createDisk({ id: diskId, name, source: from }));
      this.#changed(diskView(made, undefined));
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'ALREADY_EXISTS')) throw error;
      // Made by a gateway that was killed before it could note it down.
    }
  }

  async #usable(source: DiskSource): Promise<ServiceSource> {
    if (source.from === 'blank') return { from: 'blank', sizeBytes: source.sizeBytes };
    const imageId = source.from === 'template' ? source.templateId : source.imageId;
    await this.#requireUsableImage(imageId, source.from === 'template');
    return { from: 'image', imageId };
  }

  /** Seals what the disk holds now and puts a new leaf on it; settles when it is on stable storage. A VM writes on. */
  async snapshot(diskId: string, name: string): Promise<Disk> {
    const { client } = this.#options;
    const what = `disk ${diskId}`;
    const task = await asking(what, client.snapshotDisks({ ids: [diskId], name }));
    await asking(what, client.waitForTask(task.id));
    const disk = await this.#disk(diskId);
    const at = disk.snapshots.length - 1;
    const newest = disk.snapshots[at];
    if (newest === undefined) throw new GatewayError('INTERNAL', `the snapshot of ${what} is gone already`);
    this.#changed(diskView(disk, await this.#options.holderOf(diskId)));
    return this.#changed(snapshotView(disk, newest, at));
  }

  async requireClosed(diskId: string): Promise<void> {
    const { state } = await this.#disk(diskId);
    if (state.state !== 'open' && state.state !== 'faulted') return;
    const holder = await this.#options.holderOf(diskId);
    throw new GatewayError(
      'CONFLICT',
      `disk ${diskId} is in use by VM ${holder?.name ?? 'of somebody'}: stop it first`,
    );
  }

  async seal(id: string): Promise<Disk> {
    return this.#changed(imageView(await asking(`image ${id}`, this.#options.client.sealImage({ id }))));
  }

  /** Deletes whatever has the id: a disk that no VM has, or an image without children. */
  async delete(id: string): Promise<void> {
    const found = await this.get(id);
    if (found.vm !== null) throw new GatewayError('CONFLICT', `disk ${found.name} is in use by VM ${found.vm.name}`);
    if (found.kind === 'snapshot') throw new GatewayError('CONFLICT', 'a snapshot is deleted through its disk');
    if (found.kind === 'disk') await this.remove(id);
    else await asking(`${found.kind} ${found.name}`, this.#options.client.removeImage({ id }));
    this.#removed(id);
  }

  /** What an event is sent for after work that others did. */
  async publish(id: string): Promise<void> {
    const found = (await this.list(undefined)).find((disk) => disk.id === id);
    if (found === undefined) this.#removed(id);
    else this.#changed(found);
  }

  async checkUsable(diskId: string): Promise<void> {
    const { state } = await this.#disk(diskId);
    if (state.state === 'broken') throw new GatewayError('CONFLICT', `disk ${diskId} is damaged (${state.code})`);
  }

  /** ONE-WRITER: a new lease cuts off whoever had the disk; one that goes on keeps its own. */
  async serve(diskId: string, { fresh }: { readonly fresh: boolean }): Promise<string> {
    const { client } = this.#options;
    if (!fresh) {
      const { state } = await this.#disk(diskId);
      if ((state.state === 'open' || state.state === 'faulted') && state.export.mode === 'write')
        return state.export.uri;
    }
    return (await asking(`disk ${diskId}`, client.openDisk({ id: diskId, mode: 'write' }))).uri;
  }

  async release(diskId: string): Promise<void> {
    try {
      await asking(`disk ${diskId}`, this.#options.client.closeDisk({ id: diskId }));
    } catch (error) {
      // A disk that is gone is as free as can be.
      if (!(error instanceof GatewayError && error.code === 'NOT_FOUND')) throw error;
    }
  }

  newId(name: string): string {
    return idFrom(name);
  }

  async own(diskId: string): Promise<void> {
    await this.checkUsable(diskId);
  }

  async disown(): Promise<void> {}

  async remove(diskId: string): Promise<void> {
    try {
      await asking(`disk ${diskId}`, this.#options.client.removeDisk({ id: diskId }));
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'NOT_FOUND')) throw error;
    }
    this.#removed(diskId);
  }

  /** The id of a disc is its file name; nothing but a plain file in the folder of discs will do. */
  async cdUri(imageId: string): Promise<string> {
    const file = path.join(this.#options.discFolder, imageId);
    const isPlain =
      /^[A-Za-z0-9][A-Za-z0-9._ +-]{0,127}$/.test(imageId) &&
      lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;
    if (!isPlain) throw new GatewayError('UNPROCESSABLE', `no disc image ${imageId} in the folder of discs`);
    return `file://${file.split('/').map(encodeURIComponent).join('/')}`;
  }

  async #requireUsableImage(id: string, mustBeTemplate: boolean): Promise<void> {
    const image = await asking(`image ${id}`, this.#options.client.getImage({ id }));
    if (image.health.state === 'broken') {
      throw new GatewayError('CONFLICT', `${image.kind} ${image.name} is damaged (${image.health.code})`);
    }
    if (mustBeTemplate && image.kind !== 'template') {
      throw new GatewayError('UNPROCESSABLE', `image ${image.name} is no template: seal it first`);
    }
  }

  async #disk(id: string): Promise<DiskInfo> {
    return await asking(`disk ${id}`, this.#options.client.getDisk({ id }));
  }

  async #withSnapshots(disk: DiskInfo): Promise<Disk[]> {
    const holder = await this.#options.holderOf(disk.id);
    return [diskView(disk, holder), ...disk.snapshots.map((snapshot, at) => snapshotView(disk, snapshot, at))];
  }

  #changed(disk: Disk): Disk {
    this.#options.hub.publish(LIVE_TOPICS.disk, { kind: 'changed', id: disk.id, data: disk }, { right: 'settings' });
    return disk;
  }

  #removed(id: string): void {
    this.#options.hub.publish(LIVE_TOPICS.disk, { kind: 'removed', id }, { right: 'settings' });
  }
}

const NO_PATHS = 'its file cannot be used';

function imageView(image: ImageInfo): Disk {
  return {
    id: image.id,
    name: image.name,
    kind: image.kind,
    sizeBytes: image.sizeBytes,
    storedBytes: image.storedBytes,
    parentId: null,
    chainLength: 1,
    childCount: image.childCount,
    isSealed: image.isSealed,
    vm: null,
    health:
      image.health.state === 'ok' ? { state: 'ok' } : { state: 'broken', code: image.health.code, message: NO_PATHS },
    createdAt: image.createdAt,
  };
}

function diskView(disk: DiskInfo, holder: Holder): Disk {
  return {
    id: disk.id,
    name: disk.name,
    kind: 'disk',
    sizeBytes: disk.sizeBytes,
    storedBytes: disk.storedBytes,
    parentId: disk.snapshots.at(-1)?.id ?? disk.imageId,
    chainLength: disk.chainLength,
    childCount: 0,
    isSealed: false,
    vm: holder === undefined ? null : { id: holder.id, name: holder.name },
    health:
      disk.state.state === 'broken' ? { state: 'broken', code: disk.state.code, message: NO_PATHS } : { state: 'ok' },
    createdAt: disk.createdAt,
  };
}

/** `at`: its place in the disk's list, the oldest first. */
function snapshotView(disk: DiskInfo, snapshot: SnapshotInfo, at: number): Disk {
  return {
    id: snapshot.id,
    name: snapshot.name,
    kind: 'snapshot',
    sizeBytes: disk.sizeBytes,
    storedBytes: snapshot.storedBytes,
    parentId: disk.snapshots[at - 1]?.id ?? disk.imageId,
    chainLength: disk.chainLength - disk.snapshots.length + at,
    childCount: 1,
    isSealed: true,
    vm: null,
    health: { state: 'ok' },
    createdAt: snapshot.createdAt,
  };
}
