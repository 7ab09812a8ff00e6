/**
 * One disk that is served: its chain, the policies over it, and the export of the current lease. A new lease replaces
 * the export and leaves the chain open.
 */
import type { ChainDisk } from '../../chain/chain-disk.ts';
import { VhdError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import type { ExportSource } from '../../nbd/connection.ts';
import { type MetaContext, NbdExport, type NbdStats, statusOf } from '../../nbd/export.ts';
import type { listenNbd, NbdServer, NbdTls } from '../../nbd/server.ts';
import { CHANGED, CHANGED_PREFIX } from '../../nbd/wire.ts';
import type { ImageLock } from '../../storage/lock.ts';
import type { DiskRates, Fault } from '../control/api.ts';
import { Ceiling } from '../policies/ceiling.ts';
import { FaultWatch } from '../policies/fault-watch.ts';
import { Fence } from '../policies/fence.ts';
import { Hold } from '../policies/hold.ts';

/** A snapshot of the chain by the path of its link, for the contexts that tell what changed since. */
export interface NamedLink {
  readonly name: string;
  readonly path: string;
}

export interface Lease {
  readonly number: number;
  readonly mode: 'write' | 'read';
  readonly exportName: string;
  /** True: the lease before goes on until the first change that comes through this one. */
  readonly isHandover?: boolean;
}

/** Where other machines reach a disk: TCP, only with TLS and client certificates. */
export interface RemoteAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: NbdTls;
}

interface Holding {
  readonly target: NbdExport;
  readonly fence: Fence;
  readonly ceiling: Ceiling;
  readonly lease: Lease;
}

/** How a disk is served. */
export interface OpenDiskOptions {
  readonly socketPath: string;
  readonly rates: DiskRates;
  readonly onFault: (fault: Fault | null) => void;
  /** Why a client was refused or cut off; a few a minute. */
  readonly onTrouble: (reason: string) => void;
  readonly listen: typeof listenNbd;
}

/** What the service is told of a disk that is open here. */
export interface OpenDiskReport {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly chainLength: number;
  /** The TCP port for other machines, where there is one. */
  readonly port: number | null;
  readonly connections: number;
  readonly stats: NbdStats;
  readonly fault: Fault | null;
}

/** The old leaf is nobody's to write to once what went into it is on stable storage. */
async function unlockAfter(pushed: Promise<void>, lock: ImageLock | undefined): Promise<void> {
  try {
    await pushed;
  } finally {
    await lock?.release();
  }
}

export class OpenDisk {
  readonly requests: Hold;
  #chain: ChainDisk;
  #lock: ImageLock | undefined;
  #pushed: Promise<void> = Promise.resolve();
  readonly #watch: FaultWatch;
  readonly #options: OpenDiskOptions;
  #rates: DiskRates;
  #snapshots: readonly NamedLink[] = [];
  #current: Holding | undefined;
  /** The lease that takes over at its first change. */
  #next: Holding | undefined;
  #server: NbdServer | undefined;
  #remote: NbdServer | undefined;

  constructor(chain: ChainDisk, lock: ImageLock | undefined, options: OpenDiskOptions) {
    this.#chain = chain;
    this.#lock = lock;
    this.requests = new Hold(chain);
    this.#watch = new FaultWatch(this.requests, () => options.onFault(this.#watch.fault ?? null));
    this.#options = options;
    this.#rates = options.rates;
  }

  /** Starts to listen. Nothing is served before `lease`. Errors: EXISTS, USAGE, IO. */
  async listen(): Promise<void> {
    const { listen, socketPath, onTrouble } = this.#options;
    this.#server = await listen(this.#source(), { socketPath, onTrouble });
  }

  /** Listens for other machines too, once. Returns the port. Errors: EXISTS, USAGE, IO. */
  async listenRemote({ host, port, tls }: RemoteAddress): Promise<number> {
    const { listen, onTrouble } = this.#options;
    this.#remote ??= await listen(this.#source(), { host, port, tls, onTrouble });
    return this.#remote.port ?? 0;
  }

  /**
   * ONE-WRITER: cuts the lease before off, waits until nothing of it can reach the disk, and serves the new one. A
   * handover serves the new one beside the old one, until the first change that comes through it; see `#handOver`.
   */
  async lease(lease: Lease): Promise<void> {
    if (this.chain.isReadOnly && lease.mode === 'write')
      throw new VhdError('READ_ONLY', `${this.chain.name} was opened read-only`);
    const isHandover = lease.isHandover === true && this.#current !== undefined;
    await this.#end(this.#next, `lease ${lease.number} took over`);
    if (!isHandover) await this.#end(this.#current, `lease ${lease.number} took over`);
    const onFirstChange = isHandover ? (): Promise<void> => this.#handOver(lease.number) : undefined;
    const fence = new Fence(this.#watch, lease.number, lease.mode, onFirstChange);
    const ceiling = new Ceiling(fence, this.#rates);
    const target = new NbdExport({ name: lease.exportName, disk: ceiling, contexts: () => this.#contexts() });
    const holding = { target, fence, ceiling, lease };
    if (isHandover) this.#next = holding;
    else this.#current = holding;
  }

  /** Ends the leases there are. */
  async revoke(reason: string): Promise<void> {
    await this.#end(this.#next, reason);
    await this.#end(this.#current, reason);
  }

  /** Ends the connections, which keep the size they were told in their handshake; clients come back under their lease. */
  async disconnect(reason: string): Promise<void> {
    await this.#current?.target.disconnect(reason);
    await this.#next?.target.disconnect(reason);
  }

  /** A migrated VM writes for the first time on its new host: its older self is cut off before that write is done. */
  async #handOver(lease: number): Promise<void> {
    const next = this.#next;
    if (next?.lease.number !== lease) return;
    await this.#end(this.#current, `lease ${lease} took over`);
    this.#current = next;
    this.#next = undefined;
  }

  async #end(holding: Holding | undefined, reason: string): Promise<void> {
    if (holding === undefined) return;
    if (this.#current === holding) this.#current = undefined;
    if (this.#next === holding) this.#next = undefined;
    holding.fence.revoke();
    await holding.target.revoke(reason);
  }

  #source(): ExportSource {
    const served = (): readonly Holding[] => [this.#current, this.#next].filter((one) => one !== undefined);
    return {
      names: () => served().map(({ lease }) => lease.exportName),
      find: (name) => served().find(({ lease }) => lease.exportName === name)?.target,
    };
  }

  set rates(rates: DiskRates) {
    this.#rates = rates;
    for (const holding of [this.#current, this.#next]) if (holding !== undefined) holding.ceiling.rates = rates;
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
    this.#pushed = unlockAfter(pushed, before);
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
    this.requests.inner = chain;
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
      isReadOnly: this.chain.isReadOnly,
      port: this.#remote?.port ?? null,
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
      await this.#remote?.close();
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
