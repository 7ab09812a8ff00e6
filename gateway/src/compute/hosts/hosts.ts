/** The hosts: rows of the store, each with a connection that is kept up. */
import { randomUUID } from 'node:crypto';
import type { HostDriver, VmId, VmObservation } from '@oriel/hosts';
import type { Kysely } from 'kysely';
import {
  HOST_TOPIC,
  type Host,
  type HostConfig,
  type HostCreate,
  type HostEdit,
  type HostKind,
} from '../../../api/host.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import type { Database } from '../../platform/store/database.ts';
import { uniqueOr } from '../../platform/store/store.ts';
import type { HostRow } from '../../platform/store/tables/hosts.ts';
import { iso } from '../../platform/store/time.ts';
import { HostConnection } from './connection.ts';

export const HOST_LIMITS = { hosts: 500 } as const;

/** Makes a driver for a row. The composition root knows which kinds there are. */
export type OpenDriver = (host: {
  readonly id: string;
  readonly name: string;
  readonly config: HostConfig;
}) => Promise<HostDriver>;

export interface HostsOptions {
  readonly db: Kysely<Database>;
  readonly hub: EventHub;
  readonly log: Logger;
  readonly now: () => number;
  readonly kinds: Readonly<Partial<Record<HostKind, OpenDriver>>>;
  readonly retryFirstMs?: number;
}

/** A VM changed on a host, or (without a VM) the host itself did. */
export type HostListener = (hostId: string, vm: VmId | undefined) => void;

interface Entry {
  row: HostRow;
  readonly connection: HostConnection;
}

export class Hosts {
  readonly #options: HostsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<HostListener>();

  constructor(options: HostsOptions) {
    this.#options = options;
  }

  /** Loads the rows and starts to connect; does not wait for any host. */
  async open(): Promise<void> {
    for (const row of await this.#options.db.selectFrom('hosts').selectAll().orderBy('name').execute())
      this.#connect(row);
  }

  /** Resolves when every host has been tried once. */
  async tried(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ connection }) => connection.tried()));
  }

  subscribe(listener: HostListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  list(): readonly Host[] {
    return [...this.#entries.values()].map((entry) => this.#hostOf(entry)).sort((a, b) => a.name.localeCompare(b.name));
  }

  get(id: string): Host {
    return this.#hostOf(this.#entry(id));
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  nameOf(id: string): string {
    return this.#entries.get(id)?.row.name ?? id;
  }

  /** Undefined while the host is not connected. */
  driver(id: string): HostDriver | undefined {
    return this.#entries.get(id)?.connection.driver;
  }

  requireDriver(id: string): HostDriver {
    const driver = this.driver(id);
    if (driver === undefined) throw new GatewayError('UNAVAILABLE', `host ${this.nameOf(id)} is not connected`);
    return driver;
  }

  connection(id: string): HostConnection {
    return this.#entry(id).connection;
  }

  isInMaintenance(id: string): boolean {
    return this.#entries.get(id)?.row.maintenance === 1;
  }

  observation(hostId: string, vm: string): VmObservation | undefined {
    return this.#entries.get(hostId)?.connection.vms.get(vm as VmId);
  }

  /** `id`: chosen before, by a plan that may come here twice. */
  async create(asked: HostCreate, id: string = randomUUID()): Promise<Host> {
    if (HOST_LIMITS.hosts <= this.#entries.size)
      throw new GatewayError('TOO_MANY', `there are ${this.#entries.size} hosts already`);
    if (this.#options.kinds[asked.kind] === undefined) {
      throw new GatewayError('NOT_SUPPORTED', `this gateway has no driver of kind ${asked.kind}`);
    }
    const row: HostRow = {
      id,
      name: asked.name,
      kind: asked.kind,
      config: JSON.stringify(asked.config),
      maintenance: 0,
      revision: 1,
      created_at: this.#options.now(),
    };
    await this.#options.db
      .insertInto('hosts')
      .values(row)
      .execute()
      .catch(uniqueOr(`there is a host ${asked.name} already`));
    const entry = this.#connect(row);
    this.#changed(row.id, undefined);
    return this.#hostOf(entry);
  }

  async edit(id: string, change: HostEdit): Promise<Host> {
    const entry = this.#entry(id);
    const row: HostRow = {
      ...entry.row,
      name: change.name ?? entry.row.name,
      maintenance: change.isInMaintenance === undefined ? entry.row.maintenance : Number(change.isInMaintenance),
      revision: entry.row.revision + 1,
    };
    await this.#options.db
      .updateTable('hosts')
      .set({ name: row.name, maintenance: row.maintenance, revision: row.revision })
      .where('id', '=', id)
      .execute()
      .catch(uniqueOr(`there is a host ${row.name} already`));
    entry.row = row;
    this.#changed(id, undefined);
    return this.#hostOf(entry);
  }

  async remove(id: string): Promise<void> {
    const { row, connection } = this.#entry(id);
    const { count } = await this.#options.db
      .selectFrom('vms')
      .select((e) => e.fn.countAll<number>().as('count'))
      .where('host_id', '=', id)
      .executeTakeFirstOrThrow();
    if (0 < Number(count)) throw new GatewayError('CONFLICT', `host ${row.name} still has ${count} VMs`);
    await this.#options.db.deleteFrom('hosts').where('id', '=', id).execute();
    this.#entries.delete(id);
    await connection.close();
    this.#options.hub.publish(HOST_TOPIC, { kind: 'removed', id }, { right: 'settings' });
  }

  /** OUTLIVE: lets go of all hosts; what runs there runs on. */
  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ connection }) => connection.close()));
  }

  #connect(row: HostRow): Entry {
    const open = this.#options.kinds[row.kind as HostKind];
    const log = this.#options.log.child({ host: row.id });
    const connection = new HostConnection({
      open: async () => {
        if (open === undefined)
          throw new GatewayError('NOT_SUPPORTED', `this gateway has no driver of kind ${row.kind}`);
        return await open({ id: row.id, name: row.name, config: JSON.parse(row.config) as HostConfig });
      },
      log,
      onChange: (vm) => this.#changed(row.id, vm),
      ...(this.#options.retryFirstMs === undefined ? {} : { retryFirstMs: this.#options.retryFirstMs }),
    });
    const entry = { row, connection };
    this.#entries.set(row.id, entry);
    connection.start();
    return entry;
  }

  #changed(hostId: string, vm: VmId | undefined): void {
    const entry = this.#entries.get(hostId);
    if (entry !== undefined && vm === undefined) {
      this.#options.hub.publish(
        HOST_TOPIC,
        { kind: 'changed', id: hostId, data: this.#hostOf(entry) },
        { right: 'settings' },
      );
    }
    for (const listener of this.#listeners) listener(hostId, vm);
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new GatewayError('NOT_FOUND', `no host ${id}`);
    return entry;
  }

  #hostOf({ row, connection }: Entry): Host {
    const { state } = connection;
    const vms = [...connection.vms.values()];
    return {
      id: row.id,
      name: row.name,
      kind: row.kind as HostKind,
      state: state.state,
      reason: state.state === 'unreachable' ? state.reason : null,
      isInMaintenance: row.maintenance === 1,
      info:
        state.state === 'connected'
          ? {
              version: state.info.version,
              cpus: state.info.cpus,
              memoryMiB: Math.round(state.info.memoryMiB),
              accelerator: state.info.accelerator,
            }
          : null,
      facets: state.state === 'connected' ? [...state.driver.caps.facets] : [],
      vmCount: vms.length,
      runningVmCount: vms.filter((vm) => vm.state.state === 'running').length,
      createdAt: iso(row.created_at),
      revision: row.revision,
    };
  }
}
