/** Restores: a VM is made of a restore point, its disks copied, or standing on it where it lies. */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { idFrom } from '@oriel/vhd';
import type { z } from 'zod';
import type { restoreRestorePoint } from '../../../api/backup.ts';
import type { Task } from '../../../api/task.ts';
import { DiskBus, VmCreate, VmHardware } from '../../../api/vm.ts';
import { needsOfCreate, requireNeeds } from '../../compute/vms/reach.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import { GatewayError } from '../../errors.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { type PlanPayload, planKind, planned } from '../../platform/tasks/plan.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import type { BackupDisks } from '../disks/backup-disks.ts';
import type { Catalog, PointKey } from '../points/catalog.ts';
import { folderOf, type Repositories } from '../repositories/repositories.ts';
import type { VmDefinition } from '../runs/backups.ts';
import { type RestoredDisk, type RestoreState, restoreSteps } from './restore-steps.ts';

type Asked = z.output<NonNullable<(typeof restoreRestorePoint)['body']>>;

export interface RestoresOptions {
  readonly repositories: Repositories;
  readonly catalog: Catalog;
  readonly disks: BackupDisks;
  readonly vms: Vms;
  readonly tasks: Tasks;
}

export class Restores {
  readonly #options: RestoresOptions;
  readonly #kind: TaskKind<PlanPayload<RestoreState>>;

  constructor(options: RestoresOptions) {
    this.#options = options;
    const steps = restoreSteps(options);
    this.#kind = planKind<RestoreState>({
      kind: 'vm.restore',
      needs: 'restore',
      lane: 'backup',
      canCancel: true,
      steps,
    });
    options.tasks.register(this.#kind);
  }

  /**
   * What the VM is, its restore point says, and whoever wrote that: a network of the host and a size beyond the limits take
   * the rights that they take of who makes a VM. Errors: NOT_FOUND, ALREADY_EXISTS, CONFLICT, NOT_SUPPORTED, FORBIDDEN.
   */
  async restore(key: PointKey, asked: Asked, principal: Principal): Promise<Task> {
    const { catalog, repositories, vms, tasks } = this.#options;
    const point = await catalog.get(key);
    if (point.health === 'unread')
      throw new GatewayError('CONFLICT', `restore point ${point.id} cannot be read: ${point.problems[0]}`);
    const { vmId, pointId } = key;
    const listed = (await repositories.order(key.repositoryId, 'list', { vmId })).find(
      (one) => one.point.pointId === pointId,
    );
    if (listed === undefined || !('manifest' in listed))
      throw new GatewayError('NOT_FOUND', `restore point ${pointId} is not in its repository any more`);
    const { disks: stored, vm } = listed.manifest;
    if (stored.length === 0) throw new GatewayError('CONFLICT', `restore point ${pointId} has no disk`);
    const folder = asked.how === 'now' ? await this.#folderOf(key) : undefined;
    const disks = stored.map(
      (disk): RestoredDisk => ({
        pointDiskId: disk.diskId,
        diskId: idFrom(asked.name),
        name: asked.name,
        sizeBytes: disk.sizeBytes,
        bus: DiskBus.catch('virtio-blk').parse(disk.bus),
        path: folder === undefined ? null : path.join(folder, 'points', vmId, pointId, disk.pending ?? disk.file),
      }),
    );
    for (const { path: file } of disks) if (file !== null) requirePlainFile(file, pointId);
    const definition = (vm.definition ?? {}) as Partial<VmDefinition>;
    const [first] = disks;
    const create = VmCreate.parse({
      name: asked.name,
      description: typeof definition.description === 'string' ? definition.description : '',
      source: { from: 'disk', diskId: first?.diskId },
      bus: first?.bus,
      hardware: withoutTwins(definition.hardware),
    });
    requireNeeds(principal, needsOfCreate({ ...create, source: { from: 'none' } }));
    if ((await vms.list()).some(({ name }) => name === asked.name))
      throw new GatewayError('ALREADY_EXISTS', `there is a VM ${asked.name} already`);
    const hostId = vms.placeOn(asked.hostId, definition.hostId);
    const state: RestoreState = {
      id: randomUUID(),
      key,
      disks,
      creation: vms.planCreation(randomUUID(), hostId, create),
      isStarted: asked.isStarted,
    };
    return tasks.start({
      kind: this.#kind,
      title: `restore ${point.vmName} of ${point.createdAt} as ${asked.name}`,
      target: { type: 'vm', id: state.creation.vmId },
      startedBy: principal.userId,
      payload: planned(state),
    });
  }

  /** Errors: NOT_SUPPORTED. */
  async #folderOf({ repositoryId }: PointKey): Promise<string> {
    const row = await this.#options.repositories.require(repositoryId);
    const folder = folderOf(row);
    if (row.form === 'vhd' && folder !== undefined) return folder;
    throw new GatewayError(
      'NOT_SUPPORTED',
      `a VM can stand on a restore point only where it is a plain VHD in a folder; repository ${row.name} has containers: copy it`,
    );
  }
}

/** Its hardware, with addresses of its own: the VM that it was may still run. What cannot be read any more is the default. */
function withoutTwins(hardware: unknown): VmHardware {
  const parsed = VmHardware.catch(VmHardware.parse({})).parse(hardware ?? {});
  return { ...parsed, nics: parsed.nics.map((nic) => ({ ...nic, mac: undefined })) };
}

/** A disk that stands on it would read whatever a link leads to. */
function requirePlainFile(file: string, pointId: string): void {
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new GatewayError(
      'CONFLICT',
      `a disk of restore point ${pointId} is a link, or not there: nothing is followed`,
    );
}
