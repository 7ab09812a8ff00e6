/**
 * Setting a VM back, as steps of a plan: what it holds now becomes a checkpoint (unless told otherwise), a disk that goes on
 * from the checkpoint is made for each of its disks, and the VM gets those. The disks it had stay, since checkpoints are in them.
 */
import type { PlanStep, StepContext } from '../../platform/tasks/plan.ts';
import { ownerOf } from '../vms/ports.ts';
import type { CheckpointStore, Plugged, PluggedPoint } from './checkpoint-store.ts';
import type { CheckpointDisks } from './ports.ts';
import type { TakingState } from './taking.ts';

export interface RevertState {
  readonly vmId: string;
  readonly checkpointId: string;
  /** The one that the VM stands on before. */
  readonly standsOn: string | null;
  /** The checkpoint of what it holds now; null: that is thrown away. */
  readonly kept: TakingState | null;
  readonly before: readonly Plugged[];
  readonly after: readonly (PluggedPoint & { readonly newDiskId: string })[];
  readonly name: string;
}

export interface RevertDeps {
  readonly store: CheckpointStore;
  readonly disks: CheckpointDisks;
  readonly taking: readonly PlanStep<TakingState>[];
  /** The VM has other disks now. */
  readonly changed: (vmId: string) => Promise<void>;
}

export function revertSteps({ store, disks, taking, changed }: RevertDeps): readonly PlanStep<RevertState>[] {
  return [
    ...taking.map((step) => ofKept(step)),
    {
      name: 'making its disks',
      do: async ({ vmId, after, name }) => {
        for (const point of after) await disks.branch(point.newDiskId, name, point, ownerOf(vmId));
      },
      undo: async ({ vmId, after }) => {
        for (const { newDiskId } of after) await disks.remove(newDiskId, ownerOf(vmId));
      },
    },
    {
      name: 'putting them in',
      do: async ({ vmId, checkpointId, after }) => {
        const plugged = after.map(({ newDiskId, deviceId, bus }) => ({ diskId: newDiskId, deviceId, bus }));
        await store.plug(vmId, plugged, checkpointId);
        await changed(vmId);
      },
      undo: async ({ vmId, before, standsOn, kept }) => {
        await store.plug(vmId, before, kept?.id ?? standsOn);
        await changed(vmId);
      },
    },
    {
      name: 'throwing away what it held',
      do: async ({ vmId, kept, before }) => {
        if (kept !== null) return;
        const carriers = await store.carriers();
        for (const { diskId } of before) {
          if (carriers.has(diskId)) await disks.discard(diskId);
          else await disks.remove(diskId, ownerOf(vmId));
        }
      },
    },
  ];
}

/** A step of taking a checkpoint, where one is taken. */
function ofKept(step: PlanStep<TakingState>): PlanStep<RevertState> {
  const { undo } = step;
  return {
    name: `keeping what it holds: ${step.name}`,
    do: async ({ kept }: RevertState, context: StepContext) => {
      if (kept === null) return;
      const learnt = await step.do(kept, context);
      return { kept: { ...kept, ...learnt } };
    },
    ...(undo === undefined
      ? {}
      : {
          undo: async ({ kept }: RevertState) => {
            if (kept !== null) await undo(kept);
          },
        }),
  };
}
