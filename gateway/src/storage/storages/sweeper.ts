/**
 * Looks for what belongs to nobody: disks and snapshots whose owner is gone or has let go of them. It says so, in the list of
 * storages, as an event and in the log; it removes only what somebody then names, after looking once more.
 */
import type { StorageOrphan } from '../../../api/storage.ts';
import type { CheckpointStore } from '../../compute/checkpoints/checkpoint-store.ts';
import type { VmStore } from '../../compute/vms/vm-store.ts';
import type { Logger } from '../../log.ts';
import type { TaskStore } from '../../platform/tasks/task-store.ts';
import { type Claims, type Orphan, orphansOf } from './orphans.ts';
import { placeOf, referenceOf } from './reference.ts';
import type { Storages } from './storages.ts';

const EVERY_MS = 3_600_000;

export interface SweeperOptions {
  readonly vms: VmStore;
  readonly checkpoints: CheckpointStore;
  readonly tasks: TaskStore;
  readonly storages: Storages;
  readonly log: Logger;
}

export interface Swept {
  readonly swept: StorageOrphan[];
  readonly kept: Pick<StorageOrphan, 'diskId' | 'snapshotId' | 'why'>[];
}

type Named = Pick<StorageOrphan, 'diskId' | 'snapshotId'>;

export class Sweeper {
  readonly #options: SweeperOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Looks now, and every hour. */
  start(): void {
    this.#timer = setInterval(() => void this.lookAtAll(), EVERY_MS);
    this.#timer.unref();
    void this.lookAtAll();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async lookAtAll(): Promise<void> {
    const { storages, log } = this.#options;
    for (const id of storages.ids()) {
      if (storages.client(id) === undefined) continue;
      try {
        const found = await this.look(id);
        if (0 < found.length) log.warn({ storage: id, orphans: found.map(({ diskId }) => diskId) }, 'storage-orphans');
      } catch (error) {
        log.warn({ err: error, storage: id }, 'storage-look-failed');
      }
    }
  }

  /** What belongs to nobody now; asked of the disk service itself, not of the picture of it. Errors: UNAVAILABLE. */
  async look(storageId: string): Promise<StorageOrphan[]> {
    const found = (await this.#orphans(storageId)).map((orphan) => viewOf(storageId, orphan));
    this.#options.storages.noteOrphans(storageId, found.length);
    return found;
  }

  /** Removes or releases what is named and is an orphan still. Errors: UNAVAILABLE. */
  async sweep(storageId: string, named: readonly Named[]): Promise<Swept> {
    const swept: StorageOrphan[] = [];
    const kept: Swept['kept'] = [];
    for (const one of named) {
      const orphan = (await this.look(storageId)).find(
        (each) => each.diskId === one.diskId && each.snapshotId === one.snapshotId,
      );
      const why = orphan === undefined ? 'it is no orphan' : await this.#remedy(storageId, orphan);
      if (orphan !== undefined && why === undefined) swept.push(orphan);
      else kept.push({ ...one, why: why ?? '' });
    }
    await this.look(storageId);
    return { swept, kept };
  }

  /** Gives why it could not be done. The owner is named once more: who has taken it meanwhile keeps it. */
  async #remedy(storageId: string, orphan: StorageOrphan): Promise<string | undefined> {
    const client = this.#options.storages.requireClient(storageId);
    const { id } = placeOf(orphan.diskId);
    const owner = orphan.owner as `${string}:${string}`;
    try {
      if (orphan.remedy === 'remove') await client.removeDisk({ id, owner });
      else if (orphan.snapshotId === null) await client.setDiskOwner({ id, owner: null, from: owner });
      else await client.setSnapshotOwner({ id, snapshotId: orphan.snapshotId, owner: null, from: owner });
      return undefined;
    } catch (error) {
      this.#options.log.warn({ err: error, disk: id }, 'storage-sweep-failed');
      return 'the disk service refused it: it is in use, or somebody has it by now';
    }
  }

  /** Disks first, claims after: what is made in between is not in the list, what is deleted in between is seen next time. */
  async #orphans(storageId: string): Promise<Orphan[]> {
    const disks = await this.#options.storages.requireClient(storageId).listDisks();
    return orphansOf(disks, await this.#claims(storageId));
  }

  /** Work under way first: what it has ended with by then is in the rows. */
  async #claims(storageId: string): Promise<Claims> {
    const { vms, checkpoints, tasks } = this.#options;
    const underWay = await tasks.openTargets();
    const plugged = [...(await vms.holders())].map(([reference, { id }]) => [reference, id] as const);
    const held = [...plugged, ...(await checkpoints.carriers())].flatMap(([reference, vmId]) => {
      const place = placeOf(reference);
      return place.storageId === storageId ? [[place.id, vmId] as const] : [];
    });
    return { vmIds: new Set(await vms.ids()), holders: new Map(held), underWay };
  }
}

function viewOf(storageId: string, orphan: Orphan): StorageOrphan {
  return { ...orphan, diskId: referenceOf({ storageId, id: orphan.diskId }) };
}
