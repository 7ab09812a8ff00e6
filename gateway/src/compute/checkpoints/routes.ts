/** The API of checkpoints. */
import { createCheckpoint, deleteCheckpoint, listCheckpoints, revertVm } from '../../../api/checkpoint.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import type { Checkpoints } from './checkpoints.ts';

export function checkpointRoutes(checkpoints: Checkpoints): BoundRoute[] {
  return [
    bind(listCheckpoints, async ({ params }) => ({ items: await checkpoints.list(params.vmId) })),
    bind(createCheckpoint, async ({ params, body, principal, note, header }) => {
      const made = await checkpoints.create(params.vmId, body, principal.userId);
      note({ checkpoint: made.id, name: made.name, consistency: made.consistency });
      header('Location', `/api/v1/vms/${params.vmId}/checkpoints`);
      return made;
    }),
    bind(revertVm, async ({ params, body, principal, note }) => {
      note({ checkpoint: params.checkpointId, keep: body.keep });
      return await checkpoints.revert(params.vmId, params.checkpointId, body.keep, principal.userId);
    }),
    bind(deleteCheckpoint, async ({ params, principal, note }) => {
      note({ checkpoint: params.checkpointId });
      return await checkpoints.delete(params.vmId, params.checkpointId, principal.userId);
    }),
  ];
}
