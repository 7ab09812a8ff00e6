/** Disks: records of chains, and which of them are open where. Live changes of a chain are in `live.ts`. */
import { join } from 'node:path';
import { VhdError } from '../../errors.ts';
import { createChild, createImage } from '../../ops/create.ts';
import type {
  DiskInfo,
  DiskRates,
  DiskServiceApi,
  DiskSource,
  DiskStats,
  ExportInfo,
  ListFilter,
  OwnerChange,
} from '../control/api.ts';
import { requireOwner } from '../control/ids.ts';
import { KeyedLock } from '../state/keyed-lock.ts';
import { type DiskRecord, type OpenRecord, snapshotOf } from '../state/records.ts';
import type { Lease, NamedLink, OpenDiskReport, RemoteAddress } from '../threads/open-disk.ts';
import { requireNoBranches } from './branches.ts';
import { DiskViews } from './disk-views.ts';
import { exportInfo } from './export-info.ts';
import type { Images } from './images.ts';
import type { Shared } from './shared.ts';
import { whileFolding } from './while-folding.ts';

/** How a disk is to be served. */
export interface OpenInput {
  readonly id: string;
  readonly mode?: 'write' | 'read';
  readonly isHandover?: boolean;
  readonly isRemote?: boolean;
}

export class Disks {
  readonly lock: KeyedLock = new KeyedLock();
  /** What changes a chain now, by disk: one change at a time. */
  readonly busy: Map<string, string> = new Map();
  readonly #shared: Shared;
  readonly #images: Images;
  readonly #views: DiskViews;
  /** Disks whose leaf is read or rewritten as a file: they stay closed. */
  readonly #shut = new Set<string>();

  constructor(shared: Shared, images: Images) {
    this.#shared = shared;
    this.#images = images;
    this.#views = new DiskViews(shared);
  }

  get openCount(): number {
    return this.#shared.records.disks().filter(({ id }) => this.#shared.pool.isOpen(id)).length;
  }

  /** After a start: serves again, under the same leases and addresses, what was open when the service ended. */
  async reopen(): Promise<void> {
    const open = this.#shared.records.disks().filter((record) => record.open !== null);
    await Promise.all(
      open.map((record) =>
        this.#serve(record, record.open as OpenRecord).catch((error: unknown) => {
          this.#shared.log('disk.reopen-failed', { disk: record.id, error: String(error) });
        }),
      ),
    );
  }

  async list({ owner }: ListFilter = {}): Promise<readonly DiskInfo[]> {
    const records = this.#shared.records.disks().filter((one) => owner === undefined || one.owner === owner);
    return Promise.all(records.map((record) => this.#views.of(record)));
  }

  async get(id: string): Promise<DiskInfo> {
    return this.#views.of(this.#shared.records.disk(id));
  }

  /** How a disk is now, for those who follow it; `undefined` for one that is gone. */
  async find(id: string): Promise<DiskInfo | undefined> {
    const record = this.#shared.records.disks().find((one) => one.id === id);
    return record === undefined ? undefined : this.#views.of(record);
  }

  create(input: Parameters<DiskServiceApi['createDisk']>[0]): Promise<DiskInfo> {
    const { source } = input;
    const id = this.#shared.records.newDiskId(input.id, input.name);
    const create = (): Promise<DiskInfo> => this.lock.run(id, () => this.#create(id, input));
    if (source.from === 'snapshot') return this.#whileStoodOn(source.diskId, create);
    // An image is not removed while a disk is made of it.
    return source.from === 'image' ? this.#images.whileUsed(source.imageId, create) : create();
  }

  /** What a disk is being made from is not folded away meanwhile. Errors: NOT_FOUND, IN_PROGRESS. */
  async #whileStoodOn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const free = this.#claim(id, 'disk.branch');
    try {
      return await work();
    } finally {
      free();
    }
  }

  /** Keeps the links of a disk as they are until what it gives is called. Errors: NOT_FOUND, IN_PROGRESS. */
  #claim(id: string, kind: string): () => void {
    this.#shared.records.disk(id);
    const other = this.busy.get(id);
    if (other !== undefined) throw new VhdError('IN_PROGRESS', `disk ${id} is busy with ${other}`);
    this.busy.set(id, kind);
    return () => void this.busy.delete(id);
  }

  /** The same for one of its snapshots, beside which the disk may be open. */
  claimSnapshot(id: string, snapshotId: string, kind: string): () => void {
    snapshotOf(this.#shared.records.disk(id), snapshotId);
    return this.#claim(id, kind);
  }

  /** The same for the leaf too: nobody opens the disk meanwhile. Errors: LOCKED: it is open. */
  claimClosed(id: string, kind: string): Promise<() => void> {
    return this.lock.run(id, async () => {
      const { records, pool } = this.#shared;
      if (records.disk(id).open !== null || pool.isOpen(id)) throw new VhdError('LOCKED', `disk ${id} is open`);
      const free = this.#claim(id, kind);
      this.#shut.add(id);
      return () => {
        this.#shut.delete(id);
        free();
      };
    });
  }

  async #create(id: string, input: Parameters<DiskServiceApi['createDisk']>[0]): Promise<DiskInfo> {
    const { records, storage } = this.#shared;
    const { source } = input;
    const image = source.from === 'image' ? await this.#images.get(source.imageId) : undefined;
    if (image?.health.state === 'broken') throw new VhdError('DAMAGED', `image ${image.id}: ${image.health.message}`);
    const branchOf = source.from === 'snapshot' ? this.#trunkOf(source) : null;
    await records.makeDiskFolder(id);
    const links = ['0001.vhd'];
    const path = join(records.diskFolder(id), '0001.vhd');
    const made =
      source.from === 'blank'
        ? await createImage(path, { sizeBytes: source.sizeBytes, storage })
        : await createChild(path, {
            storage,
            parent: this.#parentPath(source),
            ...('sizeBytes' in source && source.sizeBytes !== undefined ? { sizeBytes: source.sizeBytes } : {}),
          });
    const record: DiskRecord = {
      id,
      name: input.name,
      description: '',
      imageId: source.from === 'image' ? source.imageId : null,
      baseFile: source.from === 'file' ? source.path : null,
      branchOf,
      links,
      sizeBytes: made.sizeBytes,
      snapshots: [],
      lease: 0,
      open: null,
      rates: {},
      owner: input.owner ?? null,
      createdAt: new Date().toISOString(),
    };
    await records.addDisk(record);
    return this.#views.of(record);
  }

  /** Errors: NOT_FOUND. */
  #trunkOf({ diskId, snapshotId }: Extract<DiskSource, { from: 'snapshot' }>): DiskRecord['branchOf'] {
    return { disk: diskId, file: snapshotOf(this.#shared.records.disk(diskId), snapshotId).file };
  }

  #parentPath(source: Exclude<DiskSource, { from: 'blank' }>): string {
    const { records } = this.#shared;
    switch (source.from) {
      case 'image':
        return records.imagePath(source.imageId);
      case 'file':
        return source.path;
      case 'snapshot': {
        const trunk = records.disk(source.diskId);
        return records.diskPath(trunk, snapshotOf(trunk, source.snapshotId).file);
      }
    }
  }

  /** ONE-WRITER: the lease is stored before it is given, and the older one is cut off before this returns. */
  open({ id, mode = 'write', isHandover = false, isRemote = false }: OpenInput): Promise<ExportInfo> {
    return this.lock.run(id, async () => {
      const { records, runFolder, remote } = this.#shared;
      if (isRemote && remote === undefined)
        throw new VhdError('UNSUPPORTED', 'the service was started without an address for other machines');
      if (this.#shut.has(id)) throw new VhdError('IN_PROGRESS', `disk ${id} is busy with ${this.busy.get(id)}`);
      const before = records.disk(id);
      const lease = before.lease + 1;
      const socketPath = before.open?.socketPath ?? join(runFolder, `${id}.sock`);
      const port = isRemote ? { port: before.open?.port ?? 0 } : {};
      let open: OpenRecord = { lease, mode, exportName: `${id}.${lease}`, socketPath, ...port };
      const record = await records.changeDisk(id, { lease, open });
      try {
        const report = await this.#serve(record, open, isHandover);
        if (report.port !== null && open.port !== undefined && open.port !== report.port) {
          open = { ...open, port: report.port };
          await records.changeDisk(id, { open });
        }
      } catch (error) {
        if (!this.#shared.pool.isOpen(id)) await records.changeDisk(id, { open: null });
        throw error;
      } finally {
        this.#shared.onDisk(id);
      }
      return exportInfo(record, open, this.#shared.remote?.host);
    });
  }

  close(id: string, lease: number | undefined): Promise<void> {
    return this.lock.run(id, async () => {
      const { records, pool } = this.#shared;
      const record = records.disk(id);
      if (lease !== undefined && lease !== record.lease) {
        throw new VhdError('LEASE_LOST', `lease ${lease} of disk ${id} is not the current one, ${record.lease}`);
      }
      await records.changeDisk(id, { open: null });
      this.#views.problems.delete(id);
      if (!pool.isOpen(id)) return;
      try {
        await pool.of(id).close(id);
      } finally {
        pool.unseat(id);
        this.#shared.onDisk(id);
      }
    });
  }

  describe(input: Parameters<DiskServiceApi['describeDisk']>[0]): Promise<DiskInfo> {
    const { id, snapshotId, name, description } = input;
    const change = { ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) };
    return this.lock.run(id, async () => {
      const { records } = this.#shared;
      if (snapshotId === undefined) return this.#views.of(await records.changeDisk(id, change));
      snapshotOf(records.disk(id), snapshotId);
      const record = await records.changeDisk(id, ({ snapshots }) => ({
        snapshots: snapshots.map((one) => (one.id === snapshotId ? { ...one, ...change } : one)),
      }));
      return this.#views.of(record);
    });
  }

  setOwner({ id, owner, from }: OwnerChange): Promise<DiskInfo> {
    return this.lock.run(id, async () => {
      const { records } = this.#shared;
      requireOwner(`disk ${id}`, records.disk(id).owner, from);
      return this.#views.of(await records.changeDisk(id, { owner }));
    });
  }

  /** Errors: NOT_FOUND, NOT_OWNER. */
  setSnapshotOwner({ id, snapshotId, owner, from }: OwnerChange & { readonly snapshotId: string }): Promise<DiskInfo> {
    return this.lock.run(id, async () => {
      const { records } = this.#shared;
      requireOwner(`snapshot ${snapshotId}`, snapshotOf(records.disk(id), snapshotId).owner, from);
      const record = await records.changeDisk(id, ({ snapshots }) => ({
        snapshots: snapshots.map((one) => (one.id === snapshotId ? { ...one, owner } : one)),
      }));
      return this.#views.of(record);
    });
  }

  remove(id: string, owner: ListFilter['owner']): Promise<void> {
    return this.lock.run(id, async () => {
      const { records, pool } = this.#shared;
      const record = records.disk(id);
      requireOwner(`disk ${id}`, record.owner, owner);
      if (record.open !== null || pool.isOpen(id)) throw new VhdError('LOCKED', `disk ${id} is open`);
      const change = this.busy.get(id);
      if (change !== undefined) throw new VhdError('IN_PROGRESS', `disk ${id} is busy with ${change}`);
      requireNoBranches(records.disks(), id);
      await records.dropDisk(id);
      this.#views.problems.delete(id);
    });
  }

  setRates(id: string, rates: DiskRates): Promise<DiskInfo> {
    return this.lock.run(id, async () => {
      const { records, pool } = this.#shared;
      const record = await records.changeDisk(id, { rates });
      if (pool.isOpen(id)) await pool.of(id).setRates(id, rates);
      return this.#views.of(record);
    });
  }

  async stats(id: string): Promise<DiskStats> {
    this.#shared.records.disk(id);
    const { stats, connections } = await this.#shared.pool.of(id).report(id);
    return { id, connections, ...stats };
  }

  /** A thread died: its disks are served again by another, which QEMU waits for like for a restart. */
  async lost(keys: readonly string[], reason: string): Promise<void> {
    this.#shared.log('thread.lost', { disks: keys, reason });
    for (const id of keys) {
      await this.lock
        .run(id, async () => {
          const record = this.#shared.records.disks().find((one) => one.id === id);
          if (record?.open === null || record?.open === undefined) return;
          // The lock names this process, which lives: but the thread that held it does not.
          this.#shared.storage.remove(`${this.#shared.records.diskPath(record)}.lock`);
          await this.#serve(record, record.open);
        })
        .catch((error: unknown) => this.#shared.log('disk.reopen-failed', { disk: id, error: String(error) }));
    }
  }

  /** For a shutdown: closes every chain, and remembers what was open. */
  async stop(): Promise<void> {
    const { pool, records, log } = this.#shared;
    await Promise.all(
      records.disks().map(({ id }) =>
        this.lock.run(id, async () => {
          if (!pool.isOpen(id)) return;
          await pool
            .of(id)
            .close(id)
            .catch((error: unknown) => log('disk.close-failed', { disk: id, error: String(error) }));
          pool.unseat(id);
        }),
      ),
    );
  }

  /** The snapshots by the paths of their links, as the metadata contexts need them. */
  namedLinks(record: DiskRecord): readonly NamedLink[] {
    return record.snapshots.map(({ id, file }) => ({ name: id, path: this.#shared.records.diskPath(record, file) }));
  }

  async #serve(record: DiskRecord, open: OpenRecord, isHandover: boolean = false): Promise<OpenDiskReport> {
    const { pool, records } = this.#shared;
    const { id } = record;
    const lease: Lease = { number: open.lease, mode: open.mode, exportName: open.exportName, isHandover };
    const remote = this.#remoteOf(open);
    try {
      await this.#closeReadOnly(id, open.mode);
      const report = pool.isOpen(id)
        ? await pool.of(id).lease(id, lease, remote)
        : await whileFolding(
            () => this.busy.has(id),
            () =>
              pool.seat(id).open({
                key: id,
                path: records.diskPath(record),
                folders: records.folders(record),
                isReadOnly: open.mode === 'read',
                socketPath: open.socketPath,
                rates: record.rates,
                snapshots: this.namedLinks(record),
                lease,
                ...(remote === undefined ? {} : { remote }),
              }),
          );
      this.#views.problems.delete(id);
      return report;
    } catch (error) {
      const code = error instanceof VhdError ? error.code : 'SERVICE';
      this.#views.problems.set(id, { code, message: error instanceof Error ? error.message : String(error) });
      if (!(await this.#isServed(id))) pool.unseat(id);
      throw error;
    }
  }

  /** A chain that was opened to be read has to be opened anew to be written. */
  async #closeReadOnly(id: string, mode: 'write' | 'read'): Promise<void> {
    const { pool } = this.#shared;
    if (mode === 'read' || (await this.#views.report(id))?.isReadOnly !== true) return;
    await pool.of(id).close(id);
    pool.unseat(id);
  }

  #remoteOf(open: OpenRecord): RemoteAddress | undefined {
    const { remote } = this.#shared;
    return open.port === undefined || remote === undefined ? undefined : { ...remote, port: open.port };
  }

  async #isServed(id: string): Promise<boolean> {
    return (await this.#views.report(id)) !== undefined;
  }
}
