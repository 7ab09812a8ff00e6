/**
 * The disks that one thread serves. The service talks to it by plain calls with plain data, so that it runs as well in
 * a worker thread (`host-worker.ts`) as in the service's own.
 */
import type { ChainDisk } from '../../chain/chain-disk.ts';
import { openChain } from '../../chain/open.ts';
import { VhdError } from '../../errors.ts';
import { openImage } from '../../formats/open.ts';
import { PIECE_BYTES } from '../../nbd/reply-writer.ts';
import type { listenNbd } from '../../nbd/server.ts';
import type { Storage } from '../../storage/storage.ts';
import type { DiskRates, Fault } from '../control/api.ts';
import { copyUp } from './copy-up.ts';
import { type Lease, type NamedLink, OpenDisk, type OpenDiskReport, type RemoteAddress } from './open-disk.ts';

export interface OpenRequest {
  readonly key: string;
  readonly path: string;
  /** The folders parents may lie in. */
  readonly folders: readonly string[];
  readonly isReadOnly: boolean;
  readonly socketPath: string;
  readonly rates: DiskRates;
  readonly snapshots: readonly NamedLink[];
  readonly lease: Lease;
  readonly remote?: RemoteAddress;
}

/** What the service asks of a thread that serves disks. All arguments and results can be posted to a worker. */
export interface DiskHostApi {
  /** Errors: those of `openChain`, and of listening on the socket. */
  open(request: OpenRequest): Promise<OpenDiskReport>;
  lease(key: string, lease: Lease, remote?: RemoteAddress): Promise<OpenDiskReport>;
  close(key: string): Promise<void>;
  report(key: string): Promise<OpenDiskReport>;
  setRates(key: string, rates: DiskRates): Promise<void>;
  setSnapshots(key: string, snapshots: readonly NamedLink[]): Promise<void>;
  /** Holds requests back; settles when none runs. */
  hold(key: string): Promise<void>;
  release(key: string): Promise<void>;
  /** Live snapshot: `path`, an empty child of the leaf, takes the writes. Settles at the swap; see `pushed`. */
  push(key: string, path: string): Promise<void>;
  /** Settles when everything written before the last `push` is on stable storage. */
  pushed(key: string): Promise<void>;
  /** Takes the link at `path` out, whose content is in its neighbour `into` now; `isReopened`: the neighbour changed on disk. */
  splice(key: string, path: string, into: string, isReopened: boolean): Promise<OpenDiskReport>;
  /** Copies what the link at `path` stores and the links above it do not into the leaf, from `offset` on, up to `bytes`. */
  copyUp(key: string, path: string, offset: number, bytes: number): Promise<CopyUpStep>;
  flush(key: string): Promise<void>;
  /** Paths of the open chain, leaf first. */
  links(key: string): Promise<readonly string[]>;
  /** For changes of the files themselves, while held: closes the chain; `reopen` opens it, perhaps at another leaf. */
  detach(key: string): Promise<void>;
  reopen(key: string, path: string, folders: readonly string[]): Promise<OpenDiskReport>;
  /** Ends the connections of a disk; its clients come back and learn its size anew. */
  disconnect(key: string, reason: string): Promise<void>;
}

/** How far a copy into the leaf is. `offset` is the disk's size when it is through. */
export interface CopyUpStep {
  readonly offset: number;
  readonly copiedBytes: number;
}

/** What a host of disks stands on. */
export interface DiskHostOptions {
  readonly storage: Storage;
  readonly listen: typeof listenNbd;
  readonly onFault: (key: string, fault: Fault | null) => void;
  readonly onTrouble: (key: string, reason: string) => void;
}

export class DiskHost implements DiskHostApi {
  readonly #disks = new Map<string, OpenDisk>();
  readonly #options: DiskHostOptions;
  readonly #storage: Storage;

  constructor(options: DiskHostOptions) {
    this.#options = options;
    this.#storage = options.storage;
  }

  async open(request: OpenRequest): Promise<OpenDiskReport> {
    const { key, path, folders, isReadOnly, socketPath, rates } = request;
    if (this.#disks.has(key)) throw new VhdError('EXISTS', `${key} is open already`);
    const lock = isReadOnly ? undefined : await this.#storage.lock(path, { lease: request.lease.number });
    let disk: OpenDisk;
    try {
      const chain = await this.#openChain(path, isReadOnly, folders);
      const { listen, onFault, onTrouble } = this.#options;
      disk = new OpenDisk(chain, lock, {
        socketPath,
        rates,
        listen,
        onFault: (fault) => onFault(key, fault),
        onTrouble: (reason) => onTrouble(key, reason),
      });
    } catch (error) {
      await lock?.release();
      throw error;
    }
    try {
      disk.snapshots = request.snapshots;
      await disk.listen();
      if (request.remote !== undefined) await disk.listenRemote(request.remote);
      await disk.lease(request.lease);
    } catch (error) {
      await disk.close();
      throw error;
    }
    this.#disks.set(key, disk);
    return disk.report();
  }

  async lease(key: string, lease: Lease, remote?: RemoteAddress): Promise<OpenDiskReport> {
    const disk = this.#disk(key);
    if (remote !== undefined) await disk.listenRemote(remote);
    await disk.lease(lease);
    return disk.report();
  }

  async close(key: string): Promise<void> {
    const disk = this.#disks.get(key);
    this.#disks.delete(key);
    await disk?.close();
  }

  // `async` also where nothing is awaited: what these throw is an answer, and must not end the thread.
  async report(key: string): Promise<OpenDiskReport> {
    return this.#disk(key).report();
  }

  async setRates(key: string, rates: DiskRates): Promise<void> {
    this.#disk(key).rates = rates;
  }

  async setSnapshots(key: string, snapshots: readonly NamedLink[]): Promise<void> {
    this.#disk(key).snapshots = snapshots;
  }

  async hold(key: string): Promise<void> {
    await this.#disk(key).requests.hold();
  }

  async release(key: string): Promise<void> {
    this.#disk(key).requests.release();
  }

  async push(key: string, path: string): Promise<void> {
    const disk = this.#disk(key);
    const lock = await this.#storage.lock(path);
    try {
      await disk.push(openImage(path, { isReadOnly: false, storage: this.#storage }), lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async pushed(key: string): Promise<void> {
    await this.#disk(key).pushed;
  }

  async splice(key: string, path: string, into: string, isReopened: boolean): Promise<OpenDiskReport> {
    const disk = this.#disk(key);
    const neighbour = isReopened ? openImage(into, { storage: this.#storage }) : undefined;
    await disk.chain.spliceLink(linkAt(disk.chain, path), linkAt(disk.chain, into), neighbour);
    return disk.report();
  }

  async copyUp(key: string, path: string, offset: number, bytes: number): Promise<CopyUpStep> {
    const disk = this.#disk(key);
    return copyUp(disk.chain, disk.requests, linkAt(disk.chain, path), offset, bytes);
  }

  async flush(key: string): Promise<void> {
    await this.#disk(key).chain.flush();
  }

  async links(key: string): Promise<readonly string[]> {
    return this.#disk(key).chain.links.map((image) => image.path);
  }

  async detach(key: string): Promise<void> {
    await this.#disk(key).detach();
  }

  async reopen(key: string, path: string, folders: readonly string[]): Promise<OpenDiskReport> {
    const disk = this.#disk(key);
    const lock = disk.chain.isReadOnly ? undefined : await this.#storage.lock(path);
    try {
      disk.replace(await this.#openChain(path, disk.chain.isReadOnly, folders), lock);
    } catch (error) {
      await lock?.release();
      throw error;
    }
    return disk.report();
  }

  async disconnect(key: string, reason: string): Promise<void> {
    await this.#disk(key).disconnect(reason);
  }

  /**
   * The lock is taken apart from the chain: a live snapshot moves it to the new leaf. The record of the disk knows its
   * chain, and a fold that was cut off is finished beside the running VM.
   */
  #openChain(path: string, isReadOnly: boolean, folders: readonly string[]): Promise<ChainDisk> {
    return openChain(path, {
      storage: this.#storage,
      isReadOnly,
      isLocked: true,
      policy: { folders },
      isLookingForChildren: false,
      limits: { asyncBytes: SYNC_BYTES },
    });
  }

  #disk(key: string): OpenDisk {
    const disk = this.#disks.get(key);
    if (disk === undefined) throw new VhdError('CLOSED', `${key} is not open`);
    return disk;
  }
}

/**
 * Requests below this are answered by the thread itself: a hop to libuv's pool costs more than the copy. From here on the
 * pool reads the next piece while the socket drains (measured: 1.14 of nbdkit's sequential rate, 0.86 without).
 */
const SYNC_BYTES: number = PIECE_BYTES / 2;

function linkAt(chain: ChainDisk, path: string): number {
  const link = chain.links.findIndex((image) => image.path === path);
  if (link < 0) throw new VhdError('NOT_FOUND', `${path} is no link of the chain of ${chain.name}`);
  return link;
}
