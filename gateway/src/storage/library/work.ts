/** The long work on the library: imports, folded snapshots, reverted and grown disks. */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import type { ImageImport } from '../../../api/disk.ts';
import type { Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { Tasks } from '../../platform/tasks/tasks.ts';
import { FIRST_STORAGE, placeOf, referenceOf } from '../storages/reference.ts';
import type { Storages } from '../storages/storages.ts';
import type { Library } from './library.ts';
import { serviceTaskKind } from './service-task.ts';

export interface DiskWorkDeps {
  readonly storages: Storages;
  readonly library: Library;
  readonly tasks: Tasks;
  /** The only folder that files are imported from. */
  readonly importFolder: string;
  /** A disk has another size now: whoever has it plugged in is told. */
  readonly onGrown: (diskId: string, sizeBytes: number) => Promise<void>;
}

export interface DiskWork {
  importImage(asked: ImageImport, startedBy: string): Promise<Task>;
  deleteSnapshot(diskId: string, snapshotId: string, startedBy: string): Promise<Task>;
  revert(diskId: string, startedBy: string): Promise<Task>;
  grow(diskId: string, sizeBytes: number, startedBy: string): Promise<Task>;
}

interface ImportPayload {
  readonly name: string;
  readonly file: string;
  readonly kind: 'image' | 'template';
  readonly format?: ImageImport['format'];
  readonly storageId: string;
}
interface DiskPayload {
  readonly diskId: string;
}
type SnapshotPayload = DiskPayload & { readonly snapshotId: string };
type GrowPayload = DiskPayload & { readonly sizeBytes: number };

/** Registers the kinds; before the tasks of an earlier gateway are resumed. */
export function diskWork({ storages, library, tasks, importFolder, onGrown }: DiskWorkDeps): DiskWork {
  const onDisk = {
    what: ({ diskId }: DiskPayload) => `disk ${diskId}`,
    client: ({ diskId }: DiskPayload) => storages.locate(diskId).client,
    changed: ({ diskId }: DiskPayload) => [diskId],
  };
  const importing = serviceTaskKind<ImportPayload>(library, {
    kind: 'image.import',
    what: ({ file }) => `file ${file}`,
    step: 'copying',
    canBeginAgain: true,
    client: ({ storageId }) => storages.requireClient(storageId),
    begin: (client, { name, file, kind, format }) =>
      client.importImage({
        name,
        path: path.join(importFolder, file),
        kind,
        ...(format === undefined ? {} : { format }),
      }),
    changed: ({ storageId }, { result }) =>
      typeof result?.['id'] === 'string' ? [referenceOf({ storageId, id: result['id'] })] : [],
  });
  const folding = serviceTaskKind<SnapshotPayload>(library, {
    ...onDisk,
    kind: 'snapshot.delete',
    step: 'folding',
    canBeginAgain: true,
    begin: (client, { diskId, snapshotId }) =>
      client.removeSnapshot({ id: placeOf(diskId).id, snapshotId: placeOf(snapshotId).id }),
    changed: ({ diskId, snapshotId }) => [diskId, snapshotId],
  });
  const reverting = serviceTaskKind<DiskPayload>(library, {
    ...onDisk,
    kind: 'disk.revert',
    step: 'throwing away',
    begin: (client, { diskId }) => client.discardLeaf({ id: placeOf(diskId).id }),
  });
  const growing = serviceTaskKind<GrowPayload>(library, {
    ...onDisk,
    kind: 'disk.grow',
    step: 'growing',
    canBeginAgain: true,
    begin: (client, { diskId, sizeBytes }) => client.growDisk({ id: placeOf(diskId).id, sizeBytes }),
    after: ({ diskId, sizeBytes }) => onGrown(diskId, sizeBytes),
  });
  tasks.register(importing);
  tasks.register(folding);
  tasks.register(reverting);
  tasks.register(growing);

  const target = (id: string): Task['target'] => ({ type: 'disk', id });
  return {
    importImage: async (asked, startedBy) => {
      // A link could lead anywhere: only a plain file of the folder itself.
      if (lstatSync(path.join(importFolder, asked.file), { throwIfNoEntry: false })?.isFile() !== true) {
        throw new GatewayError('UNPROCESSABLE', `no file ${asked.file} in the import folder, ${importFolder}`);
      }
      const payload = { ...asked, storageId: asked.storageId ?? FIRST_STORAGE };
      return await tasks.start({ kind: importing, title: `import ${asked.file}`, startedBy, payload });
    },
    deleteSnapshot: async (diskId, snapshotId, startedBy) => {
      const snapshot = (await library.snapshots(diskId)).find((one) => one.id === snapshotId);
      if (snapshot === undefined) throw new GatewayError('NOT_FOUND', `disk ${diskId} has no snapshot ${snapshotId}`);
      const title = `delete snapshot ${snapshot.name}`;
      return await tasks.start({
        kind: folding,
        title,
        target: target(diskId),
        startedBy,
        payload: { diskId, snapshotId },
      });
    },
    revert: async (diskId, startedBy) => {
      const disk = await library.get(diskId);
      await library.requireClosed(diskId);
      const title = `revert disk ${disk.name}`;
      return await tasks.start({ kind: reverting, title, target: target(diskId), startedBy, payload: { diskId } });
    },
    grow: async (diskId, sizeBytes, startedBy) => {
      const disk = await library.get(diskId);
      if (sizeBytes <= disk.sizeBytes)
        throw new GatewayError('UNPROCESSABLE', `disk ${disk.name} is that large already`);
      const title = `grow disk ${disk.name}`;
      return await tasks.start({
        kind: growing,
        title,
        target: target(diskId),
        startedBy,
        payload: { diskId, sizeBytes },
      });
    },
  };
}
