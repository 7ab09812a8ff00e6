/**
 * The long work on the content of the library: checks, repairs, smaller and larger images, copies, files to download, other
 * bases, snapshots folded down. What cannot be done is refused before a task is made of it, with what to do instead; the
 * disk service refuses it again where things have changed by then.
 */
import type { DiskServiceClient } from '@oriel/vhd';
import type { Disk } from '../../../api/disk.ts';
import type { ExportFormat } from '../../../api/image.ts';
import type { Task } from '../../../api/task.ts';
import { GatewayError } from '../../errors.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import { placeOf, referenceOf } from '../storages/reference.ts';
import type { Storages } from '../storages/storages.ts';
import type { Advice } from './errors.ts';
import { exportedView } from './exports.ts';
import { checkResultOf } from './findings.ts';
import type { Library } from './library.ts';
import { type ServiceWork, serviceTaskKind } from './service-task.ts';

export interface ImageWorkDeps {
  readonly storages: Storages;
  readonly library: Library;
  readonly tasks: Tasks;
}

export interface ImageWork {
  check(id: string, isDeep: boolean, startedBy: string): Promise<Task>;
  repair(id: string, startedBy: string): Promise<Task>;
  compact(id: string, startedBy: string): Promise<Task>;
  resize(id: string, sizeBytes: number, isShrinking: boolean, startedBy: string): Promise<Task>;
  copy(id: string, name: string, kind: 'image' | 'template', startedBy: string): Promise<Task>;
  exportAs(id: string, format: ExportFormat, startedBy: string): Promise<Task>;
  rebase(id: string, imageId: string, startedBy: string): Promise<Task>;
  mergeDown(diskId: string, snapshotId: string, startedBy: string): Promise<Task>;
}

/** What every kind of it is about. `of` is the disk where `id` is a snapshot. */
interface Payload {
  readonly id: string;
  readonly of: string;
  readonly kind: Disk['kind'];
}
type CopyPayload = Payload & { readonly name: string; readonly becomes: 'image' | 'template' };

const LET_GO = 'stop its VM first, or take a snapshot and use that';
const COPY_IT = 'copy it, and change the copy';
const ADVICE: Advice = { LOCKED: LET_GO, SEALED: COPY_IT, HAS_CHILDREN: COPY_IT };

/** Registers the kinds; before the tasks of an earlier gateway are resumed. */
export function imageWork({ storages, library, tasks }: ImageWorkDeps): ImageWork {
  const register = <P extends Payload>(
    kind: string,
    step: string,
    begin: ServiceWork<P>['begin'],
    more: Partial<ServiceWork<P>> = {},
  ): TaskKind<P> => {
    const made = serviceTaskKind<P>(library, {
      kind,
      step,
      begin,
      what: (payload) => `${payload.kind} ${payload.id}`,
      client: (payload) => storages.locate(payload.of).client,
      changed: (payload) => [payload.id],
      advice: ADVICE,
      ...more,
    });
    tasks.register(made);
    return made;
  };
  const idOf = ({ id }: Payload): { readonly id: string } => ({ id: placeOf(id).id });
  const contentOf = ({ id, of, kind }: Payload) => {
    if (kind === 'image' || kind === 'template') return { imageId: placeOf(id).id };
    return { diskId: placeOf(of).id, ...(kind === 'snapshot' ? { snapshotId: placeOf(id).id } : {}) };
  };
  const isImage = ({ kind }: Payload): boolean => kind === 'image' || kind === 'template';

  const checking = register<Payload & { readonly isDeep: boolean }>(
    'disk.check',
    'looking',
    (client, payload) =>
      isImage(payload)
        ? client.checkImage({ ...idOf(payload), isDeep: payload.isDeep })
        : client.checkDisk({ id: placeOf(payload.of).id }),
    { changed: () => [], result: (_, done) => checkResultOf(done.result) },
  );
  const repairing = register('disk.repair', 'mending', (client, payload) => client.repairImage(idOf(payload)), {
    result: (_, done) => checkResultOf(done.result, 'left'),
  });
  const compacting = register(
    'disk.compact',
    'writing it anew',
    (client, payload) => (isImage(payload) ? client.compactImage(idOf(payload)) : client.compactDisk(idOf(payload))),
    { result: (_, done) => done.result ?? {} },
  );
  const resizing = register<Payload & { readonly sizeBytes: number; readonly isShrinking: boolean }>(
    'disk.resize',
    'changing its size',
    (client, { sizeBytes, isShrinking, ...payload }) =>
      client.resizeImage({ ...idOf(payload), sizeBytes, isShrinking }),
  );
  const copying = register<CopyPayload>(
    'disk.copy',
    'copying',
    (client, payload) => client.copyImage({ from: contentOf(payload), name: payload.name, kind: payload.becomes }),
    {
      changed: (payload, done) => [copiedId(payload, done.result)],
      result: (payload, done) => ({ diskId: copiedId(payload, done.result) }),
    },
  );
  const exporting = register<Payload & { readonly format: ExportFormat }>(
    'disk.export',
    'writing',
    (client, payload) => client.exportImage({ from: contentOf(payload), format: payload.format }),
    {
      changed: () => [],
      result: (payload, done) => ({ ...exportedView(placeOf(payload.of).storageId, done.result as never) }),
    },
  );
  const rebasing = register<Payload & { readonly imageId: string }>(
    'disk.rebase',
    'comparing',
    (client, payload) => client.reparentDisk({ ...idOf(payload), to: { imageId: placeOf(payload.imageId).id } }),
    {
      changed: (payload) => [payload.id, payload.imageId],
      advice: { ...ADVICE, PARENT_MISMATCH: 'the image holds something else than what the disk stands on' },
    },
  );
  const merging = register('snapshot.merge', 'folding down', (client, payload) =>
    client.mergeDown({ id: placeOf(payload.of).id, snapshotId: placeOf(payload.id).id }),
  );

  const about = ({ id, kind }: Disk): Payload => ({ id, of: library.diskOf(id), kind });
  const start = <P extends Payload>(kind: TaskKind<P>, verb: string, disk: Disk, payload: P, startedBy: string) =>
    tasks.start({
      kind,
      title: `${verb} ${disk.kind} ${disk.name}`,
      target: { type: 'disk', id: disk.id },
      startedBy,
      payload,
    });
  /** What is read as a whole must not change meanwhile. */
  const readable = async (id: string): Promise<Disk> => {
    const disk = await library.get(id);
    if (disk.kind === 'disk') await library.requireClosed(id);
    return disk;
  };

  return {
    check: async (id, isDeep, startedBy) => {
      const disk = await library.get(id);
      return await start(checking, 'check', disk, { ...about(disk), isDeep }, startedBy);
    },
    repair: async (id, startedBy) => {
      const disk = changeable(await library.get(id));
      return await start(repairing, 'repair', disk, about(disk), startedBy);
    },
    compact: async (id, startedBy) => {
      const disk = await readable(id);
      if (disk.kind !== 'disk') changeable(disk);
      return await start(compacting, 'compact', disk, about(disk), startedBy);
    },
    resize: async (id, sizeBytes, isShrinking, startedBy) => {
      const disk = changeable(await library.get(id));
      if (sizeBytes < disk.sizeBytes && !isShrinking)
        throw new GatewayError(
          'UNPROCESSABLE',
          `image ${disk.name} is larger than that: say so, if it is to be made smaller`,
        );
      return await start(resizing, 'resize', disk, { ...about(disk), sizeBytes, isShrinking }, startedBy);
    },
    copy: async (id, name, becomes, startedBy) => {
      const disk = await readable(id);
      return await start(copying, 'copy', disk, { ...about(disk), name, becomes }, startedBy);
    },
    exportAs: async (id, format, startedBy) => {
      const disk = await readable(id);
      return await start(exporting, `export as ${format}:`, disk, { ...about(disk), format }, startedBy);
    },
    rebase: async (id, imageId, startedBy) => {
      const [disk, image] = [await library.get(id), await library.get(imageId)];
      if (disk.kind !== 'disk' || (image.kind !== 'image' && image.kind !== 'template'))
        throw new GatewayError('UNPROCESSABLE', 'a disk is put on an image or a template');
      if (disk.storageId !== image.storageId)
        throw new GatewayError(
          'UNPROCESSABLE',
          `disk ${disk.name} and ${image.kind} ${image.name} lie in different storages`,
        );
      return await start(rebasing, 'rebase', disk, { ...about(disk), imageId }, startedBy);
    },
    mergeDown: async (diskId, snapshotId, startedBy) => {
      const snapshots = await library.snapshots(diskId);
      const snapshot = snapshots.find((one) => one.id === snapshotId);
      if (snapshot === undefined) throw new GatewayError('NOT_FOUND', `disk ${diskId} has no snapshot ${snapshotId}`);
      if (snapshots.at(-1) === snapshot)
        throw new GatewayError(
          'CONFLICT',
          `snapshot ${snapshot.name} is the oldest: delete it to fold it into what came after it`,
        );
      return await start(merging, 'merge', snapshot, about(snapshot), startedBy);
    },
  };
}

/** The id of what a copy made. */
function copiedId({ of }: Payload, result: Awaited<ReturnType<DiskServiceClient['getTask']>>['result']): string {
  return referenceOf({ storageId: placeOf(of).storageId, id: String(result?.['id']) });
}

/** SEALED-STAYS. Errors: UNPROCESSABLE: no image; CONFLICT, with what to do. */
function changeable(disk: Disk): Disk {
  if (disk.kind === 'disk' || disk.kind === 'snapshot')
    throw new GatewayError('UNPROCESSABLE', `${disk.name} is a ${disk.kind}: this is done to images`);
  const refuse = (why: string): never => {
    throw new GatewayError('CONFLICT', `${disk.kind} ${disk.name} ${why}: ${COPY_IT}`);
  };
  if (0 < disk.childCount)
    refuse(`is what ${disk.childCount} ${disk.childCount === 1 ? 'disk stands' : 'disks stand'} on`);
  if (disk.kind === 'template') refuse('is a template, which never changes');
  if (disk.isSealed) refuse('is sealed, since disks were made of it');
  return disk;
}
