/** Making a VM of a restore point, as steps of a plan: its disks, what they hold, then the VM itself. */
import type { CreationState } from '../../compute/vms/creation.ts';
import type { Owner } from '../../compute/vms/ports.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import type { PlanStep } from '../../platform/tasks/plan.ts';
import type { BackupDisks } from '../disks/backup-disks.ts';
import type { PointKey } from '../points/catalog.ts';
import type { Repositories } from '../repositories/repositories.ts';

export interface RestoredDisk {
  /** In the restore point, and in the library. */
  readonly pointDiskId: string;
  readonly diskId: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly bus: 'virtio-blk' | 'virtio-scsi' | 'ide';
  /** Where it stands on the VHD of the restore point: its path. Else it is copied. */
  readonly path: string | null;
}

export interface RestoreState {
  readonly id: string;
  readonly key: PointKey;
  readonly disks: readonly RestoredDisk[];
  readonly creation: CreationState;
  readonly isStarted: boolean;
}

export interface RestoreDeps {
  readonly repositories: Repositories;
  readonly disks: BackupDisks;
  readonly vms: Vms;
}

const ownerOf = (id: string): Owner => `job:restore-${id}`;

export function restoreSteps({ repositories, disks, vms }: RestoreDeps): readonly PlanStep<RestoreState>[] {
  return [
    {
      name: 'making its disks',
      do: async ({ id, disks: wanted }) => {
        for (const { diskId, name, sizeBytes, path } of wanted)
          await disks.make(diskId, name, path === null ? { sizeBytes } : { path }, ownerOf(id));
      },
      undo: async ({ id, disks: wanted }) => {
        for (const { diskId } of wanted) await disks.remove(diskId, ownerOf(id));
      },
    },
    {
      name: 'copying what they hold',
      do: async ({ key, disks: wanted }, { signal, progress }) => {
        const point = { vmId: key.vmId, pointId: key.pointId };
        for (const [at, { diskId, pointDiskId, path }] of wanted.entries()) {
          if (path !== null) continue;
          const onProgress = (fraction: number | undefined): void =>
            progress((at + (fraction ?? 0)) / wanted.length, 'copying what they hold');
          await disks.whileServed(diskId, async (uri) => {
            await repositories.order(
              key.repositoryId,
              'fill',
              { point, diskId: pointDiskId, uri },
              { signal, onProgress },
            );
          });
        }
      },
    },
    {
      name: 'handing them over',
      // The VM takes them as it takes any disk that is nobody's.
      do: async ({ id, disks: wanted }) => {
        for (const { diskId } of wanted)
          await disks.own(diskId, null, ownerOf(id)).catch((error: unknown) => ifTaken(error));
      },
      undo: async ({ id, disks: wanted }) => {
        for (const { diskId } of wanted) await disks.own(diskId, ownerOf(id), null);
      },
    },
    ...vms.creationSteps.map(
      ({ name, do: make, undo }): PlanStep<RestoreState> => ({
        name,
        do: async ({ creation }, context) => void (await make(creation, context)),
        ...(undo === undefined ? {} : { undo: ({ creation }: RestoreState) => undo(creation) }),
      }),
    ),
    {
      name: 'plugging its other disks in',
      do: async ({ creation: { vmId }, disks: wanted, isStarted }) => {
        const plugged = wanted.map(({ diskId, bus }) => ({ diskId, bus }));
        if (1 < wanted.length) await vms.edit(vmId, { disks: plugged });
        if (isStarted) await vms.start(vmId);
      },
    },
  ];
}

/** After a kill: the VM has it by then. */
function ifTaken(error: unknown): void {
  if ((error as { readonly code?: unknown }).code !== 'CONFLICT') throw error;
}
