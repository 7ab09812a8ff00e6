/** What is done to restore points that are there: verified, removed, laid out as files. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import type { BackupDisks } from '../disks/backup-disks.ts';
import { folderOf, type Repositories } from '../repositories/repositories.ts';
import type { Catalog, PointKey } from './catalog.ts';

export interface PointsOptions {
  readonly repositories: Repositories;
  readonly catalog: Catalog;
  readonly disks: BackupDisks;
  readonly tasks: Tasks;
  /** Where exports are laid out. */
  readonly exportFolder: string;
  readonly now: () => number;
}

interface VerifyPayload {
  readonly key: PointKey;
  readonly sample: number;
}

interface ReplicatePayload {
  readonly from: string;
  readonly to: string;
}

interface KeyPayload {
  readonly key: PointKey;
}

export class Points {
  readonly #options: PointsOptions;
  readonly #verifying: TaskKind<VerifyPayload>;
  readonly #removing: TaskKind<KeyPayload>;
  readonly #exporting: TaskKind<KeyPayload>;
  readonly #replicating: TaskKind<ReplicatePayload>;

  constructor(options: PointsOptions) {
    this.#options = options;
    const common = { lane: 'backup', canCancel: true, onRestart: 'resume' } as const;
    this.#verifying = {
      ...common,
      kind: 'restore-point.verify',
      needs: 'backup',
      run: ({ key, sample }, { signal, progress }) =>
        this.#verify(key, sample, signal, (fraction) => progress(fraction, 'reading it')),
    };
    this.#removing = {
      ...common,
      kind: 'restore-point.delete',
      needs: 'settings',
      run: async ({ key }, { signal, progress }) => {
        progress(undefined, 'giving others what they need of it');
        await this.drop(key, signal);
      },
    };
    this.#exporting = {
      ...common,
      kind: 'restore-point.export',
      needs: 'settings',
      run: async ({ key }, { signal, progress }) => {
        const folder = path.join(options.exportFolder, `${key.vmId}-${key.pointId}`);
        mkdirSync(options.exportFolder, { recursive: true, mode: 0o700 });
        await options.repositories.order(
          key.repositoryId,
          'export',
          { point: key, folder },
          { signal, onProgress: (fraction) => progress(fraction, `laying it out in ${folder}`) },
        );
        progress(1, `it is in ${folder}`);
      },
    };
    this.#replicating = {
      ...common,
      kind: 'repository.replicate',
      needs: 'backup',
      run: ({ from, to }, { signal, progress }) =>
        this.#replicate(from, to, signal, (fraction) => progress(fraction, 'copying what is missing there')),
    };
    for (const kind of [this.#verifying, this.#removing, this.#exporting, this.#replicating])
      options.tasks.register(kind as TaskKind<never>);
  }

  async verify(key: PointKey, sample: number, startedBy: string): Promise<Task> {
    const { vmName, createdAt } = await this.#options.catalog.get(key);
    const title = `verify restore point ${createdAt} of ${vmName}`;
    return this.#options.tasks.start({ kind: this.#verifying, title, startedBy, payload: { key, sample } });
  }

  /** Errors: CONFLICT where it has to be kept, or is pinned. */
  async remove(key: PointKey, startedBy: string): Promise<Task> {
    const { vmName, createdAt, isPinned, keptUntil } = await this.#options.catalog.get(key);
    if (isPinned)
      throw new GatewayError('CONFLICT', `restore point ${createdAt} of ${vmName} is pinned: let it go first`);
    if (keptUntil !== null && this.#options.now() < Date.parse(keptUntil))
      throw new GatewayError('CONFLICT', `restore point ${createdAt} of ${vmName} has to be kept until ${keptUntil}`);
    await this.#requireFree(key);
    const title = `remove restore point ${createdAt} of ${vmName}`;
    return this.#options.tasks.start({ kind: this.#removing, title, startedBy, payload: { key } });
  }

  async layOut(key: PointKey, startedBy: string): Promise<Task> {
    const { vmName, createdAt } = await this.#options.catalog.get(key);
    const title = `export restore point ${createdAt} of ${vmName}`;
    return this.#options.tasks.start({ kind: this.#exporting, title, startedBy, payload: { key } });
  }

  /** Copies what is missing into another repository. Errors: NOT_FOUND, CONFLICT. */
  async replicate(from: string, to: string, startedBy: string): Promise<Task> {
    const { repositories, tasks } = this.#options;
    if (from === to) throw new GatewayError('CONFLICT', 'a repository is not copied into itself');
    const [{ name }, { name: other }] = [await repositories.require(from), await repositories.require(to)];
    const title = `copy restore points from ${name} to ${other}`;
    return tasks.start({ kind: this.#replicating, title, startedBy, payload: { from, to } });
  }

  async #replicate(
    from: string,
    to: string,
    signal: AbortSignal,
    onProgress: (fraction: number | undefined) => void,
  ): Promise<void> {
    const { repositories, catalog } = this.#options;
    const { damaged } = await repositories.order(
      from,
      'replicate',
      { to: await repositories.reach(to) },
      { signal, onProgress },
    );
    await catalog.refresh(to);
    const [first] = damaged;
    if (first !== undefined)
      throw new GatewayError(
        'UNPROCESSABLE',
        `${damaged.length} restore points could not be copied; ${first.pointId}: ${first.message}`,
      );
  }

  /** Takes one away. One that is gone is as removed as can be. */
  async drop(key: PointKey, signal: AbortSignal): Promise<void> {
    const { repositories, catalog } = this.#options;
    const { repositoryId, vmId, pointId } = key;
    await this.#requireFree(key);
    const listed = await repositories.order(repositoryId, 'list', { vmId }, { signal });
    if (listed.some(({ point }) => point.pointId === pointId))
      await repositories.order(repositoryId, 'drop', { point: { vmId, pointId } }, { signal });
    await catalog.refresh(repositoryId, vmId);
  }

  /** SEALED-STAYS: a VM that runs from it needs it. What it stands on may go: it gets what it needs of that. Errors: CONFLICT. */
  async #requireFree({ repositoryId, vmId, pointId }: PointKey): Promise<void> {
    const { repositories, disks } = this.#options;
    const folder = folderOf(await repositories.require(repositoryId));
    if (folder === undefined) return; // Nothing stands on what lies in a bucket.
    const standing = disks.standingOn(path.join(folder, 'points', vmId, pointId));
    if (0 < standing.length)
      throw new GatewayError(
        'CONFLICT',
        `restore point ${pointId} stays: ${standing.join(', ')} ${standing.length === 1 ? 'stands' : 'stand'} on it`,
      );
  }

  async #verify(
    key: PointKey,
    sample: number,
    signal: AbortSignal,
    onProgress: (fraction: number | undefined) => void,
  ): Promise<void> {
    const { repositories, catalog, now } = this.#options;
    const { repositoryId, vmId, pointId } = key;
    const damages = await repositories.order(
      repositoryId,
      'verify',
      { point: { vmId, pointId }, sample },
      { signal, onProgress },
    );
    const told = damages.map(({ diskId, range, message }) =>
      range === undefined
        ? message
        : `${message} (bytes ${range.offset} to ${range.offset + range.length} of disk ${diskId})`,
    );
    await catalog.noteVerified(key, now(), told);
    if (0 < told.length) throw new GatewayError('UNPROCESSABLE', `restore point ${pointId} is damaged: ${told[0]}`);
  }
}
