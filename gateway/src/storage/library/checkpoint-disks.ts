/** The disks of checkpoints, in the disk service: snapshots of one instant, and disks that go on from one. */
import { type DiskInfo, hasEnded, idFrom } from '@oriel/vhd';
import type { CheckpointDisks, DiskPoint } from '../../compute/checkpoints/ports.ts';
import type { Owner, VmDisks } from '../../compute/vms/ports.ts';
import { GatewayError } from '../../errors.ts';
import { placeOf, referenceOf } from '../storages/reference.ts';
import type { Located, Storages } from '../storages/storages.ts';
import { asking, isCode } from './errors.ts';

/** What has its disks for itself ends some time: it is waited for so often before a fold is refused. */
const TRIES = 5;

export class StoredCheckpointDisks implements CheckpointDisks {
  readonly #storages: Storages;
  readonly #disks: VmDisks;

  constructor(storages: Storages, disks: VmDisks) {
    this.#storages = storages;
    this.#disks = disks;
  }

  async snapshot(diskIds: readonly string[], name: string, owner: Owner, operationId: string): Promise<DiskPoint[]> {
    const [first, ...others] = diskIds.map((diskId) => this.#storages.locate(diskId));
    if (first === undefined) return [];
    if (others.some(({ storageId }) => storageId !== first.storageId)) {
      throw new GatewayError('CONFLICT', 'its disks lie in several storages, which have no instant in common');
    }
    const ids = [first, ...others].map(({ id }) => id);
    const task = await asking('the snapshot', first.client.snapshotDisks({ ids, name, owner, operationId }));
    await asking('the snapshot', first.client.waitForTask(task.id));
    return await this.taken(diskIds, operationId);
  }

  async taken(diskIds: readonly string[], operationId: string): Promise<DiskPoint[]> {
    const points: DiskPoint[] = [];
    for (const diskId of diskIds) {
      const { snapshots } = await this.#disk(diskId);
      const found = snapshots.find((snapshot) => snapshot.operationId === operationId);
      if (found !== undefined) points.push({ diskId, snapshotId: found.id });
    }
    return points;
  }

  branchId({ diskId }: DiskPoint, name: string): string {
    return referenceOf({ storageId: placeOf(diskId).storageId, id: idFrom(name) });
  }

  async branch(diskId: string, name: string, from: DiskPoint, owner: Owner): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    const source = { from: 'snapshot', diskId: placeOf(from.diskId).id, snapshotId: from.snapshotId } as const;
    try {
      await asking(`disk ${name}`, client.createDisk({ id, name, source, owner }));
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS')) throw error;
      if ((await this.#disk(diskId)).owner !== owner) throw error;
    }
  }

  async hasBranches({ diskId, snapshotId }: DiskPoint): Promise<boolean> {
    const { client, id } = this.#storages.locate(diskId);
    const disks = await asking(`disk ${diskId}`, client.listDisks());
    return disks.some(({ branchOf }) => branchOf?.diskId === id && branchOf.snapshotId === snapshotId);
  }

  async dropSnapshot({ diskId, snapshotId }: DiskPoint, signal?: AbortSignal): Promise<void> {
    const at = this.#storages.locate(diskId);
    const what = `disk ${diskId}`;
    const following = signal === undefined ? {} : { signal };
    for (let tried = 1; ; tried++) {
      try {
        const task = await asking(what, at.client.removeSnapshot({ id: at.id, snapshotId }));
        await asking(what, at.client.waitForTask(task.id, following));
        return;
      } catch (error) {
        if (isCode(error, 'NOT_FOUND')) return;
        if (!isCode(error, 'BUSY') || TRIES <= tried) throw error;
        await this.#untilFree(at, following);
      }
    }
  }

  async discard(diskId: string): Promise<void> {
    const { client, id } = this.#storages.locate(diskId);
    const task = await asking(`disk ${diskId}`, client.discardLeaf({ id }));
    await asking(`disk ${diskId}`, client.waitForTask(task.id));
  }

  remove(diskId: string, owner: Owner): Promise<void> {
    return this.#disks.remove(diskId, owner);
  }

  disown(diskId: string, owner: Owner): Promise<void> {
    return this.#disks.disown(diskId, owner);
  }

  /** What an earlier gateway began goes on by itself, and is followed. */
  async #untilFree({ client, id }: Located, following: { readonly signal?: AbortSignal }): Promise<void> {
    const busy = (await client.listTasks()).find((task) => task.target.split(',').includes(id) && !hasEnded(task));
    if (busy !== undefined) await client.waitForTask(busy.id, following).catch(() => undefined);
  }

  async #disk(diskId: string): Promise<DiskInfo> {
    const { client, id } = this.#storages.locate(diskId);
    return await asking(`disk ${diskId}`, client.getDisk({ id }));
  }
}
