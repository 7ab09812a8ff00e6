/**
 * One storage, kept connected: its disk service, followed. What it last told of each disk is the gateway's picture of the
 * storage, its faults included; how full it is is asked now and then.
 */
import { type DiskInfo, type DiskServiceClient, isVhdError, type ServiceHealth } from '@oriel/vhd';
import type { Logger } from '../../log.ts';
import { keepConnected } from '../../platform/process/keep-connected.ts';

/** How full a storage is, and whether its disk service answers at all, is asked this often. */
const LOOK_MS = 15_000;

export type StorageState =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly client: DiskServiceClient; readonly health: ServiceHealth }
  | { readonly state: 'unreachable'; readonly reason: string };

/** A disk was seen to change or go (by its id in this storage), or, without an id, the storage itself did. */
export type StorageListener = (diskId: string | undefined) => void;

export interface StorageConnectionOptions {
  /** A client of its disk service, which may have to be started first. */
  readonly open: () => Promise<DiskServiceClient>;
  readonly log: Logger;
  readonly onChange: StorageListener;
  readonly retryFirstMs?: number;
}

export class StorageConnection {
  readonly #options: StorageConnectionOptions;
  readonly #closing = new AbortController();
  readonly #disks = new Map<string, DiskInfo>();
  #state: StorageState = { state: 'connecting' };
  #settled: Promise<void> | undefined;
  #firstTry: { readonly promise: Promise<void>; readonly resolve: () => void };

  constructor(options: StorageConnectionOptions) {
    this.#options = options;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => (resolve = done));
    this.#firstTry = { promise, resolve };
  }

  get state(): StorageState {
    return this.#state;
  }

  get client(): DiskServiceClient | undefined {
    return this.#state.state === 'connected' ? this.#state.client : undefined;
  }

  /** The disks as they were last told of; those of a storage that does not answer now are still known. */
  get disks(): ReadonlyMap<string, DiskInfo> {
    return this.#disks;
  }

  start(): void {
    const { retryFirstMs, log } = this.#options;
    this.#settled ??= keepConnected({
      connect: (isUp) => this.#connectAndFollow(isUp),
      lost: (error) => {
        log.warn({ err: error }, 'storage-lost');
        this.#become({ state: 'unreachable', reason: reasonOf(error) });
        this.#firstTry.resolve();
      },
      signal: this.#closing.signal,
      ...(retryFirstMs === undefined ? {} : { firstMs: retryFirstMs }),
    });
  }

  /** Resolves when the first try has ended, in whatever way. */
  async tried(): Promise<void> {
    await this.#firstTry.promise;
  }

  /** OUTLIVE: lets go of the disk service, which serves on. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#settled;
  }

  async #connectAndFollow(isUp: () => void): Promise<void> {
    const client = await this.#options.open();
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, lost.signal]);
    let looking: NodeJS.Timeout | undefined;
    try {
      const health = await client.health();
      for await (const event of client.watchDisks({}, signal)) {
        switch (event.kind) {
          case 'all':
            this.#disks.clear();
            for (const disk of event.all) this.#disks.set(disk.id, disk);
            this.#become({ state: 'connected', client, health });
            isUp();
            this.#firstTry.resolve();
            looking ??= setInterval(() => void this.#look(client, lost), LOOK_MS);
            looking.unref();
            break;
          case 'changed':
            this.#disks.set(event.item.id, event.item);
            this.#options.onChange(event.item.id);
            break;
          case 'removed':
            if (this.#disks.delete(event.id)) this.#options.onChange(event.id);
            break;
        }
      }
      if (lost.signal.aborted) throw lost.signal.reason;
    } finally {
      clearInterval(looking);
      client.disconnect();
    }
  }

  async #look(client: DiskServiceClient, lost: AbortController): Promise<void> {
    try {
      this.#become({ state: 'connected', client, health: await client.health() });
    } catch (error) {
      lost.abort(error);
    }
  }

  #become(state: StorageState): void {
    if (this.#closing.signal.aborted) return;
    this.#state = state;
    this.#options.onChange(undefined);
  }
}

/** NO-SECRET-OUT: the error itself names its socket. */
function reasonOf(error: unknown): string {
  return isVhdError(error, 'UNSUPPORTED')
    ? 'its disk service is older than this gateway: stop it and start it again; VMs wait for it'
    : 'its disk service does not answer';
}
