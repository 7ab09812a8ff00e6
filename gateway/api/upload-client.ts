/**
 * Sends a file as an upload (tus 1.0), for the pages and the command line: it knows neither DOM nor node. What broke goes on
 * where it was: within one call after a pause, and in a later one by what the gateway remembers of the file.
 */
import { type Client, problemOf } from './client.ts';
import { ApiError } from './errors.ts';
import { appendUpload, createUpload, listUploads, TASK_HEADER, UPLOAD_LIMITS, type UploadMetadata } from './upload.ts';

/** A file: `Part` is what the sender takes as a body. */
export interface UploadSource<Part> {
  readonly sizeBytes: number;
  /** When it was changed last, ms since 1970: a file that has changed is another one. */
  readonly modifiedMs: number;
  readonly slice: (from: number, to: number) => Part | Promise<Part>;
}

export interface PartAnswer {
  readonly status: number;
  readonly header: (name: string) => string | null;
  readonly text: string;
}

/** What differs between a browser and a process. */
export interface PartSender<Part> {
  /** Rejects where the connection breaks; with who signs in already in it. */
  readonly send: (
    method: 'POST' | 'HEAD' | 'PATCH',
    url: string,
    headers: Readonly<Record<string, string>>,
    body?: Part,
  ) => Promise<PartAnswer>;
  readonly pause: (ms: number) => Promise<void>;
  /** Of a text's UTF-8. */
  readonly base64: (text: string) => string;
}

export interface UploadAsked<Part> {
  readonly client: Client;
  readonly sender: PartSender<Part>;
  readonly source: UploadSource<Part>;
  readonly storageId: string;
  readonly metadata: Omit<UploadMetadata, 'modified'>;
  /** The upload that it is: a new one, or one that goes on. */
  readonly onBegun?: (uploadId: string) => void;
  readonly onProgress?: (sentBytes: number) => void;
  /** True ends it where it is; it can go on later. */
  readonly isStopped?: () => boolean;
}

const RETRY_MS: readonly number[] = [500, 1000, 2000, 5000, 10_000, 20_000];
const TUS = { 'tus-resumable': '1.0.0' } as const;

/** Gives the id of the task that takes it in; undefined where it was stopped. Errors: ApiError; the last break of the connection. */
export async function sendUpload<Part>(asked: UploadAsked<Part>): Promise<string | undefined> {
  const { client, sender, source, storageId, onBegun, onProgress, isStopped = () => false } = asked;
  const uploadId = (await earlier(asked)) ?? (await begin(asked));
  onBegun?.(uploadId);
  const url = client.url(appendUpload, { params: { storageId, uploadId } });
  let partBytes: number = UPLOAD_LIMITS.partBytes;
  let offset: number | undefined;
  for (let failures = 0; !isStopped(); ) {
    try {
      const answer =
        offset === undefined
          ? await sender.send('HEAD', url, TUS)
          : await sender.send(
              'PATCH',
              url,
              { ...TUS, 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) },
              await source.slice(offset, Math.min(source.sizeBytes, offset + partBytes)),
            );
      if (answer.status === 413 && UPLOAD_LIMITS.smallPartBytes < partBytes && !isOurs(answer)) {
        partBytes = UPLOAD_LIMITS.smallPartBytes; // A proxy takes no parts of that size.
        continue;
      }
      if (!isGood(answer)) throw refusalOf(answer);
      const now = Number(answer.header('upload-offset'));
      if (offset !== now) failures = 0;
      offset = now;
      onProgress?.(offset);
      const taskId = answer.header(TASK_HEADER);
      if (taskId !== null) return taskId;
    } catch (error) {
      const pause = RETRY_MS[failures];
      if (!mayPass(error) || pause === undefined) throw error;
      failures += 1;
      offset = undefined; // How much of a part arrived, only the gateway knows.
      await sender.pause(pause);
    }
  }
  return undefined;
}

/** One of this very file that was cut off. */
async function earlier<Part>({ client, storageId, source, metadata }: UploadAsked<Part>): Promise<string | undefined> {
  const { items } = await client.call(listUploads, { params: { storageId } });
  return items.find(
    (one) =>
      one.taskId === null &&
      one.fileName === metadata.filename &&
      one.sizeBytes === source.sizeBytes &&
      one.modifiedMs === Math.floor(source.modifiedMs),
  )?.id;
}

async function begin<Part>({ client, sender, source, storageId, metadata }: UploadAsked<Part>): Promise<string> {
  const said = { ...metadata, modified: String(Math.floor(source.modifiedMs)) };
  const pairs = Object.entries(said).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const answer = await sender.send('POST', client.url(createUpload, { params: { storageId } }), {
    ...TUS,
    'upload-length': String(source.sizeBytes),
    'upload-metadata': pairs.map(([key, value]) => `${key} ${sender.base64(value)}`).join(','),
  });
  if (!isGood(answer)) throw refusalOf(answer);
  return answer.header('location')?.split('/').at(-1) ?? '';
}

const isGood = ({ status }: PartAnswer): boolean => 200 <= status && status < 300;

/** Of the gateway, not of a proxy on the way. */
const isOurs = ({ text }: PartAnswer): boolean => text.startsWith('{');

function refusalOf({ status, text }: PartAnswer): ApiError {
  return new ApiError(problemOf(status, text));
}

/** A break, a place that has moved on, a gateway that starts again: not what it refuses. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  const { status } = error.problem;
  return status === 408 || status === 409 || status === 423 || (500 <= status && status !== 507);
}
