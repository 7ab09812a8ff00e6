/**
 * One export: a disk, what clients are told about it, and the connections that use it now. Revoking it cuts them off.
 * Spec: NBD proto.md, "Transmission flags", "Metadata querying".
 */
import type { Disk, Extent } from '../disk.ts';
import type { NbdLimits } from './limits.ts';
import type { StatusRun } from './reply.ts';
import type { ExportInfo } from './server-handshake.ts';
import { BASE_ALLOCATION, EXPORT_FLAG, STATE } from './wire.ts';

/** Something NBD_CMD_BLOCK_STATUS can tell of a range. */
export interface MetaContext {
  readonly name: string;
  /** Runs in order without gaps from `offset`, at most `limit`, none beyond `offset + length`. */
  status(offset: number, length: number, limit: number): Promise<readonly StatusRun[]>;
}

/** Counts since the export was made; `bytes` are of virtual content. */
export interface NbdStats {
  reads: number;
  readBytes: number;
  writes: number;
  writeBytes: number;
  flushes: number;
  zeroes: number;
  trims: number;
  errors: number;
}

export interface NbdExportOptions {
  readonly name: string;
  readonly disk: Disk;
  readonly description?: string;
  /** Metadata contexts besides `base:allocation`; asked anew for each handshake, since snapshots come and go. */
  readonly contexts?: () => readonly MetaContext[];
  /** False where two connections must not be told that a flush on one covers the other. */
  readonly canMultiConnect?: boolean;
}

/** What an export needs of a connection: to be able to end it. `ended` settles when none of its requests runs any more. */
export interface ExportUser {
  destroy(reason: string): void;
  readonly ended: Promise<void>;
}

export class NbdExport {
  readonly disk: Disk;
  readonly name: string;
  readonly stats: NbdStats = {
    reads: 0,
    readBytes: 0,
    writes: 0,
    writeBytes: 0,
    flushes: 0,
    zeroes: 0,
    trims: 0,
    errors: 0,
  };
  readonly #options: NbdExportOptions;
  readonly #users = new Set<ExportUser>();
  #isRevoked = false;

  constructor(options: NbdExportOptions) {
    this.#options = options;
    this.disk = options.disk;
    this.name = options.name;
  }

  get connections(): number {
    return this.#users.size;
  }

  get isRevoked(): boolean {
    return this.#isRevoked;
  }

  info(limits: NbdLimits): ExportInfo {
    return {
      name: this.name,
      description: this.#options.description ?? '',
      sizeBytes: this.disk.sizeBytes,
      flags: this.#flags(),
      minimumBlockBytes: 1,
      preferredBlockBytes: 4096,
      maximumPayloadBytes: limits.payloadBytes,
      contexts: this.contexts().map((context) => context.name),
    };
  }

  contexts(): readonly MetaContext[] {
    return [allocationContext(this.disk), ...(this.#options.contexts?.() ?? [])];
  }

  attach(user: ExportUser): void {
    this.#users.add(user);
    void user.ended.then(() => this.#users.delete(user));
  }

  /** ONE-WRITER: ends every connection at once, for good. Settles when no request of theirs can reach the disk any more. */
  async revoke(reason: string): Promise<void> {
    this.#isRevoked = true;
    await this.disconnect(reason);
  }

  /** Ends every connection; clients may come back, and then see the disk as it is now. Settles as `revoke` does. */
  async disconnect(reason: string): Promise<void> {
    const users = [...this.#users];
    for (const user of users) user.destroy(reason);
    await Promise.all(users.map((user) => user.ended));
  }

  #flags(): number {
    const always = EXPORT_FLAG.hasFlags | EXPORT_FLAG.sendFlush | EXPORT_FLAG.sendDf | EXPORT_FLAG.sendCache;
    // A flush is one for the whole disk, so it covers what any connection had answered before it.
    const multi = this.#options.canMultiConnect === false ? 0 : EXPORT_FLAG.canMultiConn;
    if (this.disk.isReadOnly) return always | multi | EXPORT_FLAG.readOnly;
    const change = EXPORT_FLAG.sendFua | EXPORT_FLAG.sendTrim | EXPORT_FLAG.sendWriteZeroes | EXPORT_FLAG.sendFastZero;
    return always | multi | change;
  }
}

/** Turns the extents of a disk into runs of a context. */
export function statusOf(extents: readonly Extent[], flagsOf: (extent: Extent) => number): StatusRun[] {
  const runs: { length: number; flags: number }[] = [];
  for (const extent of extents) {
    const flags = flagsOf(extent);
    const last = runs.at(-1);
    if (last !== undefined && last.flags === flags) last.length += extent.length;
    else runs.push({ length: extent.length, flags });
  }
  return runs;
}

/** Spec: "base:allocation metadata context". */
function allocationContext(disk: Disk): MetaContext {
  return {
    name: BASE_ALLOCATION,
    status: async (offset, length, limit) =>
      statusOf(
        await disk.extents(offset, length, limit),
        (extent) => (extent.isAllocated ? 0 : STATE.hole) | (extent.isZero ? STATE.zero : 0),
      ),
  };
}
