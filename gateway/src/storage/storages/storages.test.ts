/** Storages, with real disk services that come and go. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Storage } from '../../../api/storage.ts';
import { serviceTaskKind } from '../library/service-task.ts';
import { TestStorages } from '../testing/storages.ts';

let at: TestStorages;
beforeEach(async () => {
  at = new TestStorages();
  await at.open();
});
afterEach(() => at.close());

const blank = { from: 'blank', sizeBytes: 1 << 20 } as const;
const untilState = (id: string, state: Storage['state']): Promise<Storage> => {
  const next = at.next((event) => {
    const storage = event.data as Storage;
    return event.topic === 'storage' && event.id === id && storage.state === state ? storage : undefined;
  });
  return at.storages.get(id).state === state ? Promise.resolve(at.storages.get(id)) : next;
};

describe('the first storage', () => {
  test('is there from the start, and says what its disk service says', async () => {
    expect(at.storages.list()).toMatchObject([
      { id: 'main', state: 'connected', reason: null, info: { version: '1.2.3', openDisks: 0 }, diskCount: 0 },
    ]);
    expect(at.storages.get('main').info?.freeBytes).toBeGreaterThan(0);
    await expect(at.storages.remove('main')).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  // Guards against a connection that is opened once.
  test('is unreachable while its disk service is away, and comes back with it', async () => {
    const lost = untilState('main', 'unreachable');
    await at.stop('main');
    expect(await lost).toMatchObject({ reason: 'its disk service does not answer', info: null });
    await expect(at.library.list(undefined)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const back = untilState('main', 'connected');
    await at.serve('main');
    await back;
    expect((await at.library.list(undefined)).items).toEqual([]);
  });

  test('knows of what others make and remove in it, without being asked', async () => {
    const made = at.next((event) => (event.topic === 'disk' && event.kind === 'changed' ? event.data : undefined));
    await at.client('main').createDisk({ id: 'theirs', name: 'Theirs', source: blank });
    expect(await made).toMatchObject({ id: 'theirs', name: 'Theirs', owner: null, storageId: 'main' });
    const gone = at.next((event) => (event.topic === 'disk' && event.kind === 'removed' ? event.id : undefined));
    await at.client('main').removeDisk({ id: 'theirs' });
    expect(await gone).toBe('theirs');
  });

  test('says how many of its disks are open as soon as they are', async () => {
    await at.client('main').createDisk({ id: 'theirs', name: 'Theirs', source: blank });
    const untilOpen = (count: number): Promise<Storage> =>
      at.next(({ topic, data }) =>
        topic === 'storage' && (data as Storage).info?.openDisks === count ? (data as Storage) : undefined,
      );
    const opened = untilOpen(1);
    await at.client('main').openDisk({ id: 'theirs' });
    await opened;
    const closed = untilOpen(0);
    await at.client('main').closeDisk({ id: 'theirs' });
    await closed;
  });

  test('may end while work of it is followed: it is taken up again, and begun again where it could not go on', async () => {
    const file = path.join(at.folder, 'source.raw');
    writeFileSync(file, Buffer.alloc(96 << 20, 7));
    const importing = serviceTaskKind<object>(at.library, {
      kind: 'image.import',
      what: () => 'file source.raw',
      step: 'copying',
      canBeginAgain: true,
      client: () => at.storages.requireClient('main'),
      begin: (client) => client.importImage({ name: 'big', path: file }),
      changed: (_, { result }) => [String(result?.['id'])],
    });
    const saved: object[] = [];
    let begun = (): void => undefined;
    const isBegun = new Promise<void>((resolve) => (begun = resolve));
    const progress = (fraction: number | undefined): void => void (fraction !== undefined && begun());
    const save = async (payload: object): Promise<void> => void saved.push(payload);
    const result = (): void => undefined;
    const signal = new AbortController().signal;
    const running = importing.run({}, { taskId: 'task', signal, progress, save, result });
    await isBegun;
    await at.stop('main');
    await at.serve('main');
    await running;
    expect(saved).toHaveLength(2);
    expect((await at.library.list(undefined)).items).toMatchObject([{ name: 'big', kind: 'image' }]);
  });
});

describe('several storages', () => {
  const fast = () => ({ id: 'fast', name: 'NVMe', socketPath: at.socketOf('fast') });

  // Guards against ids that are looked up in every storage.
  test('may have disks of the same id, and each keeps its own', async () => {
    await at.serve('fast');
    expect(await at.storages.create(fast())).toMatchObject({ id: 'fast', state: 'connected' });
    await at.disks.create('disk', 'One', blank, 'vm:a');
    await at.disks.create('fast:disk', 'Two', blank, 'vm:b');
    expect(await at.library.get('disk')).toMatchObject({ id: 'disk', name: 'One', owner: 'vm:a', storageId: 'main' });
    expect(await at.library.get('fast:disk')).toMatchObject({ name: 'Two', owner: 'vm:b', storageId: 'fast' });
    expect((await at.library.list('disk')).items.map(({ id }) => id).toSorted()).toEqual(['disk', 'fast:disk']);
    await at.disks.remove('fast:disk', 'vm:b');
    expect((await at.library.list('disk')).items.map(({ id }) => id)).toEqual(['disk']);
  });

  test('a clone lies where its template does', async () => {
    await at.serve('fast');
    await at.storages.create(fast());
    const client = at.client('fast');
    await client.createImage({ id: 'base', name: 'Base', sizeBytes: 1 << 20 });
    await client.sealImage({ id: 'base' });
    const source = { from: 'template', templateId: 'fast:base' } as const;
    const id = at.disks.newId('desk', source);
    expect(id).toMatch(/^fast:desk-[0-9a-f]{8}$/);
    await at.disks.create(id, 'desk', source, 'vm:a');
    expect(await at.library.get(id)).toMatchObject({ parentId: 'fast:base', storageId: 'fast' });
  });

  // Guards against a list that leaves out what it cannot have without a word.
  test('one that does not answer is named in the list that it is missing from', async () => {
    expect(await at.storages.create(fast())).toMatchObject({ state: 'unreachable' });
    await at.disks.create('disk', 'One', blank, 'vm:a');
    const listed = await at.library.list(undefined);
    expect(listed.unreachable).toEqual(['NVMe']);
    expect(listed.items.map(({ id }) => id)).toEqual(['disk']);
    await expect(at.library.list(undefined, 'fast')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(at.library.get('fast:disk')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(at.library.get('slow:disk')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('ids, names and sockets are taken once', async () => {
    await at.storages.create(fast());
    for (const change of [{ id: 'slow' }, { id: 'slow', socketPath: '/x' }, { name: 'other', socketPath: '/x' }]) {
      await expect(at.storages.create({ ...fast(), ...change })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    }
    await at.storages.edit('fast', { name: 'Slow by now' });
    expect(at.storages.get('fast')).toMatchObject({ name: 'Slow by now', revision: 2 });
    await at.storages.remove('fast');
    expect(at.storages.ids()).toEqual(['main']);
  });
});

describe('a storage with something wrong', () => {
  test('counts disks that cannot be opened', async () => {
    await at.disks.create('disk', 'One', blank, 'vm:a');
    const lost = untilState('main', 'unreachable');
    await at.stop('main');
    await lost;
    rmSync(path.join(at.folder, 'main', 'disks', 'disk', '0001.vhd'));
    const back = untilState('main', 'connected');
    await at.serve('main');
    expect((await back).brokenCount).toBe(1);
    expect(await at.library.get('disk')).toMatchObject({ health: { state: 'broken', code: 'NOT_FOUND' } });
    await expect(at.disks.checkUsable('disk')).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('an image that is damaged makes no clone', async () => {
    await at.client('main').createImage({ id: 'base', name: 'Base', sizeBytes: 1 << 20 });
    truncateSync(path.join(at.folder, 'main', 'images', 'base.vhd'), 600);
    const source = { from: 'image', imageId: 'base' } as const;
    await expect(at.disks.create('desk', 'desk', source, 'vm:a')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});
