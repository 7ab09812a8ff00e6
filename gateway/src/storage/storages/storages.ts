/** The storages: rows of the store, each with a disk service that is kept connected and followed. */
import type { DiskInfo, DiskServiceClient } from '@oriel/vhd';
import type { Kysely } from 'kysely';
import {
  STORAGE_LIMITS,
  STORAGE_TOPIC,
  type Storage,
  type StorageCreate,
  type StorageEdit,
} from '../../../api/storage.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import type { Database } from '../../platform/store/database.ts';
import { uniqueOr } from '../../platform/store/store.ts';
import type { StorageRow } from '../../platform/store/tables/storages.ts';
import { iso } from '../../platform/store/time.ts';
import { FIRST_STORAGE, placeOf, referenceOf } from './reference.ts';
import { StorageConnection } from './storage-connection.ts';

/** A client of the disk service of a storage; the composition root knows where each is, and starts the first one's. */
export type OpenStorage = (storage: {
  readonly id: string;
  readonly socketPath: string | null;
}) => Promise<DiskServiceClient>;

export interface StoragesOptions {
  readonly db: Kysely<Database>;
  readonly hub: EventHub;
  readonly log: Logger;
  readonly now: () => number;
  readonly open: OpenStorage;
  readonly retryFirstMs?: number;
}

/** A disk (by its reference) changed or went, or, without one, the storage itself did. */
export type StoragesListener = (storageId: string, reference: string | undefined) => void;

interface Entry {
  row: StorageRow;
  readonly connection: StorageConnection;
}

/** Where a disk, image or snapshot lies, and who answers for it there. */
export interface Located {
  readonly client: DiskServiceClient;
  readonly id: string;
  readonly storageId: string;
}

export class Storages {
  readonly #options: StoragesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<StoragesListener>();
  /** What no owner claims, by storage, as the sweeper last saw it. */
  readonly #orphans = new Map<string, number>();

  constructor(options: StoragesOptions) {
    this.#options = options;
  }

  /** Loads the rows, with the one of the data folder made where there is none, and starts to connect; waits for nobody. */
  async open(): Promise<void> {
    const { db, now } = this.#options;
    const first: StorageRow = {
      id: FIRST_STORAGE,
      name: 'Data folder',
      socket_path: null,
      revision: 1,
      created_at: now(),
    };
    await db
      .insertInto('storages')
      .values(first)
      .onConflict((c) => c.column('id').doNothing())
      .execute();
    for (const row of await db.selectFrom('storages').selectAll().orderBy('name').execute()) this.#connect(row);
  }

  /** Resolves when every storage has been tried once. */
  async tried(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ connection }) => connection.tried()));
  }

  subscribe(listener: StoragesListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  list(): readonly Storage[] {
    return [...this.#entries.values()].map((entry) => this.#viewOf(entry));
  }

  get(id: string): Storage {
    return this.#viewOf(this.#entry(id));
  }

  ids(): readonly string[] {
    return [...this.#entries.keys()];
  }

  nameOf(id: string): string {
    return this.#entries.get(id)?.row.name ?? id;
  }

  /** Undefined while its disk service does not answer. */
  client(id: string): DiskServiceClient | undefined {
    return this.#entry(id).connection.client;
  }

  requireClient(id: string): DiskServiceClient {
    const client = this.client(id);
    if (client === undefined)
      throw new GatewayError('UNAVAILABLE', `the disk service of storage ${this.nameOf(id)} does not answer`);
    return client;
  }

  /** Its folder, on the gateway's machine. Errors: UNAVAILABLE. */
  folderOf(id: string): string {
    this.requireClient(id);
    const { state } = this.#entry(id).connection;
    return state.state === 'connected' ? state.health.storage : '';
  }

  /** The disks of a storage as it last told of them. */
  disks(id: string): readonly DiskInfo[] {
    return [...this.#entry(id).connection.disks.values()];
  }

  /** One of them, by its reference. */
  seen(reference: string): DiskInfo | undefined {
    const { storageId, id } = placeOf(reference);
    return this.#entries.get(storageId)?.connection.disks.get(id);
  }

  /** Errors: NOT_FOUND: no such storage; UNAVAILABLE: it does not answer. */
  locate(reference: string): Located {
    const { storageId, id } = placeOf(reference);
    if (!this.#entries.has(storageId))
      throw new GatewayError('NOT_FOUND', `nothing in the library has the id ${reference}`);
    return { client: this.requireClient(storageId), id, storageId };
  }

  async create(asked: StorageCreate): Promise<Storage> {
    if (STORAGE_LIMITS.storages <= this.#entries.size)
      throw new GatewayError('TOO_MANY', `there are ${this.#entries.size} storages already`);
    const { db, now } = this.#options;
    const row: StorageRow = {
      id: asked.id,
      name: asked.name,
      socket_path: asked.socketPath,
      revision: 1,
      created_at: now(),
    };
    await db
      .insertInto('storages')
      .values(row)
      .execute()
      .catch(uniqueOr(`there is a storage ${asked.id}, of this name, or on this socket already`));
    const entry = this.#connect(row);
    await entry.connection.tried();
    return this.#viewOf(entry);
  }

  async edit(id: string, change: StorageEdit): Promise<Storage> {
    const entry = this.#entry(id);
    const row: StorageRow = { ...entry.row, name: change.name ?? entry.row.name, revision: entry.row.revision + 1 };
    await this.#options.db
      .updateTable('storages')
      .set({ name: row.name, revision: row.revision })
      .where('id', '=', id)
      .execute()
      .catch(uniqueOr(`there is a storage ${row.name} already`));
    entry.row = row;
    this.#changed(id, undefined);
    return this.#viewOf(entry);
  }

  /** Forgets a storage; what lies in it stays there. Errors: CONFLICT while a VM has a disk of it. */
  async remove(id: string): Promise<void> {
    const { row, connection } = this.#entry(id);
    if (id === FIRST_STORAGE) throw new GatewayError('CONFLICT', 'the storage in the data folder is always there');
    const { db, hub } = this.#options;
    const { count } = await db
      .selectFrom('vm_disks')
      .select((e) => e.fn.countAll<number>().as('count'))
      .where('disk_id', 'like', `${id}:%`)
      .executeTakeFirstOrThrow();
    if (0 < Number(count)) throw new GatewayError('CONFLICT', `VMs have ${count} disks in storage ${row.name}`);
    await db.deleteFrom('storages').where('id', '=', id).execute();
    this.#entries.delete(id);
    await connection.close();
    hub.publish(STORAGE_TOPIC, { kind: 'removed', id }, { right: 'settings' });
  }

  /** What the sweeper saw last. */
  noteOrphans(id: string, count: number): void {
    if (!this.#entries.has(id) || this.#orphans.get(id) === count) return;
    this.#orphans.set(id, count);
    this.#changed(id, undefined);
  }

  /** OUTLIVE: lets go of all of them; their disk services serve on. */
  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ connection }) => connection.close()));
  }

  #connect(row: StorageRow): Entry {
    const { open, retryFirstMs } = this.#options;
    const connection = new StorageConnection({
      open: () => open({ id: row.id, socketPath: row.socket_path }),
      log: this.#options.log.child({ storage: row.id }),
      onChange: (id) => this.#changed(row.id, id),
      ...(retryFirstMs === undefined ? {} : { retryFirstMs }),
    });
    const entry = { row, connection };
    this.#entries.set(row.id, entry);
    connection.start();
    return entry;
  }

  #changed(storageId: string, diskId: string | undefined): void {
    const entry = this.#entries.get(storageId);
    if (entry === undefined) return;
    const { hub } = this.#options;
    hub.publish(STORAGE_TOPIC, { kind: 'changed', id: storageId, data: this.#viewOf(entry) }, { right: 'settings' });
    const reference = diskId === undefined ? undefined : referenceOf({ storageId, id: diskId });
    for (const listener of this.#listeners) listener(storageId, reference);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new GatewayError('NOT_FOUND', `no storage ${id}`);
    return entry;
  }

  #viewOf({ row, connection }: Entry): Storage {
    const { state } = connection;
    const disks = [...connection.disks.values()];
    const openDisks = disks.filter((disk) => disk.state.state === 'open' || disk.state.state === 'faulted').length;
    return {
      id: row.id,
      name: row.name,
      state: state.state,
      reason: state.state === 'unreachable' ? state.reason : null,
      info:
        state.state === 'connected'
          ? { version: state.health.version, freeBytes: state.health.freeBytes, openDisks }
          : null,
      diskCount: disks.length,
      storedBytes: disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      faultedCount: disks.filter((disk) => disk.state.state === 'faulted').length,
      brokenCount: disks.filter((disk) => disk.state.state === 'broken').length,
      orphanCount: this.#orphans.get(row.id) ?? 0,
      createdAt: iso(row.created_at),
      revision: row.revision,
    };
  }
}
