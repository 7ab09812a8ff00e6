/** The API of uploads. Parts are read as they arrive, by the protocol's own server. */
import { appendUpload, cancelUpload, createUpload, getUpload, listUploads } from '../../../api/upload.ts';
import { type BoundRoute, bind, bindRaw } from '../../platform/api/bind.ts';
import type { Uploads } from './uploads.ts';

export function uploadRoutes(uploads: Uploads): BoundRoute[] {
  return [
    bind(listUploads, async ({ params, principal }) => ({ items: await uploads.list(params.storageId, principal) })),
    bindRaw(createUpload, async ({ params, principal, incoming, note }, response) => {
      const { id, filename, sizeBytes } = await uploads.create(params.storageId, principal, incoming, response);
      note({ upload: id, file: filename, sizeBytes });
    }),
    bindRaw(getUpload, async ({ params, principal, incoming }, response) => {
      const { storageId, uploadId } = params;
      if (incoming.method === 'HEAD') return await uploads.pass(storageId, uploadId, principal, incoming, response);
      const upload = await uploads.get(storageId, uploadId, principal);
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
      response.end(JSON.stringify(upload));
    }),
    bindRaw(appendUpload, async ({ params, principal, incoming }, response) => {
      await uploads.pass(params.storageId, params.uploadId, principal, incoming, response);
    }),
    bindRaw(cancelUpload, async ({ params, principal }, response) => {
      await uploads.cancel(params.storageId, params.uploadId, principal);
      response.writeHead(204, { 'tus-resumable': '1.0.0' }).end();
    }),
  ];
}
