/**
 * The disk service: a storage folder, the disks in it that are open, and the verbs on them. One process owns a folder;
 * the sockets of its disks keep their paths over a restart, so QEMU finds them again.
 */
import { mkdirSync, realpathSync, statfsSync, statSync } from 'node:fs';
import { VhdError } from '../errors.ts';
import { fileError } from '../storage/file.ts';
import type {
  ById,
  DiskInfo,
  DiskRates,
  DiskServiceApi,
  DiskServiceStreams,
  DiskStats,
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
import { Disks, type OpenInput } from './disks/disks.ts';
import { Images } from './disks/images.ts';
import { ReadOnlyExports } from './disks/read-only-exports.ts';
import type { Shared } from './disks/shared.ts';
import { LiveChanges, type SnapshotRef } from './live/live.ts';
import { Feed } from './state/feed.ts';
import { Records } from './state/records.ts';
import { takeReserve } from './state/reserve.ts';
import { makeRunFolder } from './state/run-folder.ts';
import { lockStorage } from './state/storage-lock.ts';
import { TaskBook } from './state/task-book.ts';
import { HostPool } from './threads/host-pool.ts';

export interface DiskServiceOptions {
  /** The folder that holds images and disks. */
  readonly storage: string;
  /** Where the control API listens; part of the message that refuses a second service. */
  readonly socketPath: string;
  /** Folder of the disks' sockets. */
  readonly runFolder: string;
  /** Threads that serve disks; 0 serves in this one. */
  readonly threads: number;
  readonly version: string;
  /** The address and the certificates for other machines; absent: this machine only. */
  readonly remote?: Shared['remote'];
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class DiskService implements DiskServiceApi, DiskServiceStreams {
  readonly #options: DiskServiceOptions;
  readonly #storage: string;
  readonly #unlock: () => void;
  readonly #pool: HostPool;
  readonly #tasks: TaskBook;
  readonly #shared: Shared;
  readonly #images: Images;
  readonly #disks: Disks;
  readonly #live: LiveChanges;
  readonly #readOnly: ReadOnlyExports;
  readonly #feed: Feed<DiskInfo> = new Feed<DiskInfo>({
    all: () => this.#disks.list(),
    get: (id) => this.#disks.find(id),
  });
  readonly #startedAt = new Date().toISOString();
  #onStop: () => void = () => {};
  /** Settles when the service has been asked to stop and has. */
  readonly stopped: Promise<void>;

  private constructor(options: DiskServiceOptions) {
    this.#options = options;
    try {
      mkdirSync(options.storage, { recursive: true, mode: 0o700 });
      this.#storage = realpathSync(options.storage);
    } catch (cause) {
      throw fileError(cause, `cannot use ${options.storage}`);
    }
    const runFolder = makeRunFolder(options.runFolder);
    this.#unlock = lockStorage(this.#storage, options.socketPath);
    const records = new Records(this.#storage, (id) => this.#feed.changed(id));
    this.#pool = new HostPool({
      threads: options.threads,
      onFault: (key, fault) => this.#faultChanged(key, fault),
      onLost: (keys, reason) =>
        void this.#disks.lost(keys, reason).then(() => keys.forEach((key) => this.#feed.changed(key))),
    });
    this.#tasks = new TaskBook(records.tasksFolder);
    const { log, remote } = options;
    const shared: Shared = {
      storage: this.#storage,
      runFolder,
      records,
      pool: this.#pool,
      tasks: this.#tasks,
      log,
      ...(remote === undefined ? {} : { remote }),
    };
    this.#shared = shared;
    this.#images = new Images(shared);
    this.#disks = new Disks(shared, this.#images);
    this.#readOnly = new ReadOnlyExports(shared);
    this.#live = new LiveChanges(shared, this.#disks);
    this.stopped = new Promise((done) => {
      this.#onStop = done;
    });
  }

  /** Takes the folder and serves again what was open. Errors: LOCKED, READ_ONLY, USAGE, IO. */
  static async start(options: DiskServiceOptions): Promise<DiskService> {
    const service = new DiskService(options);
    try {
      await service.#live.recover();
      await service.#disks.reopen();
    } catch (error) {
      service.#unlock();
      throw error;
    }
    takeReserve(service.#storage);
    service.#live.resume();
    for (const { info } of service.#tasks.interrupted()) service.#tasks.interrupt(info.id, 'the service was restarted');
    return service;
  }

  health(): Promise<ServiceHealth> {
    const space = statfsSync(this.#storage);
    return Promise.resolve({
      version: this.#options.version,
      pid: process.pid,
      storage: this.#storage,
      startedAt: this.#startedAt,
      freeBytes: space.bavail * space.bsize,
      openDisks: this.#disks.openCount,
      runningTasks: this.#tasks.runningCount,
      rssBytes: process.memoryUsage.rss(),
    });
  }

  async stop(): Promise<void> {
    try {
      await this.#tasks.stop();
      this.#feed.close();
      await this.#disks.stop();
      await this.#readOnly.stop();
    } finally {
      await this.#pool.stop();
      this.#unlock();
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
  removeImage({ id }: ById): Promise<void> {
    return this.#images.remove(id);
  }
  openImage({ id }: ById): Promise<ExportInfo> {
    return this.#readOnly.openImage(id);
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
