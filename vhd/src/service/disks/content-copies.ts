/**
 * The whole content of an image, a disk or a snapshot, written anew: as an image that stands on nothing, or as a file of any
 * format that somebody takes away. What is read stays as it is meanwhile. A copy that a restart cut off begins again.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { openChain } from '../../chain/open.ts';
import { VhdError } from '../../errors.ts';
import { serveNbd } from '../../nbd/server.ts';
import { convertDisk } from '../../ops/convert.ts';
import { convertToForeign } from '../../ops/foreign/foreign.ts';
import type { CopySource, DiskServiceApi, ExportedFile, ExportFormat } from '../control/api.ts';
import type { TaskInfo } from '../control/task.ts';
import { readJson, writeJson } from '../state/json-file.ts';
import { snapshotOf } from '../state/records.ts';
import type { TaskContext, TaskWork } from '../state/task-book.ts';
import type { Disks } from './disks.ts';
import type { Images } from './images.ts';
import { progressTo } from './import-file.ts';
import type { Shared } from './shared.ts';

/** BOUNDED: exported files go by themselves, and the oldest for the newest. */
const EXPORTS = { files: 32, keptMs: 24 * 3_600_000, sweepEveryMs: 600_000, nameChars: 80 } as const;

/** A file and where its parents may lie. */
interface Chain {
  readonly path: string;
  readonly folders: readonly string[];
  /** For whoever saves a copy. */
  readonly name: string;
}

interface CopyInput extends Omit<Parameters<DiskServiceApi['copyImage']>[0], 'id'> {
  readonly id: string;
}
interface ExportInput {
  readonly id: string;
  readonly from: CopySource;
  readonly format: ExportFormat;
}

export class ContentCopies {
  readonly #shared: Shared;
  readonly #images: Images;
  readonly #disks: Disks;
  readonly #sweeping: NodeJS.Timeout;

  constructor(shared: Shared, images: Images, disks: Disks) {
    this.#shared = shared;
    this.#images = images;
    this.#disks = disks;
    this.#sweeping = setInterval(() => this.#sweep(), EXPORTS.sweepEveryMs);
    this.#sweeping.unref();
  }

  stop(): void {
    clearInterval(this.#sweeping);
  }

  /** Errors: NOT_FOUND, EXISTS, IN_PROGRESS, LOCKED: the disk is open. */
  copy(asked: Parameters<DiskServiceApi['copyImage']>[0]): Promise<TaskInfo> {
    const input: CopyInput = { ...asked, id: this.#shared.records.newImageId(asked.id, asked.name) };
    return this.#start('image.copy', input, (context) => this.#copyOut(input, context));
  }

  export(asked: Parameters<DiskServiceApi['exportImage']>[0]): Promise<TaskInfo> {
    const input: ExportInput = { ...asked, id: randomUUID() };
    return this.#start('image.export', input, (context) => this.#exportOut(input, context));
  }

  /** Newest first. */
  list(): readonly ExportedFile[] {
    const { storage, records } = this.#shared;
    if (storage.stat(records.exportsFolder) === undefined) return [];
    return storage
      .list(records.exportsFolder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => readJson(join(records.exportsFolder, name), storage) as ExportedFile | undefined)
      .filter((one) => one !== undefined)
      .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  /** Errors: NOT_FOUND. */
  remove(id: string): void {
    const found = this.list().find((one) => one.id === id);
    if (found === undefined) throw new VhdError('NOT_FOUND', `no exported file ${JSON.stringify(id)}`);
    const { storage, records } = this.#shared;
    storage.remove(join(records.exportsFolder, `${id}.json`));
    storage.remove(found.path);
  }

  /** After a restart. What cannot begin again ends as interrupted, with all that nobody took up. */
  async resume(): Promise<void> {
    this.#sweep();
    const { tasks, records, log } = this.#shared;
    for (const { info, input } of tasks.interrupted()) {
      try {
        if (info.kind === 'image.copy') {
          const copy = input as CopyInput;
          if (records.images().some(({ id }) => id === copy.id)) await tasks.finish(info.id, { id: copy.id });
          else await this.#resume(info.id, copy.from, (context) => this.#copyOut(copy, context));
        }
        if (info.kind === 'image.export') {
          const wanted = input as ExportInput;
          await this.#resume(info.id, wanted.from, (context) => this.#exportOut(wanted, context));
        }
      } catch (error) {
        log('task.not-resumed', { task: info.id, kind: info.kind, error: String(error) });
      }
    }
  }

  async #resume(taskId: string, from: CopySource, work: TaskWork): Promise<void> {
    const free = await this.#claim(from, 'image.copy');
    this.#shared.tasks.resume(taskId, (context) => work(context).finally(free));
  }

  async #start(kind: string, input: CopyInput | ExportInput, work: TaskWork): Promise<TaskInfo> {
    const free = await this.#claim(input.from, kind);
    try {
      const held: TaskWork = (context) => work(context).finally(free);
      return await this.#shared.tasks.start(kind, idOf(input.from), input, held, { lane: 'import' });
    } catch (error) {
      free();
      throw error;
    }
  }

  /** Errors: NOT_FOUND, IN_PROGRESS, LOCKED. */
  async #claim(from: CopySource, kind: string): Promise<() => void> {
    if ('imageId' in from) {
      this.#shared.records.image(from.imageId);
      return this.#images.uses.read(from.imageId);
    }
    const { diskId, snapshotId } = from;
    return snapshotId === undefined
      ? this.#disks.claimClosed(diskId, kind)
      : this.#disks.claimSnapshot(diskId, snapshotId, kind);
  }

  async #copyOut(input: CopyInput, context: TaskContext): Promise<{ readonly id: string }> {
    await this.#images.add(input.id, input, (path) => this.#write(this.#chainOf(input.from), path, 'vhd', context));
    return { id: input.id };
  }

  async #exportOut(
    { id, from, format }: ExportInput,
    context: TaskContext,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { storage, records } = this.#shared;
    const folder = records.exportsFolder;
    storage.makeFolder(folder);
    for (const { id: oldest } of this.list().slice(EXPORTS.files - 1)) this.remove(oldest);
    const chain = this.#chainOf(from);
    const path = join(folder, `${id}${endingOf(format)}`);
    storage.remove(path); // Left by one that was cut off.
    await this.#write(chain, path, format, context);
    const now = Date.now();
    const made: ExportedFile = {
      id,
      fileName: `${fileNameOf(chain.name)}${endingOf(format)}`,
      path,
      format,
      sizeBytes: storage.stat(path)?.sizeBytes ?? 0,
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + EXPORTS.keptMs).toISOString(),
    };
    await writeJson(join(folder, `${id}.json`), made, storage);
    return { ...made };
  }

  #chainOf(from: CopySource): Chain {
    const { records } = this.#shared;
    if ('imageId' in from) {
      const path = records.imagePath(from.imageId);
      return { path, folders: [records.imagesFolder], name: records.image(from.imageId).name };
    }
    const record = records.disk(from.diskId);
    const snapshot = from.snapshotId === undefined ? undefined : snapshotOf(record, from.snapshotId);
    return {
      path: records.diskPath(record, snapshot?.file),
      folders: records.folders(record),
      name: snapshot === undefined ? record.name : `${record.name} ${snapshot.name}`,
    };
  }

  async #write({ path, folders }: Chain, target: string, format: ExportFormat, context: TaskContext): Promise<void> {
    const { storage } = this.#shared;
    const { signal } = context;
    const onProgress = progressTo(context);
    context.progress(null, `writing ${NAMES[format]}`);
    const disk = await openChain(path, { storage, policy: { folders } });
    try {
      switch (format) {
        case 'vhd':
          return await convertDisk(disk, target, { storage, signal, onProgress, to: 'dynamic' });
        case 'vhd-fixed':
          return await convertDisk(disk, target, { storage, signal, onProgress, to: 'fixed' });
        case 'vhd-azure':
          return await convertDisk(disk, target, { storage, signal, onProgress, to: 'fixed', isForAzure: true });
        case 'raw':
          return await convertDisk(disk, target, { storage, signal, onProgress, to: 'raw' });
        case 'qcow2':
        case 'vmdk':
        case 'vhdx':
        case 'vdi': {
          const serve: Parameters<typeof convertToForeign>[2]['serve'] = (one, socketPath) =>
            serveNbd(one, { socketPath });
          return await convertToForeign(disk, target, { format, serve, signal, onProgress });
        }
      }
    } finally {
      await disk.close();
    }
  }

  /** What has been kept long enough goes, and what has no record: a copy that was cut off. */
  #sweep(): void {
    const { storage, records, tasks, log } = this.#shared;
    const folder = records.exportsFolder;
    try {
      if (storage.stat(folder) === undefined) return;
      for (const { id, expiresAt } of this.list()) if (Date.parse(expiresAt) <= Date.now()) this.remove(id);
      if (0 < tasks.runningCount) return; // One of them may be writing there.
      const kept = new Set(this.list().map(({ id }) => id));
      for (const name of storage.list(folder))
        if (!kept.has(name.slice(0, name.indexOf('.')))) storage.remove(join(folder, name));
    } catch (error) {
      log('exports.sweep-failed', { error: String(error) });
    }
  }
}

const NAMES: Readonly<Record<ExportFormat, string>> = {
  vhd: 'a VHD',
  'vhd-fixed': 'a VHD of full size',
  'vhd-azure': 'a VHD for Azure',
  raw: 'plain bytes',
  qcow2: 'qcow2',
  vmdk: 'VMDK',
  vhdx: 'VHDX',
  vdi: 'VDI',
};

const endingOf = (format: ExportFormat): string => (format.startsWith('vhd-') ? '.vhd' : `.${format}`);

const idOf = (from: CopySource): string => ('imageId' in from ? from.imageId : from.diskId);

/** Nothing in it that any system takes for a path, and nothing hidden. */
function fileNameOf(name: string): string {
  const plain = name.replaceAll(/[\p{Cc}\p{Cf}/\\:*?"<>|]+/gu, '-').replace(/^[.\s-]+/, '');
  return plain.slice(0, EXPORTS.nameChars).trim() || 'disk';
}
