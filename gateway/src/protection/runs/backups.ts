/** Runs: a restore point of a VM is made now, as a plan that goes on when the gateway is killed. */
import { randomUUID } from 'node:crypto';
import type { VmId } from '@oriel/hosts';
import type { BackupRun } from '../../../api/backup.ts';
import type { Task } from '../../../api/task.ts';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import type { StoredVm, VmStore } from '../../compute/vms/vm-store.ts';
import { GatewayError } from '../../errors.ts';
import type { BackupRunRow } from '../../platform/store/tables/backups.ts';
import { iso } from '../../platform/store/time.ts';
import { type PlanPayload, planKind, planned } from '../../platform/tasks/plan.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import { type RunDeps, type RunState, runSteps } from './run-steps.ts';

export interface BackupsOptions extends Omit<RunDeps, 'look' | 'ran'> {
  readonly tasks: Tasks;
  readonly vmStore: VmStore;
  readonly hosts: Hosts;
}

/** BOUNDED: runs that are remembered. */
const KEPT_RUNS = 10_000;

export class Backups {
  readonly #options: BackupsOptions;
  readonly #kind: TaskKind<PlanPayload<RunState>>;
  /** Called after a run of a job; told by the jobs, which are made after this. */
  onRan: (jobId: string, vmId: string) => Promise<void> = async () => undefined;

  constructor(options: BackupsOptions) {
    this.#options = options;
    const { tasks, vmStore, hosts } = options;
    const look: RunDeps['look'] = async (vmId) => {
      const vm = await vmStore.require(vmId);
      return { seen: hosts.observation(vm.hostId, vmId), agent: hosts.driver(vm.hostId)?.agent, id: vmId as VmId };
    };
    const steps = runSteps({ ...options, look, ran: (jobId, vmId) => this.onRan(jobId, vmId) });
    const plan = planKind<RunState>({ kind: 'vm.backup', needs: 'backup', lane: 'backup', canCancel: true, steps });
    this.#kind = this.#noting(plan);
    tasks.register(this.#kind);
  }

  /** Errors: CONFLICT: no disk, another run of it goes on, it is being deleted; NOT_FOUND. */
  async run(
    vmId: string,
    asked: { readonly repositoryId: string; readonly isFull: boolean; readonly jobId?: string },
    startedBy: string | null,
  ): Promise<Task> {
    const { db, repositories, tasks, vmStore, now } = this.#options;
    const vm = await vmStore.require(vmId);
    const repository = await repositories.require(asked.repositoryId);
    if (vm.deleting !== undefined) throw new GatewayError('CONFLICT', `VM ${vm.name} is being deleted`);
    if (vm.disks.length === 0) throw new GatewayError('CONFLICT', `VM ${vm.name} has no disk to back up`);
    if (await this.isRunning(vmId, repository.id))
      throw new GatewayError('CONFLICT', `a backup of VM ${vm.name} to ${repository.name} is running already`);
    const runId = randomUUID();
    const state: RunState = {
      runId,
      repositoryId: repository.id,
      jobId: asked.jobId ?? null,
      isFull: asked.isFull,
      vm: { id: vm.id, name: vm.name, definition: definitionOf(vm) },
      disks: vm.disks.map(({ diskId, deviceId, bus }) => ({ diskId, deviceId, bus })),
    };
    const row: BackupRunRow = {
      id: runId,
      job_id: state.jobId,
      repository_id: repository.id,
      vm_id: vm.id,
      vm_name: vm.name,
      state: 'running',
      point_id: null,
      kind: null,
      data_bytes: 0,
      error: null,
      started_at: now(),
      ended_at: null,
    };
    await db.insertInto('backup_runs').values(row).execute();
    try {
      return await tasks.start({
        kind: this.#kind,
        title: `back up VM ${vm.name} to ${repository.name}`,
        target: { type: 'vm', id: vm.id },
        startedBy,
        payload: planned(state),
      });
    } catch (error) {
      await db.deleteFrom('backup_runs').where('id', '=', runId).execute();
      throw error;
    }
  }

  async isRunning(vmId: string, repositoryId: string): Promise<boolean> {
    const row = await this.#options.db
      .selectFrom('backup_runs')
      .select('id')
      .where('vm_id', '=', vmId)
      .where('repository_id', '=', repositoryId)
      .where('state', '=', 'running')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Newest first. */
  async list(filter: {
    readonly vmId?: string | undefined;
    readonly jobId?: string | undefined;
  }): Promise<BackupRun[]> {
    let query = this.#options.db
      .selectFrom('backup_runs')
      .selectAll()
      .orderBy('started_at', 'desc')
      .orderBy('id')
      .limit(KEPT_RUNS);
    if (filter.vmId !== undefined) query = query.where('vm_id', '=', filter.vmId);
    if (filter.jobId !== undefined) query = query.where('job_id', '=', filter.jobId);
    return (await query.execute()).map(viewOf);
  }

  /** The VM goes: the snapshots that were kept for its next run go with its disks, or are let go of where those stay. */
  async forget(vm: StoredVm): Promise<void> {
    const { db, disks } = this.#options;
    const anchors = await db.selectFrom('backup_anchors').selectAll().where('vm_id', '=', vm.id).execute();
    if (vm.deleting === 'keep')
      for (const { disk_id, snapshot_id } of anchors)
        await disks.dropSnapshot({ diskId: disk_id, snapshotId: snapshot_id });
    await db.deleteFrom('backup_anchors').where('vm_id', '=', vm.id).execute();
  }

  /** The plan, and a row that says how it ended. A gateway that stops leaves it running: the next one goes on. */
  #noting(plan: TaskKind<PlanPayload<RunState>>): TaskKind<PlanPayload<RunState>> {
    const failed = async (runId: string, message: string): Promise<void> => {
      const { db, now } = this.#options;
      await db
        .updateTable('backup_runs')
        .set({ state: 'failed', error: message.slice(0, 2000), ended_at: now() })
        .where('id', '=', runId)
        .where('state', '=', 'running')
        .execute();
      const old = await db
        .selectFrom('backup_runs')
        .select('started_at')
        .orderBy('started_at', 'desc')
        .offset(KEPT_RUNS)
        .limit(1)
        .executeTakeFirst();
      if (old !== undefined)
        await db
          .deleteFrom('backup_runs')
          .where('started_at', '<=', old.started_at)
          .where('state', '!=', 'running')
          .execute();
    };
    return {
      ...plan,
      run: async (payload, context) => {
        try {
          await plan.run(payload, context);
        } catch (error) {
          const isStopping = error instanceof GatewayError && error.code === 'STOPPING';
          if (!isStopping) await failed(payload.state.runId, error instanceof Error ? error.message : String(error));
          throw error;
        }
      },
      abandon: async (payload) => {
        await plan.abandon?.(payload);
        await failed(payload.state.runId, 'it was cancelled');
      },
    };
  }
}

/** What makes it the same VM when it is made again. */
export interface VmDefinition {
  readonly description: string;
  readonly hardware: StoredVm['hardware'];
  readonly sessionRules: StoredVm['sessionRules'];
  readonly hostId: string;
}

const definitionOf = ({ description, hardware, sessionRules, hostId }: StoredVm): VmDefinition => ({
  description,
  hardware,
  sessionRules,
  hostId,
});

function viewOf(row: BackupRunRow): BackupRun {
  return {
    id: row.id,
    jobId: row.job_id,
    repositoryId: row.repository_id,
    vmId: row.vm_id,
    vmName: row.vm_name,
    state: row.state === 'done' ? 'done' : row.state === 'failed' ? 'failed' : 'running',
    pointId: row.point_id,
    kind: row.kind === 'full' ? 'full' : row.kind === 'increment' ? 'increment' : null,
    dataBytes: row.data_bytes,
    error: row.error,
    startedAt: iso(row.started_at),
    endedAt: row.ended_at === null ? null : iso(row.ended_at),
  };
}
