/** A snapshot of several disks: of one instant also across threads, all or nothing, and once however often it is asked for. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskInfo, DiskServiceApi, RunDiskServiceOptions, RunningDiskService, TaskInfo } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { clientOf, DEPTH, done, MIB, onCleanup, serviceIn, tempFolder } from './setup.ts';

const IDS = ['a', 'b', 'c'] as const;

async function makeDisks(api: DiskServiceApi, ids: readonly string[] = IDS): Promise<void> {
  for (const id of ids) await api.createDisk({ id, name: id, source: { from: 'blank', sizeBytes: MIB } });
}

const snapshotsOf = (task: TaskInfo): Readonly<Record<string, string>> =>
  task.result?.['snapshots'] as Readonly<Record<string, string>>;

describe('one instant', () => {
  test('also where the disks are served by different threads, and while large writes run', async () => {
    const built = new URL('../../vhd/dist/service/start.js', import.meta.url).href;
    const module = (await import(built)) as {
      runDiskService(options: RunDiskServiceOptions): Promise<RunningDiskService>;
    };
    const folder = tempFolder();
    const running = await module.runDiskService({
      storage: join(folder, 'storage'),
      socketPath: join(folder, 'control.sock'),
      runFolder: join(folder, 'run'),
      threads: IDS.length,
    });
    onCleanup(() => running.close());
    const api = running.service;
    await makeDisks(api);
    const clients = [];
    for (const id of IDS) clients.push(await clientOf((await api.openDisk({ id })).uri));
    let isOn = true;
    // The same counter goes to a, then b, then c: at any instant none is ahead of the one before it, nor two behind.
    const load = (async () => {
      for (let counter = 1; isOn; counter++) {
        const bytes = Buffer.alloc(counter % 3 === 0 ? 300 << 10 : 512);
        bytes.writeUInt32BE(counter, 0);
        for (const client of clients) await client.write(bytes, 0);
      }
    })();
    for (let round = 0; round < 6 * DEPTH; round++) {
      const named = snapshotsOf(await done(api, api.snapshotDisks({ ids: IDS, name: 'all' })));
      const counts: number[] = [];
      for (const id of IDS) {
        const snapshot = { id, snapshotId: named[id] ?? '' };
        const client = await clientOf((await api.openSnapshot(snapshot)).uri);
        const bytes = Buffer.alloc(4);
        await client.read(bytes, 0);
        await client.close();
        await api.closeSnapshot(snapshot);
        counts.push(bytes.readUInt32BE(0));
      }
      const [a = 0, b = 0, c = 0] = counts;
      expect([0, 1]).toContain(a - c);
      expect(a >= b && b >= c).toBe(true);
    }
    isOn = false;
    await load;
  });
});

describe('an operation id', () => {
  test('does once what is asked for often: at once, again, after a restart, and when the task is forgotten', async () => {
    const folder = tempFolder();
    const asked = { ids: IDS, name: 'nightly', owner: 'job:nightly', operationId: 'run/17' } as const;
    const { api, running } = await serviceIn(folder);
    await makeDisks(api);
    const both = await Promise.all([api.snapshotDisks(asked), api.snapshotDisks({ ...asked, ids: ['c', 'b', 'a'] })]);
    const named = snapshotsOf(both[0]);
    expect(Object.keys(named)).toEqual([...IDS]);
    expect(both[1]).toEqual(both[0]);
    expect(await api.snapshotDisks(asked)).toEqual(both[0]);
    await running.close();
    const { api: second, running: restarted } = await serviceIn(folder);
    expect(await second.snapshotDisks(asked)).toEqual(both[0]);
    await restarted.close();
    for (const file of readdirSync(join(folder, 'storage/tasks'))) rmSync(join(folder, 'storage/tasks', file));
    const { api: third } = await serviceIn(folder);
    expect(snapshotsOf(await third.snapshotDisks(asked))).toEqual(named);
    for (const disk of await third.listDisks()) expect(disk.snapshots).toHaveLength(1);
  });

  test('is of one thing only', async () => {
    const { api } = await serviceIn();
    await makeDisks(api);
    await api.snapshotDisks({ ids: ['a', 'b'], name: 'one', operationId: 'x' });
    for (const other of [
      { ids: ['a', 'b'], name: 'two' },
      { ids: ['a'], name: 'one' },
      { ids: ['a', 'c'], name: 'one' },
    ])
      await expect(api.snapshotDisks({ ...other, operationId: 'x' })).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('of what failed is done when it is asked for again', async () => {
    const { api, folder } = await serviceIn();
    await makeDisks(api);
    const blocker = join(folder, 'storage/disks/c/disk.json.new');
    mkdirSync(blocker); // The record of c cannot be written.
    const asked = { ids: IDS, name: 'one', operationId: 'x' } as const;
    expect(await api.snapshotDisks(asked)).toMatchObject({ state: 'failed' });
    for (const disk of await api.listDisks()) expect(disk).toMatchObject({ snapshots: [], chainLength: 1 });
    rmSync(blocker, { recursive: true });
    expect(await api.snapshotDisks(asked)).toMatchObject({ state: 'done' });
    for (const disk of await api.listDisks()) expect(disk).toMatchObject({ snapshots: [{}], chainLength: 2 });
  });
});

describe('cut off by a kill', () => {
  /** A snapshot of all disks, and then its task as if it had been cut off, with the records of `unnamed` before it. */
  async function cutOff(
    unnamed: readonly string[],
  ): Promise<{ readonly api: DiskServiceApi; readonly task: TaskInfo }> {
    const folder = tempFolder();
    const { api, running } = await serviceIn(folder);
    await makeDisks(api);
    const records = Object.fromEntries(
      IDS.map((id) => [id, readFileSync(join(folder, 'storage/disks', id, 'disk.json'), 'utf8')]),
    );
    const { id } = await api.snapshotDisks({ ids: IDS, name: 'one' });
    await running.close();
    const path = join(folder, 'storage/tasks', `${id}.json`);
    const record = JSON.parse(readFileSync(path, 'utf8')) as { info: TaskInfo };
    const info = { ...record.info, state: 'running', progress: null, result: null, endedAt: null };
    writeFileSync(path, JSON.stringify({ ...record, info }));
    for (const disk of unnamed) writeFileSync(join(folder, 'storage/disks', disk, 'disk.json'), records[disk] ?? '');
    const { api: again } = await serviceIn(folder);
    return { api: again, task: await again.getTask({ id }) };
  }

  test.for([['c'], ['b', 'c'], ['a', 'b', 'c']])(
    'before %s had it, none has it, and all can be written',
    async (unnamed) => {
      const { api, task } = await cutOff(unnamed);
      expect(task).toMatchObject({ state: 'interrupted' });
      for (const disk of await api.listDisks()) {
        expect(disk).toMatchObject({ snapshots: [], chainLength: 1 } satisfies Partial<DiskInfo>);
        const client = await clientOf((await api.openDisk({ id: disk.id })).uri);
        await client.write(Buffer.alloc(512, 1), 0);
        await client.flush();
      }
    },
  );

  test('when all had it, it is finished', async () => {
    const { api, task } = await cutOff([]);
    expect(task).toMatchObject({ state: 'done', result: { snapshots: {} } });
    for (const disk of await api.listDisks())
      expect(disk.snapshots).toMatchObject([{ id: snapshotsOf(task)[disk.id], name: 'one' }]);
  });
});

describe('a snapshot that goes', () => {
  test('may be the only one of a disk that stands alone; the disk keeps its content', async () => {
    const { api } = await serviceIn();
    await makeDisks(api, ['a']);
    const client = await clientOf((await api.openDisk({ id: 'a' })).uri);
    await client.write(Buffer.alloc(512, 1), 0);
    const named = snapshotsOf(await done(api, api.snapshotDisks({ ids: ['a'], name: 'one' })));
    await client.write(Buffer.alloc(512, 2), 512);
    await done(api, api.removeSnapshot({ id: 'a', snapshotId: named['a'] ?? '' }));
    expect(await api.getDisk({ id: 'a' })).toMatchObject({ snapshots: [], chainLength: 2 });
    const bytes = Buffer.alloc(1024);
    await client.read(bytes, 0);
    expect([bytes[0], bytes[512]]).toEqual([1, 2]);
  });

  test('does not change under who reads it', async () => {
    const { api } = await serviceIn();
    await makeDisks(api, ['a']);
    const client = await clientOf((await api.openDisk({ id: 'a' })).uri);
    const ids: string[] = [];
    for (const value of [1, 2, 3]) {
      await client.write(Buffer.alloc(512, value), 0);
      ids.push(snapshotsOf(await done(api, api.snapshotDisks({ ids: ['a'], name: `s${value}` })))['a'] ?? '');
    }
    const [first = '', second = ''] = ids;
    const reader = await clientOf((await api.openSnapshot({ id: 'a', snapshotId: first })).uri);
    for (const fold of [
      api.removeSnapshot({ id: 'a', snapshotId: first }),
      api.mergeDown({ id: 'a', snapshotId: second }),
    ])
      await expect(fold).rejects.toMatchObject({ code: 'LOCKED', message: expect.stringContaining(first) as string });
    const bytes = Buffer.alloc(512);
    await reader.read(bytes, 0);
    expect(bytes[0]).toBe(1);
    await reader.close();
    await api.closeSnapshot({ id: 'a', snapshotId: first });
    await done(api, api.mergeDown({ id: 'a', snapshotId: second }));
    const again = await clientOf((await api.openSnapshot({ id: 'a', snapshotId: second })).uri);
    await again.read(bytes, 0);
    expect(bytes[0]).toBe(2);
  });
});

describe('two who make a thing of one id at once', () => {
  test('get one, whole, and a refusal', async () => {
    const { api, folder } = await serviceIn();
    const disks = await Promise.allSettled([makeDisks(api, ['a']), makeDisks(api, ['a'])]);
    expect(disks).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'EXISTS' } }]);
    await clientOf((await api.openDisk({ id: 'a' })).uri);
    const source = join(folder, 'source.raw');
    writeFileSync(source, Buffer.alloc(MIB, 7));
    const imports = await Promise.allSettled(
      ['one', 'two'].map((name) => api.importImage({ id: 'image', name, path: source })),
    );
    expect(imports).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'EXISTS' } }]);
    if (imports[0]?.status === 'fulfilled') await done(api, imports[0].value);
    const client = await clientOf((await api.openImage({ id: 'image' })).uri);
    const bytes = Buffer.alloc(MIB);
    await client.read(bytes, 0);
    expect(bytes.equals(Buffer.alloc(MIB, 7))).toBe(true);
  });
});
