/** Checkpoints of VMs: taken, gone back to, deleted. Each verb is a plan, which goes on when the gateway is killed. */
import { randomUUID } from 'node:crypto';
import type { VmId } from '@oriel/hosts';
import { CHECKPOINT_LIMITS, type Checkpoint, type CheckpointCreate } from '../../../api/checkpoint.ts';
import type { Task } from '../../../api/task.ts';
import type { Vm } from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import { iso } from '../../platform/store/time.ts';
import { type PlanPayload, planKind, planned } from '../../platform/tasks/plan.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { ownerOf } from '../vms/ports.ts';
import type { StoredVm, VmStore } from '../vms/vm-store.ts';
import type { Vms } from '../vms/vms.ts';
import type { CheckpointStore, StoredCheckpoint } from './checkpoint-store.ts';
import { type DeletionState, deletionSteps } from './deletion.ts';
import type { CheckpointDisks } from './ports.ts';
import { type RevertState, revertSteps } from './revert.ts';
import { type TakingState, takingSteps } from './taking.ts';

export interface CheckpointsOptions {
  readonly store: CheckpointStore;
  readonly vmStore: VmStore;
  readonly vms: Vms;
  readonly hosts: Hosts;
  readonly disks: CheckpointDisks;
  readonly tasks: Tasks;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #taking: TaskKind<PlanPayload<TakingState>>;
  readonly #reverting: TaskKind<PlanPayload<RevertState>>;
  readonly #deletion: TaskKind<PlanPayload<DeletionState>>;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
    const { store, disks, hosts, tasks, vms } = options;
    const common = { needs: 'manage', lane: 'compute', canCancel: false } as const;
    const taking = takingSteps({ store, disks, look: (vmId) => this.#look(vmId, hosts) });
    const changed = (vmId: string): Promise<void> => vms.changedOutside(vmId);
    this.#taking = planKind({ ...common, kind: 'vm.checkpoint', steps: taking });
    this.#reverting = planKind({ ...common, kind: 'vm.revert', steps: revertSteps({ store, disks, taking, changed }) });
    this.#deletion = planKind({
      ...common,
      kind: 'vm.checkpoint-delete',
      lane: 'storage',
      steps: deletionSteps({ store, disks }),
    });
    for (const kind of [this.#taking, this.#reverting, this.#deletion]) tasks.register(kind as TaskKind<never>);
  }

  async list(vmId: string): Promise<Checkpoint[]> {
    await this.#options.vmStore.require(vmId);
    return (await this.#options.store.of(vmId)).map(viewOf);
  }

  /** Errors: CONFLICT: no disk; NOT_SUPPORTED: memory; TOO_MANY. */
  async create(vmId: string, asked: CheckpointCreate, startedBy: string): Promise<Checkpoint> {
    const { store, vmStore, hosts, tasks } = this.#options;
    const vm = await this.#usable(vmId);
    if (asked.withMemory) {
      const what = hosts.requireDriver(vm.hostId).ram === undefined ? 'its host cannot' : 'checkpoints cannot yet';
      throw new GatewayError('NOT_SUPPORTED', `the memory of VM ${vm.name} cannot be part of it: ${what} keep it`);
    }
    if (vm.disks.length === 0) throw new GatewayError('CONFLICT', `VM ${vm.name} has no disk to take a checkpoint of`);
    const count = (await store.of(vmId)).length;
    if (CHECKPOINT_LIMITS.perVm <= count)
      throw new GatewayError('TOO_MANY', `VM ${vm.name} has ${count} checkpoints already`);
    const state = takingOf(vm, asked.name, startedBy);
    await tasks.run({
      kind: this.#taking,
      title: `checkpoint ${asked.name} of VM ${vm.name}`,
      ...about(vmId, startedBy),
      payload: planned(state),
    });
    await vmStore.log(vmId, 'info', 'checkpoint', `checkpoint ${asked.name} was taken`);
    return viewOf(await this.#require(vmId, state.id));
  }

  /** Errors: CONFLICT where it is not off. */
  async revert(vmId: string, checkpointId: string, keep: boolean, startedBy: string): Promise<Vm> {
    const { vms, vmStore, disks, tasks } = this.#options;
    const vm = await this.#usable(vmId);
    const { state } = await vms.get(vmId);
    if (state !== 'stopped')
      throw new GatewayError('CONFLICT', `VM ${vm.name} is ${state}: stop it before it is set back`);
    const { row, disks: points } = await this.#require(vmId, checkpointId);
    const plan: RevertState = {
      vmId,
      checkpointId,
      standsOn: await this.#options.store.current(vmId),
      kept: keep ? takingOf(vm, `Before going back to ${row.name}`.slice(0, 64), startedBy) : null,
      before: vm.disks.map(({ diskId, deviceId, bus }) => ({ diskId, deviceId, bus })),
      after: points.map((point) => ({ ...point, newDiskId: disks.branchId(point, vm.name) })),
      name: vm.name,
    };
    await tasks.run({
      kind: this.#reverting,
      title: `set VM ${vm.name} back to ${row.name}`,
      ...about(vmId, startedBy),
      payload: planned(plan),
    });
    await vmStore.log(vmId, 'info', 'reverted', `its disks are as in checkpoint ${row.name}`);
    return await vms.get(vmId);
  }

  /** Errors: CONFLICT where another state stands on it. */
  async delete(vmId: string, checkpointId: string, startedBy: string): Promise<Task> {
    const { disks, store, tasks } = this.#options;
    const vm = await this.#usable(vmId);
    const { row, disks: points } = await this.#require(vmId, checkpointId);
    for (const point of points) {
      if (await disks.hasBranches(point)) {
        throw new GatewayError(
          'CONFLICT',
          `checkpoint ${row.name} cannot go: the VM, or another checkpoint, went on from it`,
        );
      }
    }
    const others = (await store.of(vmId)).filter((one) => one.row.id !== checkpointId);
    const inUse = new Set([
      ...vm.disks.map(({ diskId }) => diskId),
      ...others.flatMap((one) => one.disks.map(({ diskId }) => diskId)),
    ]);
    const state: DeletionState = {
      vmId,
      checkpointId,
      fold: points.filter(({ diskId }) => inUse.has(diskId)),
      remove: points.filter(({ diskId }) => !inUse.has(diskId)).map(({ diskId }) => diskId),
    };
    return await tasks.start({
      kind: this.#deletion,
      title: `delete checkpoint ${row.name} of VM ${vm.name}`,
      ...about(vmId, startedBy),
      payload: planned(state),
    });
  }

  /** The VM goes: disks that only its checkpoints are in go with it, or are set free. Youngest first: they stand on the older. */
  async forget(vm: StoredVm): Promise<void> {
    const { store, disks } = this.#options;
    const carriers = new Set(
      (await store.of(vm.id)).toReversed().flatMap((one) => one.disks.map(({ diskId }) => diskId)),
    );
    for (const { diskId } of vm.disks) carriers.delete(diskId);
    for (const diskId of carriers) {
      if (vm.deleting === 'delete') await disks.remove(diskId, ownerOf(vm.id));
      else await disks.disown(diskId, ownerOf(vm.id));
    }
  }

  async #usable(vmId: string): Promise<StoredVm> {
    const vm = await this.#options.vmStore.require(vmId);
    if (vm.deleting !== undefined) throw new GatewayError('CONFLICT', `VM ${vm.name} is being deleted`);
    return vm;
  }

  async #require(vmId: string, checkpointId: string): Promise<StoredCheckpoint> {
    const found = (await this.#options.store.of(vmId)).find(({ row }) => row.id === checkpointId);
    if (found === undefined) throw new GatewayError('NOT_FOUND', `the VM has no checkpoint ${checkpointId}`);
    return found;
  }

  async #look(vmId: string, hosts: Hosts): ReturnType<Parameters<typeof takingSteps>[0]['look']> {
    const vm = await this.#options.vmStore.require(vmId);
    return { seen: hosts.observation(vm.hostId, vmId), agent: hosts.driver(vm.hostId)?.agent, id: vmId as VmId };
  }
}

const about = (vmId: string, startedBy: string) => ({ target: { type: 'vm', id: vmId } as const, startedBy });

function takingOf(vm: StoredVm, name: string, madeBy: string): TakingState {
  const disks = vm.disks.map(({ diskId, deviceId, bus }) => ({ diskId, deviceId, bus }));
  return { id: randomUUID(), vmId: vm.id, name, madeBy, disks };
}

function viewOf({ row, disks, isCurrent }: StoredCheckpoint): Checkpoint {
  return {
    id: row.id,
    vmId: row.vm_id,
    name: row.name,
    parentId: row.parent_id,
    isCurrent,
    consistency: row.consistency === 'file-system' ? 'file-system' : 'crash',
    reason: row.reason,
    hasMemory: row.has_memory === 1,
    diskCount: disks.length,
    madeBy: row.made_by,
    createdAt: iso(row.created_at),
  };
}
