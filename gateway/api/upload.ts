/**
 * Uploads into a storage, which go on where they were cut off: the tus protocol, version 1.0 (tus.io), with its extensions
 * creation, termination and expiration. `POST` begins one, with its length in `Upload-Length` and what it is in
 * `Upload-Metadata`; `PATCH` sends a part; `HEAD` says how far it is; `DELETE` cancels it. When it is whole it is taken in
 * by a task, whose id is in the header `Oriel-Task` of the answer. Any tus client will do.
 */
import { z } from 'zod';
import { DiskName } from './disk.ts';
import { plainText } from './plain-text.ts';
import { route } from './route.ts';

export const UPLOAD_LIMITS = {
  /** Of one file: the largest disk of the format, with the tables of any container. */
  maxBytes: 2048 * 2 ** 30,
  /** Unfinished at once, of one person. */
  perPerson: 4,
  /** Bytes of them, all together. */
  bytesPerPerson: 4096 * 2 ** 30,
  /** From its beginning: what is not whole by then goes. */
  keptHours: 7 * 24,
  metadataChars: 4096,
  /** What clients should send at a time: a part that takes longer than half a minute is cut, and begun again there. */
  partBytes: 4 * 2 ** 20,
  /** Where a proxy takes no more: what nginx lets through when nobody tells it otherwise. */
  smallPartBytes: 2 ** 20,
} as const;

/** The header that names the task which takes an upload in. */
export const TASK_HEADER = 'Oriel-Task';

/** The keys of `Upload-Metadata`, which are text. */
export const UploadMetadata = z.object({
  /** What the file is called where it comes from. */
  filename: plainText(255).regex(/^[^/\\]+$/, 'must be a file name without a path'),
  /** What it is called in the library; the file's name without its ending where not given. A disc keeps its file name. */
  name: DiskName.optional(),
  /**
   * `image` and `template`: a disk image of any format that an import takes. `disc`: for CD drives. `auto`: a disc where its
   * content is one, an image otherwise.
   */
  becomes: z.enum(['auto', 'image', 'template', 'disc']).default('auto'),
  /** When the file was changed last, ms since 1970: clients know by it whether a file that goes on is the same. */
  modified: z
    .string()
    .regex(/^\d{1,15}$/)
    .optional(),
  /** Takes any bytes as a raw disk. */
  format: z.literal('raw').optional(),
});
export type UploadMetadata = z.infer<typeof UploadMetadata>;

export const Upload = z.object({
  id: z.string(),
  storageId: z.string(),
  fileName: z.string(),
  sizeBytes: z.number().int(),
  receivedBytes: z.number().int(),
  /** As the client said of the file. */
  modifiedMs: z.number().int().nullable(),
  /** The task that takes it in, once it is whole. */
  taskId: z.string().nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type Upload = z.infer<typeof Upload>;

const StorageParams = z.object({ storageId: z.string().max(64) });
const UploadParams = StorageParams.extend({ uploadId: z.string().max(64) });
/** As for an import. Each sees and continues only what is their own. */
const access = { right: 'settings' } as const;
const PART = 'application/offset+octet-stream';

export const listUploads = route({
  id: 'upload.list',
  method: 'get',
  path: '/storages/{storageId}/uploads',
  summary: "Lists the caller's uploads",
  access,
  params: StorageParams,
  reply: z.object({ items: z.array(Upload) }),
});
export const createUpload = route({
  id: 'upload.create',
  method: 'post',
  path: '/storages/{storageId}/uploads',
  summary: 'Begins an upload (tus)',
  access,
  params: StorageParams,
  produces: PART,
  consumes: PART,
  status: 201,
  rate: { times: 60, perMs: 60_000 },
  errors: ['TOO_LARGE', 'TOO_MANY', 'NO_SPACE', 'UNPROCESSABLE', 'UNAVAILABLE'],
});
/** `HEAD` is the tus protocol's question for the offset. */
export const getUpload = route({
  id: 'upload.get',
  method: 'get',
  path: '/storages/{storageId}/uploads/{uploadId}',
  summary: 'Shows how far an upload is',
  access,
  params: UploadParams,
  reply: Upload,
});
export const appendUpload = route({
  id: 'upload.append',
  method: 'patch',
  path: '/storages/{storageId}/uploads/{uploadId}',
  summary: 'Sends a part of an upload (tus)',
  access,
  params: UploadParams,
  produces: PART,
  consumes: PART,
  status: 204,
  /** Its beginning, its end and its arrival have their lines. */
  audited: false,
  errors: ['CONFLICT', 'NO_SPACE', 'GONE'],
});
export const cancelUpload = route({
  id: 'upload.cancel',
  method: 'delete',
  path: '/storages/{storageId}/uploads/{uploadId}',
  summary: 'Cancels an upload; what has arrived of it goes',
  access,
  params: UploadParams,
  produces: PART,
  status: 204,
});
