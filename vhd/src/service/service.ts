/**
 * The disk service: a storage folder, the disks in it that are open, and the verbs on them. One process owns a folder;
 * the sockets of its disks keep their paths over a restart, so QEMU finds them again.
 */
import { statSync } from 'node:fs';
import { VhdError } from '../errors.ts';
import type { listenNbd } from '../nbd/server.ts';
import type { Storage } from '../storage/storage.ts';
import type {
  ById,
  DiskInfo,
  DiskRates,
  DiskServiceApi,
  DiskServiceStreams,
  DiskStats,
  ExportedFile,
  ExportInfo,
  Fault,
  ImageInfo,
  ListFilter,
  OwnerChange,
  ServiceHealth,
} from './control/api.ts';
import type { TaskInfo } from './control/task.ts';
import type { WatchEvent } from './control/watch-event.ts';
import { checkDisk } from './disks/check-disk.ts';
import { ContentCopies } from './disks/content-copies.ts';
import { Disks, type OpenInput } from './disks/disks.ts';
import { ImageWork } from './disks/image-work.ts';
import { Images } from './disks/images.ts';
import { ReadOnlyExports } from './disks/read-only-exports.ts';
import type { Shared } from './disks/shared.ts';
import { LiveChanges, type SnapshotRef } from './live/live.ts';
import { Feed } from './state/feed.ts';
import { Records } from './state/records.ts';
import type { StorageFolder } from './state/storage-folder.ts';
import { TaskBook } from './state/task-book.ts';
import { DiskHost } from './threads/disk-host.ts';
import { HostPool } from './threads/host-pool.ts';

export interface DiskServiceOptions {
  /** The folder that holds images and disks, which is ours alone. */
  readonly folder: StorageFolder;
  /** Where its files are. */
  readonly storage: Storage;
  /** Folder of the disks' sockets, made and ours. */
  readonly runFolder: string;
  /** Threads that serve disks; 0 serves in this one. */
  readonly threads: number;
  /** How a disk that this thread serves is offered to clients. */
  readonly listen: typeof listenNbd;
  readonly version: string;
  /** The address and the certificates for other machines; absent: this machine only. */
  readonly remote?: Shared['remote'];
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class DiskService implements DiskServiceApi, DiskServiceStreams {
  readonly #options: DiskServiceOptions;
  readonly #pool: HostPool;
  readonly #tasks: TaskBook;
  readonly #shared: Shared;
  readonly #images: Images;
  readonly #disks: Disks;
  readonly #live: LiveChanges;
  readonly #readOnly: ReadOnlyExports;
  readonly #imageWork: ImageWork;
  readonly #copies: ContentCopies;
  readonly #feed: Feed<DiskInfo>;
  readonly #startedAt = new Date().toISOString();
  #onStop: () => void = () => {};
  /** Settles when the service has been asked to stop and has. */
  readonly stopped: Promise<void>;

  private constructor(options: DiskServiceOptions, records: Records, feed: Feed<DiskInfo>) {
    this.#options = options;
    this.#feed = feed;
    const { log, remote, storage, runFolder } = options;
    this.#pool = new HostPool({
      threads: options.threads,
      local: ({ onFault, onTrouble }) => new DiskHost({ storage, listen: options.listen, onFault, onTrouble }),
      onFault: (key, fault) => this.#faultChanged(key, fault),
      onTrouble: (key, reason) => log('disk.client-refused', { disk: key, reason }),
      onLost: (keys, reason) =>
        void this.#disks.lost(keys, reason).then(() => keys.forEach((key) => this.#feed.changed(key))),
    });
    this.#tasks = new TaskBook(records.tasksFolder, storage);
    this.#shared = {
      storage,
      runFolder,
      records,
      pool: this.#pool,
      tasks: this.#tasks,
      onDisk: (id) => feed.changed(id),
      log,
      ...(remote === undefined ? {} : { remote }),
    };
    this.#images = new Images(this.#shared);
    this.#disks = new Disks(this.#shared, this.#images);
    this.#readOnly = new ReadOnlyExports(this.#shared, (id) => this.#disks.busy.has(id));
    this.#live = new LiveChanges(this.#shared, this.#disks, this.#images);
    this.#imageWork = new ImageWork(this.#shared, this.#images, this.#disks);
    this.#copies = new ContentCopies(this.#shared, this.#images, this.#disks);
    this.stopped = new Promise((done) => {
      this.#onStop = done;
    });
  }

  /** Serves again what was open when the folder was served last. Errors: READ_ONLY, NO_SPACE, IO. */
  static async start(options: DiskServiceOptions): Promise<DiskService> {
    const feed: Feed<DiskInfo> = new Feed<DiskInfo>({
      all: () => service.#disks.list(),
      get: (id) => service.#disks.find(id),
    });
    const records = await Records.open({
      folder: options.folder.path,
      storage: options.storage,
      onDisk: (id) => feed.changed(id),
      onUnreadable: (path) => options.log('record.unreadable', { path }),
    });
    const service = new DiskService(options, records, feed);
    await service.#live.recover();
    await service.#disks.reopen();
    options.folder.reserve();
    service.#live.resume();
    await service.#imageWork.resume();
    await service.#copies.resume();
    for (const { info } of service.#tasks.interrupted()) {
      if (info.kind === 'image.import') service.#images.forgetPart(info.target);
      await service.#tasks.interrupt(info.id, 'the service was restarted');
    }
    return service;
  }

  health(): Promise<ServiceHealth> {
    return Promise.resolve({
      version: this.#options.version,
      pid: process.pid,
      storage: this.#options.folder.path,
      startedAt: this.#startedAt,
      freeBytes: this.#options.folder.freeBytes(),
      openDisks: this.#disks.openCount,
      runningTasks: this.#tasks.runningCount,
      rssBytes: process.memoryUsage.rss(),
    });
  }

  async stop(): Promise<void> {
    try {
      await this.#tasks.stop();
      this.#feed.close();
      this.#copies.stop();
      await this.#disks.stop();
      await this.#readOnly.stop();
    } finally {
      await this.#pool.stop();
      this.#options.folder.release();
      this.#onStop();
    }
  }

  listImages(filter?: ListFilter): Promise<readonly ImageInfo[]> {
    return this.#images.list(filter);
  }
  getImage({ id }: ById): Promise<ImageInfo> {
    return this.#images.get(id);
  }
  createImage(input: Parameters<DiskServiceApi['createImage']>[0]): Promise<ImageInfo> {
    return this.#images.create(input);
  }
  async importImage(input: Parameters<DiskServiceApi['importImage']>[0]): Promise<TaskInfo> {
    if (statSync(input.path, { throwIfNoEntry: false })?.isFile() !== true)
      throw new VhdError('NOT_FOUND', `no such file: ${input.path}`);
    return this.#images.import(input);
  }
  sealImage({ id }: ById): Promise<ImageInfo> {
    return this.#images.seal(id);
  }
  setImageOwner(input: OwnerChange): Promise<ImageInfo> {
    return this.#images.setOwner(input);
  }
  describeImage(input: Parameters<DiskServiceApi['describeImage']>[0]): Promise<ImageInfo> {
    return this.#images.describe(input);
  }
  removeImage({ id }: ById): Promise<void> {
    return this.#images.remove(id);
  }
  checkImage(input: Parameters<DiskServiceApi['checkImage']>[0]): Promise<TaskInfo> {
    return this.#imageWork.start('image.check', input);
  }
  compactImage(input: ById): Promise<TaskInfo> {
    return this.#imageWork.start('image.compact', input);
  }
  repairImage(input: ById): Promise<TaskInfo> {
    return this.#imageWork.start('image.repair', input);
  }
  resizeImage(input: Parameters<DiskServiceApi['resizeImage']>[0]): Promise<TaskInfo> {
    return this.#imageWork.start('image.resize', input);
  }
  copyImage(input: Parameters<DiskServiceApi['copyImage']>[0]): Promise<TaskInfo> {
    return this.#copies.copy(input);
  }
  exportImage(input: Parameters<DiskServiceApi['exportImage']>[0]): Promise<TaskInfo> {
    return this.#copies.export(input);
  }
  async listExports(): Promise<readonly ExportedFile[]> {
    return this.#copies.list();
  }
  async removeExport({ id }: ById): Promise<void> {
    this.#copies.remove(id);
  }
  openImage({ id }: ById): Promise<ExportInfo> {
    return this.#images.whileUsed(id, () => this.#readOnly.openImage(id));
  }
  closeImage({ id }: ById): Promise<void> {
    return this.#readOnly.closeImage(id);
  }

  listDisks(filter?: ListFilter): Promise<readonly DiskInfo[]> {
    return this.#disks.list(filter);
  }
  getDisk({ id }: ById): Promise<DiskInfo> {
    return this.#disks.get(id);
  }
  createDisk(input: Parameters<DiskServiceApi['createDisk']>[0]): Promise<DiskInfo> {
    return this.#disks.create(input);
  }
  describeDisk(input: Parameters<DiskServiceApi['describeDisk']>[0]): Promise<DiskInfo> {
    return this.#disks.describe(input);
  }
  setDiskOwner(input: OwnerChange): Promise<DiskInfo> {
    return this.#disks.setOwner(input);
  }
  setSnapshotOwner(input: OwnerChange & { readonly snapshotId: string }): Promise<DiskInfo> {
    return this.#disks.setSnapshotOwner(input);
  }
  openDisk(input: OpenInput): Promise<ExportInfo> {
    return this.#disks.open(input);
  }
  closeDisk({ id, lease }: { readonly id: string; readonly lease?: number }): Promise<void> {
    return this.#disks.close(id, lease);
  }
  openSnapshot({ id, snapshotId }: { readonly id: string; readonly snapshotId: string }): Promise<ExportInfo> {
    return this.#readOnly.openSnapshot(id, snapshotId);
  }
  closeSnapshot({ id, snapshotId }: { readonly id: string; readonly snapshotId: string }): Promise<void> {
    return this.#readOnly.closeSnapshot(id, snapshotId);
  }
  removeDisk({ id, owner }: ById & ListFilter): Promise<void> {
    return this.#disks.remove(id, owner);
  }
  setRates({ id, rates }: { readonly id: string; readonly rates: DiskRates }): Promise<DiskInfo> {
    return this.#disks.setRates(id, rates);
  }
  diskStats({ id }: ById): Promise<DiskStats> {
    return this.#disks.stats(id);
  }

  snapshotDisks(input: Parameters<DiskServiceApi['snapshotDisks']>[0]): Promise<TaskInfo> {
    return this.#live.snapshot(input);
  }
  removeSnapshot(input: SnapshotRef): Promise<TaskInfo> {
    return this.#live.removeSnapshot(input);
  }
  mergeDown(input: SnapshotRef): Promise<TaskInfo> {
    return this.#live.mergeDown(input);
  }
  commitLeaf(input: { readonly id: string; readonly bytesPerSecond?: number }): Promise<TaskInfo> {
    return this.#live.commitLeaf(input);
  }
  discardLeaf({ id }: ById): Promise<TaskInfo> {
    return this.#live.discardLeaf(id);
  }
  growDisk({ id, sizeBytes }: { readonly id: string; readonly sizeBytes: number }): Promise<TaskInfo> {
    return this.#live.grow(id, sizeBytes);
  }
  reparentDisk(input: Parameters<DiskServiceApi['reparentDisk']>[0]): Promise<TaskInfo> {
    return this.#live.reparent(input);
  }

  compactDisk(input: ById): Promise<TaskInfo> {
    return this.#imageWork.start('disk.compact', input);
  }
  async checkDisk({ id }: ById): Promise<TaskInfo> {
    return checkDisk(id, this.#shared);
  }

  async listTasks(): Promise<readonly TaskInfo[]> {
    return this.#tasks.list();
  }
  async getTask({ id }: ById): Promise<TaskInfo> {
    return this.#tasks.get(id);
  }
  async cancelTask({ id }: ById): Promise<TaskInfo> {
    return this.#tasks.cancel(id);
  }

  watchTasks({ id }: { readonly id?: string } = {}, signal?: AbortSignal): AsyncIterable<WatchEvent<TaskInfo>> {
    return id === undefined ? this.#tasks.feed.follow(signal) : this.#tasks.watch(id, signal);
  }
  watchDisks(_input: object = {}, signal?: AbortSignal): AsyncIterable<WatchEvent<DiskInfo>> {
    return this.#feed.follow(signal);
  }

  #faultChanged(key: string, fault: Fault | null): void {
    this.#options.log(fault === null ? 'disk.recovered' : 'disk.fault', { disk: key, ...fault });
    if (this.#shared.records.disks().some(({ id }) => id === key)) this.#feed.changed(key);
  }
}
