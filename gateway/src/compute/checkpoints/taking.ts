/** Taking a checkpoint, as steps of a plan: the snapshots, then the row that says what they are worth. */
import type { AgentFacet, VmId, VmObservation } from '@oriel/hosts';
import type { PlanStep } from '../../platform/tasks/plan.ts';
import { ownerOf } from '../vms/ports.ts';
import type { CheckpointStore, Plugged } from './checkpoint-store.ts';
import { type Worth, whileFrozen } from './consistency.ts';
import type { CheckpointDisks, DiskPoint } from './ports.ts';

export interface TakingState {
  /** Of the checkpoint; the disk service knows the operation by it. */
  readonly id: string;
  readonly vmId: string;
  readonly name: string;
  readonly madeBy: string | null;
  readonly disks: readonly Plugged[];
  /** Learnt in the first step. */
  readonly points?: readonly DiskPoint[];
  readonly worth?: Worth;
}

export interface TakingDeps {
  readonly store: CheckpointStore;
  readonly disks: CheckpointDisks;
  readonly look: (vmId: string) => Promise<{
    readonly id: VmId;
    readonly seen: VmObservation | undefined;
    readonly agent: AgentFacet | undefined;
  }>;
}

/** A freeze of an earlier gateway is no longer known to have held. */
const UNKNOWN: Worth = {
  consistency: 'crash',
  reason: 'the gateway ended while it was taken: whether the guest was frozen is not known',
};

export function takingSteps({ store, disks, look }: TakingDeps): readonly PlanStep<TakingState>[] {
  return [
    {
      name: 'taking snapshots of its disks',
      do: async ({ id, vmId, name, disks: plugged }) => {
        const ids = plugged.map(({ diskId }) => diskId);
        const before = await disks.taken(ids, id);
        if (0 < before.length) return { points: before, worth: UNKNOWN };
        const { id: vm, seen, agent } = await look(vmId);
        let points: readonly DiskPoint[] = [];
        const worth = await whileFrozen(vm, seen, agent, async () => {
          points = await disks.snapshot(ids, name, ownerOf(vmId), id);
        });
        return { points, worth };
      },
      undo: async ({ id, disks: plugged }) => {
        const taken = await disks.taken(
          plugged.map(({ diskId }) => diskId),
          id,
        );
        for (const point of taken) await disks.dropSnapshot(point);
      },
    },
    {
      name: 'noting it',
      do: async ({ id, vmId, name, madeBy, disks: plugged, points = [], worth = UNKNOWN }) => {
        const row = { id, vm_id: vmId, name, ...worth, has_memory: 0, made_by: madeBy };
        const snapshotOf = new Map(points.map(({ diskId, snapshotId }) => [diskId, snapshotId]));
        await store.add(
          row,
          plugged.flatMap((disk) => {
            const snapshotId = snapshotOf.get(disk.diskId);
            return snapshotId === undefined ? [] : [{ ...disk, snapshotId }];
          }),
        );
      },
      undo: ({ id }) => store.remove(id),
    },
  ];
}
