/** Files that wait to be downloaded: written by the disk services, sent by the gateway, which lies on the same machine. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExportedFile as ServiceFile } from '@oriel/vhd';
import send from 'send';
import type { ExportedFile } from '../../../api/image.ts';
import { withoutDeceptive } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import { placeOf, referenceOf } from '../storages/reference.ts';
import type { Storages } from '../storages/storages.ts';
import { asking } from './errors.ts';

export function exportedView(storageId: string, file: ServiceFile): ExportedFile {
  const { fileName, format, sizeBytes, createdAt, expiresAt } = file;
  return { id: referenceOf({ storageId, id: file.id }), storageId, fileName, format, sizeBytes, createdAt, expiresAt };
}

export class Exports {
  readonly #storages: Storages;

  constructor(storages: Storages) {
    this.#storages = storages;
  }

  /** Of every storage that answers, newest first. */
  async list(): Promise<ExportedFile[]> {
    const lists = await Promise.all(
      this.#storages.ids().map(async (storageId) => {
        const files = (await this.#storages.client(storageId)?.listExports()) ?? [];
        return files.map((file) => exportedView(storageId, file));
      }),
    );
    return lists.flat().toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  }

  async remove(reference: string): Promise<void> {
    const { client, id } = this.#storages.locate(reference);
    await asking(`file ${reference}`, client.removeExport({ id }));
  }

  /** Sends it, or the part of it that is asked for (RFC 9110, section 14). Errors: NOT_FOUND, GONE. */
  async download(reference: string, incoming: IncomingMessage, response: ServerResponse): Promise<ExportedFile> {
    const { client } = this.#storages.locate(reference);
    const { storageId, id } = placeOf(reference);
    const file = (await asking(`file ${reference}`, client.listExports())).find((one) => one.id === id);
    if (file === undefined)
      throw new GatewayError('NOT_FOUND', `no file ${reference} waits to be downloaded: export it again`);
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-disposition', dispositionOf(file.fileName));
    await new Promise<void>((resolve, reject) => {
      const stream = send(incoming, encodeURI(file.path), { dotfiles: 'allow', cacheControl: false, index: false });
      response.setHeader('cache-control', 'private, no-store');
      stream.on('error', (cause: Error & { readonly status?: number }) => {
        const isRange = cause.status === 416;
        const message = isRange
          ? `there is no such part of ${file.fileName}: it has ${file.sizeBytes} bytes`
          : `file ${file.fileName} cannot be read any more: export it again`;
        reject(new GatewayError(isRange ? 'BAD_REQUEST' : 'GONE', message, { cause }));
      });
      response.once('close', resolve);
      stream.pipe(response);
    });
    return exportedView(storageId, file);
  }
}

/** RFC 6266: the name in full for those who know how, and without what older ones trip over. */
export function dispositionOf(given: string): string {
  // Named after a disk, whose name may be older than what the API takes today: `gpj.exe` that shows as `exe.jpg`.
  const name = withoutDeceptive(given);
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const full = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${full}`;
}
