/** The disks of runs and restores, in the disk service of their storage. */
import type { DiskPoint } from '../../compute/checkpoints/ports.ts';
import type { Owner } from '../../compute/vms/ports.ts';
import { GatewayError } from '../../errors.ts';
import type { StoredCheckpointDisks } from '../../storage/library/checkpoint-disks.ts';
import { asking, isCode } from '../../storage/library/errors.ts';
import type { Storages } from '../../storage/storages/storages.ts';

export class BackupDisks {
  readonly #storages: Storages;
  readonly #snapshots: StoredCheckpointDisks;

  constructor(storages: Storages, snapshots: StoredCheckpointDisks) {
    this.#storages = storages;
    this.#snapshots = snapshots;
  }

  /** All at one instant, and once for an operation. Errors: CONFLICT where they lie in several storages. */
  snapshot(diskIds: readonly string[], name: string, owner: Owner, operationId: string): Promise<DiskPoint[]> {
    return this.#snapshots.snapshot(diskIds, name, owner, operationId);
  }

  /** What an operation has taken of these disks; a disk that is gone has none. */
  async taken(diskIds: readonly string[], operationId: string): Promise<DiskPoint[]> {
    const found = await Promise.all(
      diskIds.map((diskId) => this.#snapshots.taken([diskId], operationId).catch(orNone)),
    );
    return found.flat();
  }

  /** Folds a snapshot away; one that is gone is as good. False where something stands on it: it stays. */
  async dropSnapshot(point: DiskPoint, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#snapshots.dropSnapshot(point, signal);
      return true;
    } catch (error) {
      if (!isCode(error, 'CONFLICT') || signal?.aborted === true) throw error;
      return false;
    }
  }

  /** Serves a snapshot read-only, and tells there what has changed since older ones. Gives the URI. */
  async serveSnapshot({ diskId, snapshotId }: DiskPoint): Promise<string> {
    const { client, id } = this.#storages.locate(diskId);
    return (await asking(`disk ${diskId}`, client.openSnapshot({ id, snapshotId }))).uri;
  }

  async releaseSnapshot({ diskId, snapshotId }: DiskPoint): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    await client.closeSnapshot({ id, snapshotId }).catch(() => undefined); // It ends with the service at the latest.
  }

  async nameOf(diskId: string): Promise<string> {
    const { client, id } = this.#storages.locate(diskId);
    return (await asking(`disk ${diskId}`, client.getDisk({ id }))).name;
  }

  /** An empty disk to be filled, or one that stands on a VHD where it lies. Again, with the same id and owner, is no change. */
  async make(
    diskId: string,
    name: string,
    from: { sizeBytes: number } | { path: string },
    owner: Owner,
  ): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    const source = 'path' in from ? ({ from: 'file', ...from } as const) : ({ from: 'blank', ...from } as const);
    try {
      await asking(`disk ${name}`, client.createDisk({ id, name, source, owner }));
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS')) throw error;
      if ((await asking(`disk ${diskId}`, client.getDisk({ id }))).owner !== owner) throw error;
    }
  }

  /** Runs work on a disk that is served for writing, and lets go of it. */
  async whileServed(diskId: string, work: (uri: string) => Promise<void>): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    const { uri, lease } = await asking(`disk ${diskId}`, client.openDisk({ id, mode: 'write' }));
    try {
      await work(uri);
    } finally {
      await client.closeDisk({ id, lease }).catch(() => undefined);
    }
  }

  async own(diskId: string, owner: Owner | null, from: Owner | null): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    const before = await asking(`disk ${diskId}`, client.getDisk({ id }));
    if (before.owner !== owner) await asking(`disk ${diskId}`, client.setDiskOwner({ id, owner, from }));
  }

  /** The disks that stand on a VHD in this folder, which then may not go. As they were last seen, where a storage is away. */
  standingOn(folder: string): string[] {
    const inside = `${folder}/`;
    return this.#storages
      .ids()
      .flatMap((id) => this.#storages.disks(id))
      .filter(({ baseFile }) => baseFile?.startsWith(inside) === true)
      .map(({ name }) => name);
  }

  /** One that is gone, or another's by now, is left alone. */
  async remove(diskId: string, owner: Owner): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    await asking(`disk ${diskId}`, client.removeDisk({ id, owner })).catch(orNone);
  }
}

function orNone(error: unknown): DiskPoint[] {
  if (error instanceof GatewayError && (error.code === 'NOT_FOUND' || error.code === 'CONFLICT')) return [];
  throw error;
}
