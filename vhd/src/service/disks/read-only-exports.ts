/**
 * Sealed content served read-only, beside whatever is written: images for those who look, snapshots for backups. These
 * exports have no lease and end with the service; whoever reads opens them again.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { VhdError } from '../../errors.ts';
import type { ExportInfo } from '../control/api.ts';
import { nbdUri } from '../control/uri.ts';
import { KeyedLock } from '../state/keyed-lock.ts';
import { snapshotOf } from '../state/records.ts';
import type { NamedLink } from '../threads/open-disk.ts';
import type { Shared } from './shared.ts';
import { whileFolding } from './while-folding.ts';

export const imageKey = (id: string): string => `image:${id}`;
export const snapshotKey = (id: string, snapshotId: string): string => `snapshot:${id}:${snapshotId}`;

interface Target {
  readonly key: string;
  readonly exportName: string;
  readonly path: string;
  readonly folders: readonly string[];
  readonly snapshots: readonly NamedLink[];
}

export class ReadOnlyExports {
  readonly #shared: Shared;
  readonly #isBusy: (id: string) => boolean;
  readonly #lock = new KeyedLock();
  readonly #open = new Set<string>();

  /** `isBusy`: whether a task changes the chain of a disk. */
  constructor(shared: Shared, isBusy: (id: string) => boolean) {
    this.#shared = shared;
    this.#isBusy = isBusy;
  }

  async openImage(id: string): Promise<ExportInfo> {
    const { records } = this.#shared;
    records.image(id);
    const path = records.imagePath(id);
    return this.#serve({ key: imageKey(id), exportName: id, path, folders: [records.imagesFolder], snapshots: [] });
  }

  closeImage(id: string): Promise<void> {
    return this.#close(imageKey(id));
  }

  /** With a context for each older snapshot: what changed from one to the other. Errors: NOT_FOUND, and those of opening. */
  async openSnapshot(id: string, snapshotId: string): Promise<ExportInfo> {
    const served = await whileFolding(
      () => this.#isBusy(id),
      () => (this.#isNamed(id, snapshotId) ? this.#serve(this.#snapshot(id, snapshotId)) : Promise.resolve(undefined)),
    );
    if (served !== undefined && this.#isNamed(id, snapshotId)) return served;
    await this.closeSnapshot(id, snapshotId); // A fold into its file may have begun since we looked.
    throw new VhdError('NOT_FOUND', `disk ${id} has no snapshot ${JSON.stringify(snapshotId)}`);
  }

  #isNamed(id: string, snapshotId: string): boolean {
    return this.#shared.records.disk(id).snapshots.some((snapshot) => snapshot.id === snapshotId);
  }

  /** Errors: NOT_FOUND. */
  #snapshot(id: string, snapshotId: string): Target {
    const { records } = this.#shared;
    const record = records.disk(id);
    const { file } = snapshotOf(record, snapshotId);
    const older = record.snapshots.slice(
      0,
      record.snapshots.findIndex((snapshot) => snapshot.id === snapshotId),
    );
    return {
      key: snapshotKey(id, snapshotId),
      exportName: snapshotId,
      path: records.diskPath(record, file),
      folders: records.folders(record),
      snapshots: older.map((snapshot) => ({ name: snapshot.id, path: records.diskPath(record, snapshot.file) })),
    };
  }

  closeSnapshot(id: string, snapshotId: string): Promise<void> {
    return this.#close(snapshotKey(id, snapshotId));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#open].map((key) => this.#close(key)));
  }

  #serve(target: Target): Promise<ExportInfo> {
    return this.#lock.run(target.key, async () => {
      const { pool, runFolder } = this.#shared;
      const { key, exportName } = target;
      const socketPath = join(runFolder, `r-${createHash('sha256').update(key).digest('hex').slice(0, 16)}.sock`);
      const isOpen = pool.isOpen(key);
      const host = isOpen ? pool.of(key) : pool.seat(key);
      try {
        const lease = { number: 0, mode: 'read', exportName } as const;
        const { path, folders, snapshots } = target;
        const report = isOpen
          ? await host.report(key)
          : await host.open({ key, path, folders, isReadOnly: true, socketPath, rates: {}, snapshots, lease });
        this.#open.add(key);
        return {
          uri: nbdUri(exportName, socketPath),
          remoteUri: null,
          exportName,
          socketPath,
          lease: 0,
          mode: 'read',
          sizeBytes: report.sizeBytes,
        };
      } catch (error) {
        pool.unseat(key);
        throw error;
      }
    });
  }

  #close(key: string): Promise<void> {
    return this.#lock.run(key, async () => {
      const { pool } = this.#shared;
      this.#open.delete(key);
      if (!pool.isOpen(key)) return;
      try {
        await pool.of(key).close(key);
      } finally {
        pool.unseat(key);
      }
    });
  }
}
