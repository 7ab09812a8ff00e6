/**
 * One disk that is served: its chain, the policies over it, and the export of the current lease. A new lease replaces
 * the export and leaves the chain open.
 */
import type { ChainDisk } from '../disk/chain-disk.ts';
import type { Image } from '../disk/image.ts';
import type { ImageLock } from '../disk/lock.ts';
import { VhdError } from '../errors.ts';
import { type MetaContext, NbdExport, type NbdStats, statusOf } from '../nbd/export.ts';
import { listenNbd, type NbdServer } from '../nbd/server.ts';
import { CHANGED, CHANGED_PREFIX } from '../nbd/wire.ts';
import type { DiskRates, Fault } from './api.ts';
import { Ceiling, FaultWatch, Fence, Gate } from './policies.ts';

/** A snapshot of the chain by the path of its link, for the contexts that tell what changed since. */
export interface NamedLink {
  readonly name: string;
  readonly path: string;
}

export interface Lease {
  readonly number: number;
  readonly mode: 'write' | 'read';
  readonly exportName: string;
}

/** What the service is told of a disk that is open here. */
export interface OpenDiskReport {
  readonly sizeBytes: number;
  readonly chainLength: number;
  readonly connections: number;
  readonly stats: NbdStats;
  readonly fault: Fault | null;
}

export class OpenDisk {
  readonly gate: Gate;
  #chain: ChainDisk;
  #lock: ImageLock | undefined;
  #pushed: Promise<void> = Promise.resolve();
  readonly #watch: FaultWatch;
  readonly #socketPath: string;
  #rates: DiskRates;
  #snapshots: readonly NamedLink[] = [];
  #current:
    | { readonly target: NbdExport; readonly fence: Fence; readonly ceiling: Ceiling; readonly lease: Lease }
    | undefined;
  #server: NbdServer | undefined;

  constructor(
    chain: ChainDisk,
    lock: ImageLock | undefined,
    options: { socketPath: string; rates: DiskRates; onFault: (fault: Fault | null) => void },
  ) {
    this.#chain = chain;
    this.#lock = lock;
    this.gate = new Gate(chain);
    this.#watch = new FaultWatch(this.gate, () => options.onFault(this.#watch.fault ?? null));
    this.#socketPath = options.socketPath;
    this.#rates = options.rates;
  }

  /** Starts to listen. Nothing is served before `lease`. Errors: EXISTS, USAGE, IO. */
  async listen(): Promise<void> {
    this.#server = await listenNbd(
      {
        names: () => (this.#current === undefined ? [] : [this.#current.lease.exportName]),
        find: (name) => (name === this.#current?.lease.exportName ? this.#current.target : undefined),
      },
      { socketPath: this.#socketPath },
    );
  }

  /** ONE-WRITER: cuts the lease before off, waits until nothing of it can reach the disk, and serves the new one. */
  async lease(lease: Lease): Promise<void> {
    await this.revoke(`lease ${lease.number} took over`);
    if (this.chain.isReadOnly && lease.mode === 'write')
      throw new VhdError('READ_ONLY', `${this.chain.name} was opened read-only`);
    const fence = new Fence(this.#watch, lease.number, lease.mode);
    const ceiling = new Ceiling(fence, this.#rates);
    const target = new NbdExport({ name: lease.exportName, disk: ceiling, contexts: () => this.#contexts() });
    this.#current = { target, fence, ceiling, lease };
  }

  /** Ends the current lease, if there is one. */
  async revoke(reason: string): Promise<void> {
    const before = this.#current;
    if (before === undefined) return;
    this.#current = undefined;
    before.fence.revoke();
    await before.target.revoke(reason);
  }

  set rates(rates: DiskRates) {
    this.#rates = rates;
    if (this.#current !== undefined) this.#current.ceiling.rates = rates;
  }

  set snapshots(snapshots: readonly NamedLink[]) {
    this.#snapshots = snapshots;
  }

  get chain(): ChainDisk {
    return this.#chain;
  }

  /** Live snapshot. Settles at the swap; `pushed` when what was written before it is on stable storage. */
  async push(image: Image, lock: ImageLock): Promise<void> {
    const before = this.#lock;
    const links = this.#chain.links.length;
    const pushed = this.#chain.pushLeaf(image);
    // The swap waits for large writes that run; without any it is done by now.
    while (this.#chain.links.length === links) {
      await Promise.race([pushed, new Promise((resolve) => setImmediate(resolve))]);
    }
    this.#lock = lock;
    this.#pushed = pushed.finally(() => before?.release());
    this.#pushed.catch(() => undefined); // Told to whoever awaits `pushed`.
  }

  get pushed(): Promise<void> {
    return this.#pushed;
  }

  /** Closes the chain while requests are held; `replace` puts another in its place. */
  async detach(): Promise<void> {
    await this.#chain.close();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  replace(chain: ChainDisk, lock: ImageLock | undefined): void {
    this.#chain = chain;
    this.#lock = lock;
    this.gate.inner = chain;
  }

  report(): OpenDiskReport {
    const idle: NbdStats = {
      reads: 0,
      readBytes: 0,
      writes: 0,
      writeBytes: 0,
      flushes: 0,
      zeroes: 0,
      trims: 0,
      errors: 0,
    };
    return {
      sizeBytes: this.chain.sizeBytes,
      chainLength: this.chain.links.length,
      connections: this.#current?.target.connections ?? 0,
      stats: { ...(this.#current?.target.stats ?? idle) },
      fault: this.#watch.fault ?? null,
    };
  }

  /** Ends the lease, stops listening, flushes and closes the chain. */
  async close(): Promise<void> {
    try {
      await this.revoke('the disk is closed');
      await this.#server?.close();
    } finally {
      await this.detach();
    }
  }

  #contexts(): readonly MetaContext[] {
    return this.#snapshots.map(({ name, path }) => ({
      name: `${CHANGED_PREFIX}${name}`,
      status: async (offset, length, limit) => {
        const link = this.chain.links.findIndex((image) => image.path === path);
        if (link < 0) throw new VhdError('NOT_FOUND', `the snapshot ${name} is not in the chain any more`);
        const changes = await this.chain.changedSince(link, offset, length, limit);
        return statusOf(changes, (extent) => (extent.isAllocated ? CHANGED : 0));
      },
    }));
  }
}
