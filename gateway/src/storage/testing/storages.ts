/** Storages for tests: real disk services in this process, a real store, and what stands on them. */
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { connectDiskService, type DiskServiceClient, type RunningDiskService, runDiskService } from '@oriel/vhd';
import { CheckpointStore } from '../../compute/checkpoints/checkpoint-store.ts';
import { VmStore } from '../../compute/vms/vm-store.ts';
import { openLog } from '../../log.ts';
import { EventHub, type PublishedEvent } from '../../platform/events/hub.ts';
import { openStore, type Store } from '../../platform/store/store.ts';
import { TaskStore } from '../../platform/tasks/task-store.ts';
import { Library } from '../library/library.ts';
import { StoredVmDisks } from '../library/vm-disks.ts';
import { Storages } from '../storages/storages.ts';
import { Sweeper } from '../storages/sweeper.ts';

const log = openLog({ level: 'silent' });

export class TestStorages {
  /** Short, because sockets lie in it. */
  readonly folder: string = mkdtempSync('/tmp/oriel-s-');
  readonly hub: EventHub = new EventHub();
  readonly #services = new Map<string, RunningDiskService>();
  readonly #clients: DiskServiceClient[] = [];
  store!: Store;
  storages!: Storages;
  library!: Library;
  disks!: StoredVmDisks;
  sweeper!: Sweeper;
  vms!: VmStore;
  tasks!: TaskStore;
  checkpoints!: CheckpointStore;

  socketOf(name: string): string {
    return path.join(this.folder, `${name}.sock`);
  }

  /** Starts a disk service, or starts it again on what it left. */
  async serve(name: string): Promise<void> {
    const running = await runDiskService({
      storage: path.join(this.folder, name),
      socketPath: this.socketOf(name),
      runFolder: path.join(this.folder, `${name}-run`),
      threads: 0,
      version: '1.2.3',
    });
    this.#services.set(name, running);
  }

  async stop(name: string): Promise<void> {
    await this.#services.get(name)?.close();
    this.#services.delete(name);
  }

  /** A client of its own, as another program would have. */
  client(name: string): DiskServiceClient {
    const client = connectDiskService(this.socketOf(name));
    this.#clients.push(client);
    return client;
  }

  /** With the first storage, `main`, served. */
  async open(): Promise<void> {
    this.store = await openStore({ folder: this.folder });
    await this.serve('main');
    this.storages = new Storages({
      db: this.store.db,
      hub: this.hub,
      log,
      now: Date.now,
      open: async ({ socketPath }) => connectDiskService(socketPath ?? this.socketOf('main'), { patienceMs: 20_000 }),
      retryFirstMs: 20,
    });
    await this.storages.open();
    await this.storages.tried();
    this.vms = new VmStore(this.store.db, Date.now);
    this.checkpoints = new CheckpointStore(this.store.db, Date.now);
    this.tasks = new TaskStore(this.store.db);
    const { storages, hub, vms, tasks } = this;
    const holderOf = (reference: string) => vms.holderOf(reference);
    this.library = new Library({ storages, hub, holderOf, holders: () => vms.holders() });
    this.disks = new StoredVmDisks({ storages, library: this.library, discFolder: this.folder });
    this.sweeper = new Sweeper({ vms, checkpoints: this.checkpoints, tasks, storages, log });
  }

  /** Resolves with the first event for which `find` gives something; listens from now on. */
  next<T>(find: (event: PublishedEvent['event']) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const end = this.hub.subscribe(({ event }) => {
        const found = find(event);
        if (found === undefined) return;
        end();
        resolve(found);
      });
    });
  }

  async close(): Promise<void> {
    this.library.close();
    await this.storages.close();
    for (const client of this.#clients) client.disconnect();
    for (const name of this.#services.keys()) await this.stop(name);
    await this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
