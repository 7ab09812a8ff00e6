/**
 * The disks that one thread serves. The service talks to it by plain calls with plain data, so that it runs as well in
 * a worker thread (`host-worker.ts`) as in the service's own.
 */
import { openChain } from '../disk/open.ts';
import { VhdError } from '../errors.ts';
import type { DiskRates, Fault } from './api.ts';
import { type Lease, type NamedLink, OpenDisk, type OpenDiskReport } from './open-disk.ts';

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
}

/** What the service asks of a thread that serves disks. All arguments and results can be posted to a worker. */
export interface DiskHostApi {
  /** Errors: those of `openChain`, and of listening on the socket. */
  open(request: OpenRequest): Promise<OpenDiskReport>;
  lease(key: string, lease: Lease): Promise<OpenDiskReport>;
  close(key: string): Promise<void>;
  report(key: string): Promise<OpenDiskReport>;
  setRates(key: string, rates: DiskRates): Promise<void>;
}

export class DiskHost implements DiskHostApi {
  readonly #disks = new Map<string, OpenDisk>();
  readonly #onFault: (key: string, fault: Fault | null) => void;

  constructor(onFault: (key: string, fault: Fault | null) => void) {
    this.#onFault = onFault;
  }

  async open(request: OpenRequest): Promise<OpenDiskReport> {
    const { key, path, folders, isReadOnly, socketPath, rates } = request;
    if (this.#disks.has(key)) throw new VhdError('EXISTS', `${key} is open already`);
    const chain = await openChain(path, { isReadOnly, policy: { folders } });
    const disk = new OpenDisk(chain, { socketPath, rates, onFault: (fault) => this.#onFault(key, fault) });
    try {
      disk.snapshots = request.snapshots;
      await disk.listen();
      await disk.lease(request.lease);
    } catch (error) {
      await disk.close();
      throw error;
    }
    this.#disks.set(key, disk);
    return disk.report();
  }

  async lease(key: string, lease: Lease): Promise<OpenDiskReport> {
    const disk = this.#disk(key);
    await disk.lease(lease);
    return disk.report();
  }

  async close(key: string): Promise<void> {
    const disk = this.#disks.get(key);
    this.#disks.delete(key);
    await disk?.close();
  }

  report(key: string): Promise<OpenDiskReport> {
    return Promise.resolve(this.#disk(key).report());
  }

  setRates(key: string, rates: DiskRates): Promise<void> {
    this.#disk(key).rates = rates;
    return Promise.resolve();
  }

  #disk(key: string): OpenDisk {
    const disk = this.#disks.get(key);
    if (disk === undefined) throw new VhdError('CLOSED', `${key} is not open`);
    return disk;
  }
}
