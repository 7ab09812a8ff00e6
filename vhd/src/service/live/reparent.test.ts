/** An image is not removed from under a disk that is being put on it, nor from under one whose file says that it stands on it. */
import { beforeEach, expect, test } from 'vitest';
import { openChain } from '../../chain/open.ts';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import { MIB } from '../../units.ts';
import { readJson, writeJson } from '../state/json-file.ts';
import { FOLDER, MemoryService } from '../testing/memory-service.ts';

const SIZE_BYTES = 8 * MIB;
const CONTENT = Buffer.alloc(4096, 7);

let storage: MemoryStorage;
let service: MemoryService;

/** Two images of the same content, and a disk on the first. */
beforeEach(async () => {
  storage = new MemoryStorage();
  service = await MemoryService.start(storage);
  for (const id of ['base', 'twin']) {
    await service.api.createImage({ id, name: id, sizeBytes: SIZE_BYTES });
    const chain = await openChain(`${FOLDER}/images/${id}.vhd`, { storage, isReadOnly: false });
    await chain.write(CONTENT, MIB);
    await chain.close();
    await service.api.sealImage({ id });
  }
  await service.api.createDisk({ id: 'd', name: 'd', source: { from: 'image', imageId: 'base' } });
});

async function contentOfDisk(): Promise<Buffer> {
  await service.api.openDisk({ id: 'd' });
  const bytes = Buffer.alloc(CONTENT.byteLength);
  await service.diskOf('d').read(bytes, MIB);
  return bytes;
}

test('an image is not removed while a disk is put on it; the one that it leaves can be', async () => {
  const task = await service.api.reparentDisk({ id: 'd', to: { imageId: 'twin' } });
  await expect(service.api.removeImage({ id: 'twin' })).rejects.toMatchObject({ code: 'HAS_CHILDREN' });
  expect(await service.ended(task.id)).toMatchObject({ state: 'done' });
  await expect(service.api.removeImage({ id: 'twin' })).rejects.toMatchObject({ code: 'HAS_CHILDREN' });
  await service.api.removeImage({ id: 'base' });
  expect((await contentOfDisk()).equals(CONTENT)).toBe(true);
});

test('a disk that was not put on an image after all lets it go', async () => {
  await service.api.createImage({ id: 'other', name: 'other', sizeBytes: SIZE_BYTES });
  const task = await service.api.reparentDisk({ id: 'd', to: { imageId: 'other' } });
  expect(await service.ended(task.id)).toMatchObject({ state: 'failed', error: { code: 'PARENT_MISMATCH' } });
  await service.api.removeImage({ id: 'other' });
});

test('an image that the file of a disk names is its base, whatever the record says', async () => {
  await service.api.stop();
  const record = `${FOLDER}/disks/d/disk.json`;
  await writeJson(record, { ...(readJson(record, storage) as object), imageId: 'twin' }, storage);
  service = await MemoryService.start(storage);
  await expect(service.api.removeImage({ id: 'base' })).rejects.toMatchObject({ code: 'HAS_CHILDREN' });
});
