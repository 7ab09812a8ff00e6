/** Tasks and disks are followed as streams over the control socket, not asked for again and again. */
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { connectDiskService, type DiskServiceClient, type WatchEvent } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { clientOf, done, MIB, onCleanup, serviceIn, type TestService, tempFolder } from './setup.ts';

function clientTo({ folder }: { readonly folder: string }): DiskServiceClient {
  const client = connectDiskService(join(folder, 'control.sock'));
  onCleanup(() => client.disconnect());
  return client;
}

async function serviceWithSource(): Promise<
  TestService & { readonly client: DiskServiceClient; readonly source: string }
> {
  const service = await serviceIn();
  const source = join(service.folder, 'source.raw');
  writeFileSync(source, Buffer.alloc(8 * MIB, 7));
  return { ...service, client: clientTo(service), source };
}

/** The events until one is `last`. */
async function until<T>(stream: AsyncIterable<WatchEvent<T>>, last: (event: WatchEvent<T>) => boolean) {
  const events: WatchEvent<T>[] = [];
  for await (const event of stream) {
    events.push(event);
    if (last(event)) return events;
  }
  throw new Error('the stream ended first');
}

/** The first change of something that is so. */
async function changesUntil<T>(stream: AsyncIterator<WatchEvent<T>>, isSo: (item: T) => boolean): Promise<T> {
  for (;;) {
    const { value } = (await stream.next()) as { readonly value: WatchEvent<T> };
    if (value.kind === 'changed' && isSo(value.item)) return value.item;
  }
}

describe('tasks', () => {
  test('are followed from the list of all to their ends, with progress and steps', async () => {
    const { client, source } = await serviceWithSource();
    const first = await client.importImage({ id: 'first', name: 'first', path: source });
    await client.waitForTask(first.id);
    const left = new AbortController();
    onCleanup(() => left.abort());
    const followed = until(
      client.watchTasks({}, left.signal),
      (event) => event.kind === 'changed' && event.item.target === 'second' && event.item.state === 'done',
    );
    const { id } = await client.importImage({ id: 'second', name: 'second', path: source });
    const [all, ...changes] = await followed;
    expect(all).toMatchObject({
      kind: 'all',
      all: expect.arrayContaining([expect.objectContaining({ id: first.id, state: 'done' })]) as unknown,
    });
    expect(changes.every((event) => event.kind === 'changed' && event.item.id === id)).toBe(true);
    expect(changes.at(-1)).toMatchObject({
      item: { progress: 1, step: 'copying', error: null, result: { id: 'second' } },
    });
  });

  test('wait in a lane, queued, while changes of disks wait for none; a queued one is cancelled at once', async () => {
    const { client, api, source } = await serviceWithSource();
    writeFileSync(source, Buffer.alloc(64 * MIB, 7));
    const imports = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) => client.importImage({ id, name: id, path: source })),
    );
    expect(imports.map(({ state }) => state)).toEqual(['running', 'running', 'queued', 'queued']);
    await client.cancelTask({ id: imports[3]?.id ?? '' });
    await expect(client.waitForTask(imports[3]?.id ?? '')).rejects.toMatchObject({ code: 'CANCELLED' });
    await client.createDisk({ id: 'disk', name: 'disk', source: { from: 'blank', sizeBytes: MIB } });
    expect(await client.snapshotDisks({ ids: ['disk'], name: 'one' })).toMatchObject({ state: 'done' });
    for (const { id } of imports.slice(0, 3)) expect(await client.waitForTask(id)).toMatchObject({ state: 'done' });
    expect((await api.listImages()).map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
  });

  test('of one id only, and an unknown one is said at once', async () => {
    const { client, source } = await serviceWithSource();
    const [one, other] = await Promise.all(
      ['one', 'other'].map((id) => client.importImage({ id, name: id, path: source })),
    );
    const events = await until(
      client.watchTasks({ id: one?.id ?? '' }),
      (event) => event.kind === 'changed' && event.item.state === 'done',
    );
    expect(JSON.stringify(events)).not.toContain(other?.id);
    await client.waitForTask(other?.id ?? '');
    await expect(client.waitForTask('no-such-task')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a stream ends with SERVICE when the service does; followed again it begins with all there is', async () => {
    const folder = tempFolder();
    const first = await serviceIn(folder);
    const client = clientTo(first);
    const { id } = await client.createDisk({ id: 'disk', name: 'disk', source: { from: 'blank', sizeBytes: MIB } });
    await client.snapshotDisks({ ids: [id], name: 'one' });
    const stream = client.watchTasks()[Symbol.asyncIterator]();
    await stream.next();
    const end = stream.next();
    await first.running.close();
    await expect(end).rejects.toMatchObject({ code: 'SERVICE' });
    await expect(client.watchTasks()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'SERVICE' });
    await serviceIn(folder);
    const [all] = await until(client.watchTasks(), () => true);
    expect(all).toMatchObject({ kind: 'all', all: [{ kind: 'disk.snapshot', state: 'done' }] });
  });

  test('are waited for over a restart of the service by who has the patience; what cannot go on is INTERRUPTED', async () => {
    const folder = tempFolder();
    const first = await serviceIn(folder);
    const source = join(folder, 'source.raw');
    writeFileSync(source, Buffer.alloc(96 * MIB, 7));
    const { id } = await first.api.createDisk({ name: 'disk', source: { from: 'blank', sizeBytes: 8 * MIB } });
    for (const name of ['one', 'two']) {
      const writer = await clientOf((await first.api.openDisk({ id })).uri);
      await writer.write(Buffer.alloc(2 * MIB, name.length), 0);
      await writer.flush();
      await done(first.api, first.api.snapshotDisks({ ids: [id], name }));
    }
    const [, two] = (await first.api.getDisk({ id })).snapshots;
    const fold = await first.api.mergeDown({ id, snapshotId: two?.id ?? '', bytesPerSecond: 4 * MIB });
    const copy = await first.api.importImage({ id: 'big', name: 'big', path: source });
    const patient = connectDiskService(join(folder, 'control.sock'), { patienceMs: 20_000 });
    onCleanup(() => patient.disconnect());
    const seen: string[] = [];
    const outcomes = Promise.allSettled([
      patient.waitForTask(fold.id, { onProgress: ({ state }) => void seen.push(state) }),
      patient.waitForTask(copy.id),
      clientTo(first).waitForTask(fold.id),
    ]);
    await expect.poll(() => seen).toContain('running');
    await first.running.close();
    writeFileSync(join(folder, 'storage', 'images', 'big.vhd.part'), 'as a service that is killed leaves it');
    await serviceIn(folder);
    expect(await outcomes).toMatchObject([
      { status: 'fulfilled', value: { id: fold.id, state: 'done' } },
      { status: 'rejected', reason: { code: 'INTERRUPTED' } },
      { status: 'rejected', reason: { code: 'SERVICE' } },
    ]);
    expect(readdirSync(join(folder, 'storage', 'images'))).toEqual([]); // Nor is half a copy left behind.
  });

  test('of a service that is older than this client are asked for; its disks cannot be followed, and that is said', async () => {
    const { folder, api } = await serviceIn();
    const older = join(folder, 'older.sock');
    const server = createServer((request, response) => {
      const verb = request.url?.split('/')[2] ?? '';
      const answer = verb === 'getTask' ? api.getTask({ id: task.id }) : Promise.reject(new Error(verb));
      request.resume();
      answer.then(
        (value) => response.end(JSON.stringify(value)),
        () => {
          const error = { code: 'USAGE', message: `no such verb: POST ${request.url}` };
          response.writeHead(400).end(JSON.stringify({ error }));
        },
      );
    });
    await new Promise<void>((resolve) => server.listen(older, resolve));
    onCleanup(() => new Promise((resolve) => server.close(resolve)));
    const { id } = await api.createDisk({ name: 'disk', source: { from: 'blank', sizeBytes: MIB } });
    const task = await api.snapshotDisks({ ids: [id], name: 'one' });
    const client = connectDiskService(older);
    onCleanup(() => client.disconnect());
    expect(await client.waitForTask(task.id)).toMatchObject({ id: task.id, state: 'done' });
    const followed = client.watchDisks()[Symbol.asyncIterator]().next();
    await expect(followed).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('older') });
  });

  test('leaving a stream leaves nothing behind', async () => {
    const { client } = await serviceWithSource();
    for (let round = 0; round < 300; round++) await until(client.watchTasks(), () => true);
    expect(await until(client.watchTasks(), () => true)).toHaveLength(1);
  });
});

describe('disks', () => {
  test('are followed as they are made, opened, snapshot, closed and removed', async () => {
    const { client, api } = await serviceWithSource();
    await api.createDisk({ id: 'old', name: 'old', source: { from: 'blank', sizeBytes: MIB } });
    const stream = client.watchDisks()[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ kind: 'all', all: [{ id: 'old' }] });
    const next = async (change: Promise<unknown>): Promise<unknown> => {
      const event = stream.next();
      await change;
      return (await event).value;
    };
    const source = { from: 'blank', sizeBytes: MIB } as const;
    expect(await next(api.createDisk({ id: 'a', name: 'a', source, owner: 'vm:1' }))).toMatchObject({
      kind: 'changed',
      item: { id: 'a', owner: 'vm:1' },
    });
    expect(await next(api.setDiskOwner({ id: 'a', owner: null }))).toMatchObject({ item: { owner: null } });
    expect(await next(done(api, api.snapshotDisks({ ids: ['a'], name: 'one' })))).toMatchObject({
      item: { snapshots: [{ name: 'one' }] },
    });
    // What is told of an opening and a closing is how it is once that is done, not on the way there.
    const served = changesUntil(stream, ({ state }) => state.state === 'open');
    await api.openDisk({ id: 'a' });
    expect(await served).toMatchObject({ id: 'a', state: { export: { lease: 1 } } });
    const closed = changesUntil(stream, ({ state }) => state.state === 'closed');
    await api.closeDisk({ id: 'a' });
    expect(await closed).toMatchObject({ id: 'a' });
    await api.removeDisk({ id: 'a' });
    const told = await until({ [Symbol.asyncIterator]: () => stream }, ({ kind }) => kind === 'removed');
    expect(told.at(-1)).toEqual({ kind: 'removed', id: 'a' });
  });
});
