/**
 * Uploads of this window: they go on while one looks at other pages, and after a break of the connection. A file that is
 * chosen again goes on where it was, whatever became of the window it was sent from.
 */
import { ApiError } from '../../../../api/errors.ts';
import { cancelUpload, type UploadMetadata } from '../../../../api/upload.ts';
import { type PartSender, sendUpload } from '../../../../api/upload-client.ts';
import { client, describeError } from '../../api/client.ts';
import { text } from '../../text/text.ts';

const words = text.console.images.sendings;

export interface Sending {
  readonly id: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sentBytes: number;
  readonly state: 'sending' | 'paused' | 'failed' | 'arrived';
  /** Why it failed, as a sentence. */
  readonly problem?: string | undefined;
  /** What takes it in, once it has arrived. */
  readonly taskId?: string;
}

interface Running {
  readonly file: File;
  readonly storageId: string;
  readonly metadata: UploadMetadata;
  /** The gateway's id of it, once it has begun. */
  uploadId?: string;
  isStopped: boolean;
}

let all: readonly Sending[] = [];
const listeners = new Set<() => void>();
const running = new Map<string, Running>();

export const sendings = {
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  all: (): readonly Sending[] => all,
  begin,
  pause: (id: string): void => {
    const one = running.get(id);
    if (one !== undefined) one.isStopped = true;
    patch(id, { state: 'paused' });
  },
  resume: (id: string): void => {
    const one = running.get(id);
    if (one !== undefined) void run(id, { ...one, isStopped: false });
  },
  /** What has arrived of it goes. */
  cancel: async (id: string): Promise<void> => {
    const one = running.get(id);
    if (one !== undefined) one.isStopped = true;
    forget(id);
    if (one?.uploadId === undefined) return;
    await client.call(cancelUpload, { params: { storageId: one.storageId, uploadId: one.uploadId } });
  },
  forget,
};

function begin(file: File, storageId: string, metadata: UploadMetadata): void {
  const id = crypto.randomUUID();
  all = [...all, { id, fileName: metadata.filename, sizeBytes: file.size, sentBytes: 0, state: 'sending' }];
  void run(id, { file, storageId, metadata, isStopped: false });
}

async function run(id: string, one: Running): Promise<void> {
  running.set(id, one);
  patch(id, { state: 'sending', problem: undefined });
  const { file, storageId, metadata } = one;
  try {
    const taskId = await sendUpload<Blob>({
      client,
      storageId,
      metadata,
      sender: SENDER,
      source: {
        sizeBytes: file.size,
        modifiedMs: file.lastModified,
        slice: (from, to) => file.slice(from, to),
      },
      onBegun: (uploadId) => (one.uploadId = uploadId),
      onProgress: (sentBytes) => patch(id, { sentBytes }),
      isStopped: () => one.isStopped,
    });
    if (taskId === undefined) return;
    running.delete(id);
    patch(id, { state: 'arrived', sentBytes: file.size, taskId });
  } catch (error) {
    patch(id, { state: 'failed', problem: error instanceof ApiError ? describeError(error) : words.broke });
  }
}

const SENDER: PartSender<Blob> = {
  send: async (method, url, headers, body) => {
    const init = { method, headers, credentials: 'same-origin' } as const;
    const answer = await window.fetch(url, body === undefined ? init : { ...init, body });
    return { status: answer.status, header: (name) => answer.headers.get(name), text: await answer.text() };
  },
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  base64: (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))),
};

function forget(id: string): void {
  running.delete(id);
  all = all.filter((one) => one.id !== id);
  tell();
}

function patch(id: string, change: Partial<Sending>): void {
  all = all.map((one) => (one.id === id ? { ...one, ...change } : one));
  tell();
}

function tell(): void {
  // What is under way is not left by accident: the browser asks.
  const isSending = all.some(({ state }) => state === 'sending');
  window.removeEventListener('beforeunload', askBeforeLeaving);
  if (isSending) window.addEventListener('beforeunload', askBeforeLeaving);
  for (const listener of listeners) listener();
}

function askBeforeLeaving(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
