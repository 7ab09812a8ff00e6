/** What a guest's flush costs on the storage, end to end: counted where the service hands syncs to the file system. */
import { join } from 'node:path';
import { createChild, createImage, fileSystem, openChain, type Storage, serveNbd } from '@oriel/vhd';
import { expect, test } from 'vitest';
import { clientOf, MIB, onCleanup, tempFolder } from './setup.ts';

/** The file system, with every sync of a file counted, and held back while `gate` is closed. */
function counting(): { storage: Storage; syncs: number; gate: Promise<void> | undefined } {
  const counter: { storage: Storage; syncs: number; gate: Promise<void> | undefined } = {
    syncs: 0,
    gate: undefined,
    storage: {
      ...fileSystem,
      open: (path, mode) => {
        const file = fileSystem.open(path, mode);
        const sync = file.sync.bind(file);
        file.sync = async () => {
          counter.syncs += 1;
          await counter.gate;
          await sync();
        };
        return file;
      },
    },
  };
  return counter;
}

test('a flush costs at most two syncs however much was allocated, none happen before it, and those together share', async () => {
  const folder = tempFolder();
  await createImage(join(folder, 'base.vhd'), { sizeBytes: 512 * MIB });
  await createChild(join(folder, 'leaf.vhd'), { parent: join(folder, 'base.vhd') });
  const counter = counting();
  const disk = await openChain(join(folder, 'leaf.vhd'), { isReadOnly: false, storage: counter.storage });
  onCleanup(() => disk.close());
  const served = await serveNbd(disk, { socketPath: join(folder, 's') });
  onCleanup(() => served.close());
  const clients = await Promise.all([1, 2, 3, 4].map(() => clientOf(served.uri)));
  const [client] = clients;
  counter.syncs = 0;
  // Every block is new, and each has a bitmap that changes.
  for (let block = 0; block < 200; block++)
    await client?.write(Buffer.alloc(4096, 1), block * 2 * MIB + 4096 * (block % 100));
  expect(counter.syncs).toBe(0);
  await client?.flush();
  expect(counter.syncs).toBeLessThanOrEqual(2);

  counter.syncs = 0;
  let open: () => void = () => {};
  counter.gate = new Promise((resolve) => {
    open = resolve;
  });
  await client?.write(Buffer.alloc(4096, 2), 0);
  const first = client?.flush();
  while (counter.syncs === 0) await new Promise((resolve) => setImmediate(resolve));
  // These come while one runs: they share the next.
  const more = clients.flatMap((one) => Array.from({ length: 8 }, () => one.flush()));
  const written = clients.map((one, index) => one.write(Buffer.alloc(4096, 3), (300 + index) * MIB));
  open();
  counter.gate = undefined;
  await Promise.all([first, ...more, ...written]);
  expect(counter.syncs).toBeLessThanOrEqual(6);
});
