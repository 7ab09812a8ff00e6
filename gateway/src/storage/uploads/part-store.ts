/**
 * Where the parts of uploads gather: a file each in a folder of the storage that nobody else reads, and a record beside it
 * that says whose it is and what it is to become. The record outlives the file for a while, so that who asks how far an
 * upload is, once it has been taken in, is told that it was whole.
 */
import { createWriteStream } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf, readRecord, writeRecord } from '@oriel/machine';
import { DataStore, ERRORS, Upload as Part } from '@tus/server';
import { UPLOAD_LIMITS, type UploadMetadata } from '../../../api/upload.ts';
import { GatewayError } from '../../errors.ts';

/** What is kept of an upload. */
export interface UploadRecord extends UploadMetadata {
  readonly id: string;
  readonly owner: string;
  /** As the audit log names them, and how they came. */
  readonly ownerName: string;
  readonly via: string;
  readonly sizeBytes: number;
  readonly createdAt: string;
  /** What takes it in, since it is whole. */
  readonly taskId?: string;
}

const ID = /^[0-9a-f]{32}$/;

/** What the protocol's server keeps parts in. The records are written by whoever begins an upload, and only read here. */
export class PartStore extends DataStore {
  readonly folder: string;

  constructor(folder: string) {
    super();
    this.folder = folder;
    this.extensions = ['creation', 'termination', 'expiration'];
  }

  override getExpiration(): number {
    return UPLOAD_LIMITS.keptHours * 3_600_000;
  }

  fileOf(id: string): string {
    return path.join(this.folder, id);
  }

  async record(id: string): Promise<UploadRecord | undefined> {
    return ID.test(id) ? ((await readRecord(`${this.fileOf(id)}.json`)) as UploadRecord | undefined) : undefined;
  }

  /** All there are, also of those that have been taken in. */
  async records(): Promise<UploadRecord[]> {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith('.json'));
    const all = await Promise.all(
      names.map((name) => this.record(name.slice(0, -'.json'.length)).catch(() => undefined)),
    );
    return all.filter((one) => one !== undefined);
  }

  async put(record: UploadRecord): Promise<void> {
    await writeRecord(`${this.fileOf(record.id)}.json`, record);
  }

  /** Of one that was taken in: all of it. */
  async receivedBytes({ id, sizeBytes, taskId }: UploadRecord): Promise<number> {
    try {
      return (await stat(this.fileOf(id))).size;
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return taskId === undefined ? 0 : sizeBytes;
      throw cause;
    }
  }

  override async create(part: Part): Promise<Part> {
    await (await open(this.fileOf(part.id), 'wx', 0o600)).close();
    return part;
  }

  override async getUpload(id: string): Promise<Part> {
    const record = await this.record(id);
    if (record === undefined) throw ERRORS.FILE_NOT_FOUND;
    const { sizeBytes, createdAt } = record;
    return new Part({ id, size: sizeBytes, offset: await this.receivedBytes(record), creation_date: createdAt });
  }

  /** What arrived before it was cut off is kept. Errors: NO_SPACE. */
  override async write(readable: Readable, id: string, offset: number): Promise<number> {
    const file = createWriteStream(this.fileOf(id), { flags: 'r+', start: offset });
    try {
      await pipeline(readable, file);
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOSPC') throw cause;
      throw new GatewayError('NO_SPACE', 'the storage is full: make room, and send the rest', { cause });
    }
    return offset + file.bytesWritten;
  }

  override async remove(id: string): Promise<void> {
    await rm(this.fileOf(id), { force: true });
    await rm(`${this.fileOf(id)}.json`, { force: true });
  }
}
