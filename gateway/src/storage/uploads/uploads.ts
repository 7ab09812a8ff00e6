/**
 * Uploads: the tus protocol, by its own server library, within our limits. BOUNDED: so many unfinished ones and bytes a
 * person, and never more than the storage has room for, of what is under way and of what it will become. What is cut off
 * goes on where it was; what nobody ends goes after a time; what is whole is taken in by a task (arrival.ts).
 */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { errnoOf } from '@oriel/machine';
import { formatSize } from '@oriel/vhd';
import { Server } from '@tus/server';
import { ERRORS as CODES } from '../../../api/errors.ts';
import type { Task } from '../../../api/task.ts';
import { TASK_HEADER, UPLOAD_LIMITS, type Upload } from '../../../api/upload.ts';
import { GatewayError } from '../../errors.ts';
import type { AuditLog } from '../../identity/audit/audit-log.ts';
import type { Logger } from '../../log.ts';
import { OneByOne } from '../../platform/process/one-by-one.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { type TaskStore, taskOf } from '../../platform/tasks/task-store.ts';
import type { TaskKind, Tasks } from '../../platform/tasks/tasks.ts';
import { type ArrivalDeps, type ArrivalPayload, arrivalKind } from './arrival.ts';
import { type Asked, askedOf } from './headers.ts';
import { PartStore, type UploadRecord } from './part-store.ts';

const SWEEP_MS = 3_600_000;
/** BOUNDED: records of one storage, also of those that were taken in lately. */
const MOST_RECORDS = 1_000;
/** How long one is remembered that was taken in. */
const REMEMBERED_MS = 24 * 3_600_000;

export interface UploadsOptions extends Omit<ArrivalDeps, 'placesOf'> {
  readonly tasks: Tasks;
  readonly taskStore: TaskStore;
  readonly audit: Pick<AuditLog, 'write'>;
  readonly log: Logger;
  readonly now: () => number;
}

/** What the protocol's server is told about a request beside it. */
interface Asking {
  readonly record?: UploadRecord;
}

interface Place {
  readonly store: PartStore;
  readonly server: Server;
}

export class Uploads {
  readonly #options: UploadsOptions;
  readonly #places = new Map<string, Place>();
  readonly #asking = new WeakMap<IncomingMessage, Asking>();
  readonly #oneByOne = new OneByOne();
  readonly #kind: TaskKind<ArrivalPayload>;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#kind = arrivalKind({ ...options, placesOf: (storageId) => this.#foldersOf(storageId) });
    options.tasks.register(this.#kind);
  }

  /** Looks now, and every hour, for what was left. */
  start(): void {
    void this.sweep();
    this.#sweeping = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#sweeping.unref();
  }

  close(): void {
    clearInterval(this.#sweeping);
  }

  async list(storageId: string, principal: Principal): Promise<Upload[]> {
    const { store } = this.#place(storageId);
    const own = (await store.records()).filter(({ owner }) => owner === principal.userId);
    const views = await Promise.all(own.map((record) => this.#viewOf(storageId, store, record)));
    return views.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  async get(storageId: string, id: string, principal: Principal): Promise<Upload> {
    const { store } = this.#place(storageId);
    return await this.#viewOf(storageId, store, await this.#own(store, id, principal));
  }

  /** Errors: BAD_REQUEST, TOO_LARGE, TOO_MANY, NO_SPACE, and those of a name for a disc. Gives what was begun. */
  async create(
    storageId: string,
    principal: Principal,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<UploadRecord> {
    const asked = askedOf(incoming);
    const { store, server } = this.#place(storageId);
    return await this.#oneByOne.run(storageId, async () => {
      await this.#requireRoom(storageId, store, principal, asked);
      const { sizeBytes, metadata } = asked;
      const record: UploadRecord = {
        ...metadata,
        id: randomBytes(16).toString('hex'),
        owner: principal.userId,
        ownerName: principal.name,
        via: principal.via.kind,
        sizeBytes,
        createdAt: new Date(this.#options.now()).toISOString(),
      };
      await store.put(record);
      this.#asking.set(incoming, { record });
      await server.handle(incoming, response);
      if (response.statusCode !== 201) await store.remove(record.id);
      return record;
    });
  }

  /** `HEAD` and `PATCH`. One that is whole and was not taken in, since the gateway was killed just then, is taken in now. */
  async pass(
    storageId: string,
    id: string,
    principal: Principal,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { store, server } = this.#place(storageId);
    const record = await this.#own(store, id, principal);
    const isWhole = (await store.receivedBytes(record)) === record.sizeBytes;
    if (isWhole) response.setHeader(TASK_HEADER, record.taskId ?? (await this.#arrived(storageId, id)).id);
    this.#asking.set(incoming, { record });
    await server.handle(incoming, response);
  }

  /** Errors: NOT_FOUND; CONFLICT: it is being taken in, which is a task that can be cancelled. */
  async cancel(storageId: string, id: string, principal: Principal): Promise<void> {
    const { store } = this.#place(storageId);
    const { taskId } = await this.#own(store, id, principal);
    if (taskId !== undefined)
      throw new GatewayError('CONFLICT', `the upload is whole: cancel its task, ${taskId}, while that runs`);
    await store.remove(id);
  }

  /** Takes in what is whole and was not, and removes what nobody has ended in time. */
  async sweep(): Promise<void> {
    const { storages, log } = this.#options;
    for (const storageId of storages.ids()) {
      if (storages.client(storageId) === undefined) continue;
      await this.#sweepOne(storageId).catch((error: unknown) =>
        log.warn({ err: error, storage: storageId }, 'uploads.sweep-failed'),
      );
    }
  }

  async #sweepOne(storageId: string): Promise<void> {
    const { store } = this.#place(storageId);
    const { parts, whole } = this.#foldersOf(storageId);
    const now = this.#options.now();
    for (const record of await store.records()) {
      const age = now - Date.parse(record.createdAt);
      const limit = record.taskId === undefined ? UPLOAD_LIMITS.keptHours * 3_600_000 : REMEMBERED_MS;
      if (limit < age) await store.remove(record.id);
      else if (record.taskId === undefined && (await store.receivedBytes(record)) === record.sizeBytes)
        await this.#arrived(storageId, record.id);
    }
    const known = new Set((await store.records()).map(({ id }) => id));
    const busy = await this.#options.taskStore.openTargets();
    for (const name of await readdir(parts))
      if (!known.has(path.parse(name).name)) await rm(path.join(parts, name), { force: true });
    for (const id of await readdir(whole))
      if (!busy.has(`image:${id}`)) await rm(path.join(whole, id), { recursive: true, force: true });
  }

  /** Begins the task that takes it in, once. */
  async #arrived(storageId: string, id: string): Promise<Task> {
    return await this.#oneByOne.run(id, async () => {
      const { tasks, taskStore, audit } = this.#options;
      const { store } = this.#place(storageId);
      const record = await store.record(id);
      if (record === undefined) throw new GatewayError('NOT_FOUND', `there is no upload ${id}`);
      const [before] = await taskStore.list({ target: id }, 1, undefined);
      const task = before === undefined ? await this.#begin(storageId, store, record, tasks) : taskOf(before);
      await store.put({ ...record, taskId: task.id });
      await audit.write({
        actor: { id: record.owner, name: record.ownerName, via: record.via },
        action: 'upload.arrived',
        target: `${storageId}/${id}`,
        outcome: 'ok',
        detail: { file: record.filename, sizeBytes: record.sizeBytes, task: task.id },
      });
      return task;
    });
  }

  async #begin(storageId: string, store: PartStore, record: UploadRecord, tasks: Tasks): Promise<Task> {
    const { id, filename, name, becomes, format } = record;
    const file = await open(store.fileOf(id), 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    return await tasks.start({
      kind: this.#kind,
      title: `take in ${filename}`,
      target: { type: 'image', id },
      startedBy: record.owner,
      payload: { storageId, upload: { id, filename, name, becomes, format } },
    });
  }

  async #requireRoom(
    storageId: string,
    store: PartStore,
    { userId }: Principal,
    { sizeBytes, metadata }: Asked,
  ): Promise<void> {
    const { discs, storages } = this.#options;
    if (UPLOAD_LIMITS.maxBytes < sizeBytes)
      throw new GatewayError(
        'TOO_LARGE',
        `an upload has at most ${formatSize(UPLOAD_LIMITS.maxBytes)}, not ${formatSize(sizeBytes)}`,
      );
    const isDisc = metadata.becomes === 'disc' || (metadata.becomes === 'auto' && /\.iso$/i.test(metadata.filename));
    if (isDisc) discs.requireFree(metadata.filename);
    const records = await store.records();
    if (MOST_RECORDS <= records.length)
      throw new GatewayError('TOO_MANY', 'too many uploads of this day are remembered', { retryAfterSeconds: 3600 });
    const open = records.filter(({ taskId }) => taskId === undefined);
    const own = open.filter(({ owner }) => owner === userId);
    if (UPLOAD_LIMITS.perPerson <= own.length)
      throw new GatewayError(
        'TOO_MANY',
        `${own.length} uploads of yours are not finished: finish or cancel one of them first`,
      );
    const ownBytes = own.reduce((sum, one) => sum + one.sizeBytes, sizeBytes);
    if (UPLOAD_LIMITS.bytesPerPerson < ownBytes)
      throw new GatewayError(
        'TOO_MANY',
        `your unfinished uploads may have ${formatSize(UPLOAD_LIMITS.bytesPerPerson)} together, not ${formatSize(ownBytes)}`,
      );
    const rest = await Promise.all(open.map(async (one) => 2 * one.sizeBytes - (await store.receivedBytes(one))));
    const promised = rest.reduce((sum, bytes) => sum + bytes, 0);
    const needed = isDisc ? sizeBytes : 2 * sizeBytes;
    const { bavail, bsize } = statfsSync(store.folder);
    if (bavail * bsize < promised + needed) {
      const others = promised === 0 ? '' : `, of which other uploads need ${formatSize(promised)}`;
      throw new GatewayError(
        'NO_SPACE',
        `storage ${storages.nameOf(storageId)} has ${formatSize(bavail * bsize)} free${others}: this upload needs ${formatSize(needed)}${isDisc ? '' : ', for the file and for the image that is made of it'}`,
      );
    }
  }

  /** Whose it is not learns nothing of it. Errors: NOT_FOUND. */
  async #own(store: PartStore, id: string, { userId }: Principal): Promise<UploadRecord> {
    const record = await store.record(id);
    if (record?.owner !== userId) throw new GatewayError('NOT_FOUND', `there is no upload ${id}`);
    if (record.taskId !== undefined || existsSync(store.fileOf(id))) return record;
    // A kill came between the task that took it and the note of that; or between its record and its file.
    const [task] = await this.#options.taskStore.list({ target: id }, 1, undefined);
    if (task === undefined) {
      await store.remove(id);
      throw new GatewayError('NOT_FOUND', `there is no upload ${id}`);
    }
    const taken = { ...record, taskId: task.id };
    await store.put(taken);
    return taken;
  }

  async #viewOf(storageId: string, store: PartStore, record: UploadRecord): Promise<Upload> {
    const { id, filename, sizeBytes, createdAt, modified, taskId } = record;
    const expires = Date.parse(createdAt) + UPLOAD_LIMITS.keptHours * 3_600_000;
    return {
      id,
      storageId,
      fileName: filename,
      sizeBytes,
      receivedBytes: await store.receivedBytes(record),
      modifiedMs: modified === undefined ? null : Number(modified),
      taskId: taskId ?? null,
      createdAt,
      expiresAt: new Date(expires).toISOString(),
    };
  }

  #foldersOf(storageId: string): { readonly parts: string; readonly whole: string } {
    const folder = path.join(this.#options.storages.folderOf(storageId), 'incoming');
    return { parts: path.join(folder, 'parts'), whole: path.join(folder, 'whole') };
  }

  /** Errors: NOT_FOUND, UNAVAILABLE; CONFLICT: the folder is another account's. */
  #place(storageId: string): Place {
    const known = this.#places.get(storageId);
    const { parts, whole } = this.#foldersOf(storageId);
    if (known?.store.folder === parts) return known;
    try {
      for (const folder of [parts, whole]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      if (errnoOf(cause) !== 'EACCES' && errnoOf(cause) !== 'EROFS') throw cause;
      const name = this.#options.storages.nameOf(storageId);
      throw new GatewayError(
        'CONFLICT',
        `the gateway may not write into storage ${name}: import the file there instead`,
        { cause },
      );
    }
    const store = new PartStore(parts);
    const place = { store, server: this.#serverOf(storageId, store) };
    this.#places.set(storageId, place);
    return place;
  }

  #serverOf(storageId: string, store: PartStore): Server {
    const server = new Server({
      path: `/api/v1/storages/${storageId}/uploads`,
      datastore: store,
      relativeLocation: true,
      maxSize: UPLOAD_LIMITS.maxBytes,
      // The edge has judged the Origin: no other site's page is told anything.
      allowedOrigins: () => false,
      namingFunction: (request) => this.#asked(request)?.record?.id ?? randomBytes(16).toString('hex'),
      onUploadFinish: async (_, { id }) => ({ headers: { [TASK_HEADER]: (await this.#arrived(storageId, id)).id } }),
      onResponseError: (_, error) => problemOf(error),
    });
    return server;
  }

  #asked({ runtime }: Parameters<NonNullable<Server['options']['namingFunction']>>[0]): Asking | undefined {
    const incoming = runtime?.node?.req as IncomingMessage | undefined;
    return incoming === undefined ? undefined : this.#asking.get(incoming);
  }
}

/** Our refusals as the protocol's server sends them: their status, and what we say as the body. */
function problemOf(error: unknown): { readonly status_code: number; readonly body: string } | undefined {
  if (!(error instanceof GatewayError)) return undefined;
  const { code, message, status } = error;
  return {
    status_code: status,
    body: JSON.stringify({ type: 'about:blank', title: CODES[code].title, status, code, detail: message }),
  };
}
