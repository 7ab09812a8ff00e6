/**
 * Taking in what has arrived: in a folder of its own, so that what the file names as its parent is not there, it is looked at
 * by its content alone. A disc goes to the discs, all else the road of an import: the disk service reads it, nothing is
 * followed and nothing is executed. What is refused goes.
 */
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';
import type { TaskKind } from '../../platform/tasks/tasks.ts';
import type { Discs } from '../library/discs.ts';
import type { Library } from '../library/library.ts';
import { runServiceTask } from '../library/service-task.ts';
import { referenceOf } from '../storages/reference.ts';
import type { Storages } from '../storages/storages.ts';
import type { UploadRecord } from './part-store.ts';

export interface ArrivalPayload {
  readonly storageId: string;
  readonly upload: Pick<UploadRecord, 'id' | 'filename' | 'name' | 'becomes' | 'format'>;
  /** The disk service's own task, once it has begun. */
  readonly serviceTask?: string;
}

export interface ArrivalDeps {
  readonly storages: Storages;
  readonly library: Library;
  readonly discs: Discs;
  /** Of a storage: where parts lie, and where those lie that are whole. */
  readonly placesOf: (storageId: string) => { readonly parts: string; readonly whole: string };
}

/** Registered before the tasks of an earlier gateway are resumed. */
export function arrivalKind({ storages, library, discs, placesOf }: ArrivalDeps): TaskKind<ArrivalPayload> {
  const folderOf = ({ storageId, upload }: ArrivalPayload): string => path.join(placesOf(storageId).whole, upload.id);
  const fileOf = (payload: ArrivalPayload): string =>
    path.join(folderOf(payload), `disk${endingOf(payload.upload.filename)}`);
  return {
    kind: 'image.upload',
    needs: 'settings',
    lane: 'storage',
    canCancel: true,
    onRestart: 'resume',
    run: async (payload, context) => {
      const { storageId, upload } = payload;
      const file = fileOf(payload);
      if (!existsSync(file)) {
        await mkdir(folderOf(payload), { recursive: true, mode: 0o700 });
        await rename(path.join(placesOf(storageId).parts, upload.id), file).catch((cause: unknown) => {
          throw new GatewayError('GONE', `what arrived of ${upload.filename} is not there any more: upload it again`, {
            cause,
          });
        });
      }
      const what = `file ${upload.filename}`;
      if (upload.becomes === 'disc' || (upload.becomes === 'auto' && isDisc(file))) {
        if (!isDisc(file))
          throw new GatewayError(
            'UNPROCESSABLE',
            `${what} is no disc: expected an ISO 9660 image, as CDs and DVDs hold`,
          );
        context.progress(undefined, 'to the discs');
        await discs.take(file, upload.filename, context.signal);
        context.result({ disc: upload.filename });
      } else {
        const client = storages.requireClient(storageId);
        const name = upload.name ?? nameFrom(upload.filename);
        const done = await runServiceTask(payload, context, client, {
          what,
          step: 'copying',
          canBeginAgain: true,
          begin: () =>
            client.importImage({
              name,
              path: file,
              kind: upload.becomes === 'template' ? 'template' : 'image',
              ...(upload.format === undefined ? {} : { format: upload.format }),
            }),
        });
        const diskId = referenceOf({ storageId, id: String(done.result?.['id']) });
        await library.publish(diskId);
        context.result({ diskId });
      }
      await rm(folderOf(payload), { recursive: true, force: true });
    },
    abandon: async (payload) => {
      const { storageId, serviceTask, upload } = payload;
      if (serviceTask !== undefined) {
        const client = storages.requireClient(storageId);
        await client.cancelTask({ id: serviceTask }).catch(() => undefined);
      }
      await rm(folderOf(payload), { recursive: true, force: true });
      await rm(path.join(placesOf(storageId).parts, upload.id), { force: true });
    },
  };
}

/** ISO 9660 (ECMA-119), 8.1: the first volume descriptor. */
const VOLUME_DESCRIPTOR = { at: 0x8001, bytes: 'CD001' } as const;

/** By its content; a link is none. */
function isDisc(file: string): boolean {
  const bytes = Buffer.alloc(VOLUME_DESCRIPTOR.bytes.length);
  const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    readSync(handle, bytes, 0, bytes.byteLength, VOLUME_DESCRIPTOR.at);
  } finally {
    closeSync(handle);
  }
  return bytes.toString('latin1') === VOLUME_DESCRIPTOR.bytes;
}

/** What people call raw disks keeps its ending, by which an import knows that it is meant. */
function endingOf(filename: string): string {
  return /\.(?:raw|img|dd)$/i.exec(filename)?.[0].toLowerCase() ?? '';
}

/** What an image is called where nobody says. */
export function nameFrom(filename: string): string {
  return filename.replace(/\.[a-z0-9]{1,8}$/i, '').slice(0, 64) || filename.slice(0, 64);
}
