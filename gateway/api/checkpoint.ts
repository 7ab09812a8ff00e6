/** Checkpoints: all disks of a VM at one instant, to go back to. They form a tree: who goes back goes on from there. */
import { z } from 'zod';
import { DiskName } from './disk.ts';
import { route } from './route.ts';
import { Task } from './task.ts';
import { Vm, VmParams } from './vm.ts';

/** file-system: the guest had nothing under way, as after a shutdown. crash: as after a power cut, which a journal mends. */
export const Consistency = z.enum(['file-system', 'crash']);
export type Consistency = z.infer<typeof Consistency>;

export const Checkpoint = z.object({
  id: z.string(),
  vmId: z.string(),
  name: z.string(),
  /** The one that the VM stood on when it was taken. */
  parentId: z.string().nullable(),
  /** The VM stands on it now: what it has written since then is in no checkpoint. */
  isCurrent: z.boolean(),
  consistency: Consistency,
  /** Why it is so: "the guest froze 2 file systems". */
  reason: z.string(),
  hasMemory: z.boolean(),
  diskCount: z.number().int(),
  /** User id, or null where the gateway took it. */
  madeBy: z.string().nullable(),
  createdAt: z.iso.datetime(),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

export const CHECKPOINT_LIMITS = { perVm: 64 } as const;

export const CheckpointCreate = z.object({
  name: DiskName,
  /** Its memory too. Refused where the host cannot. */
  withMemory: z.boolean().default(false),
});
export type CheckpointCreate = z.infer<typeof CheckpointCreate>;

const CheckpointParams = VmParams.extend({ checkpointId: z.string().max(64) });
const access = { right: 'manage', on: 'desktop', by: 'vmId' } as const;

export const listCheckpoints = route({
  id: 'checkpoint.list',
  method: 'get',
  path: '/vms/{vmId}/checkpoints',
  summary: 'Lists the checkpoints of a VM, oldest first',
  access: { right: 'see', on: 'desktop', by: 'vmId' },
  params: VmParams,
  reply: z.object({ items: z.array(Checkpoint) }),
});
export const createCheckpoint = route({
  id: 'checkpoint.create',
  method: 'post',
  path: '/vms/{vmId}/checkpoints',
  summary:
    'Takes a checkpoint of all disks of a VM at one instant; a guest with an agent freezes its file systems for it',
  access,
  params: VmParams,
  body: CheckpointCreate,
  reply: Checkpoint,
  status: 201,
  creates: true,
  errors: ['CONFLICT', 'NO_SPACE', 'NOT_SUPPORTED', 'TOO_MANY'],
});
export const revertVm = route({
  id: 'checkpoint.revert',
  method: 'post',
  path: '/vms/{vmId}/checkpoints/{checkpointId}/revert',
  summary:
    'Sets the disks of a VM that is off back to a checkpoint; what they hold now is kept as another, unless told otherwise',
  access,
  params: CheckpointParams,
  body: z.object({
    /** False: what was written since the last checkpoint is gone for good. */
    keep: z.boolean().default(true),
  }),
  reply: Vm,
  errors: ['CONFLICT', 'NO_SPACE'],
});
export const deleteCheckpoint = route({
  id: 'checkpoint.delete',
  method: 'delete',
  path: '/vms/{vmId}/checkpoints/{checkpointId}',
  summary: 'Deletes a checkpoint that no other state stands on; what the VM holds stays the same',
  access,
  params: CheckpointParams,
  reply: Task,
  status: 202,
  errors: ['CONFLICT'],
});
