/** Deleting a checkpoint, as steps of a plan: its snapshots are folded away, disks that only it was in go, then its row. */
import type { PlanStep } from '../../platform/tasks/plan.ts';
import { ownerOf } from '../vms/ports.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import type { CheckpointDisks, DiskPoint } from './ports.ts';

export interface DeletionState {
  readonly vmId: string;
  readonly checkpointId: string;
  /** Snapshots of disks that are needed further. */
  readonly fold: readonly DiskPoint[];
  /** Disks that nothing else is in. */
  readonly remove: readonly string[];
}

export interface DeletionDeps {
  readonly store: CheckpointStore;
  readonly disks: CheckpointDisks;
}

/** There is no way back from a fold: what fails is tried again by whoever asks again, and the row stays until then. */
export function deletionSteps({ store, disks }: DeletionDeps): readonly PlanStep<DeletionState>[] {
  return [
    {
      name: 'folding its snapshots away',
      do: async ({ fold }, { signal, progress }) => {
        for (const [at, point] of fold.entries()) {
          progress(at / fold.length, 'folding its snapshots away');
          await disks.dropSnapshot(point, signal);
        }
      },
    },
    {
      name: 'removing its disks',
      do: async ({ vmId, remove }) => {
        for (const diskId of remove) await disks.remove(diskId, ownerOf(vmId));
      },
    },
    { name: 'removing it', do: ({ checkpointId }) => store.remove(checkpointId) },
  ];
}
