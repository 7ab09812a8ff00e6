/** A disk service on files in memory, whose exports are used without sockets: what clients' requests go through is all there. */
import type { Disk } from '../../disk.ts';
import type { ExportSource } from '../../nbd/connection.ts';
import type { Storage } from '../../storage/storage.ts';
import { hasEnded, type TaskInfo } from '../control/task.ts';
import { DiskService } from '../service.ts';

export const FOLDER = '/storage';

export class MemoryService {
  readonly api: DiskService;
  readonly #sources: ReadonlyMap<string, ExportSource>;

  private constructor(api: DiskService, sources: ReadonlyMap<string, ExportSource>) {
    this.api = api;
    this.#sources = sources;
  }

  static async start(storage: Storage): Promise<MemoryService> {
    const sources = new Map<string, ExportSource>();
    const api = await DiskService.start({
      folder: { path: FOLDER, freeBytes: () => 1 << 30, reserve: () => undefined, release: () => undefined },
      storage,
      runFolder: '/run',
      threads: 0,
      listen: (source, { socketPath = '' }) => {
        sources.set(socketPath, source);
        return Promise.resolve({ port: undefined, uri: () => '', connections: 0, close: () => Promise.resolve() });
      },
      version: 'test',
      log: () => undefined,
    });
    return new MemoryService(api, sources);
  }

  /** What a client of the disk reads and writes. */
  diskOf(id: string): Disk {
    return this.#find(`/run/${id}.sock`);
  }

  /** Serves a snapshot meanwhile. */
  async whileSnapshot<T>(id: string, snapshotId: string, work: (disk: Disk) => T | Promise<T>): Promise<T> {
    const { socketPath } = await this.api.openSnapshot({ id, snapshotId });
    try {
      return await work(this.#find(socketPath));
    } finally {
      await this.api.closeSnapshot({ id, snapshotId });
    }
  }

  /** Settles when a task has ended. */
  async ended(id: string): Promise<TaskInfo> {
    for await (const event of this.api.watchTasks({ id })) {
      const task = event.kind === 'all' ? event.all[0] : event.kind === 'changed' ? event.item : undefined;
      if (task !== undefined && hasEnded(task)) return task;
    }
    throw new Error(`the service stopped before task ${id} ended`);
  }

  #find(socketPath: string): Disk {
    const source = this.#sources.get(socketPath);
    const target = source?.find(source.names()[0] ?? '');
    if (target === undefined) throw new Error(`nothing is served on ${socketPath}`);
    return target.disk;
  }
}
