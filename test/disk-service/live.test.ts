/** Live changes of a disk that is being written to: what the client sees never changes, and the chain on disk is right. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openChain } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { clientOf, DEPTH, done, MIB, seeded, serviceIn, type TestService } from './setup.ts';

const SIZE = 24 * MIB;

interface Setup extends TestService {
  readonly id: string;
}

/** A template with content, and a clone of it that is open. */
async function clone(): Promise<Setup> {
  const service = await serviceIn();
  const image = await service.api.createImage({ name: 'base', sizeBytes: SIZE });
  const path = join(service.folder, 'storage', 'images', `${image.id}.vhd`);
  const chain = await openChain(path, { isReadOnly: false });
  const random = seeded(7);
  for (let at = 0; at < SIZE; at += 3 * MIB) await chain.write(random.bytes(64 << 10), at);
  await chain.close();
  await service.api.sealImage({ id: image.id });
  const disk = await service.api.createDisk({ name: 'vm', source: { from: 'image', imageId: image.id } });
  return { ...service, id: disk.id };
}

/** Writes at random for as long as `while` says, and keeps a copy of what the disk must hold. */
async function writer(uri: string, model: Buffer, seed: number): Promise<{ stop(): Promise<void>; writes(): number }> {
  const client = await clientOf(uri);
  const random = seeded(seed);
  let isOn = true;
  let writes = 0;
  const work = (async () => {
    while (isOn) {
      const at = random.int(SIZE - 300_000);
      const what = random.int(20);
      const length = 1 + random.int(what === 0 ? 260_000 : 9_000);
      if (what === 1) {
        await client.writeZeroes(at, length, { mayUnmap: true });
        model.fill(0, at, at + length);
      } else {
        const bytes = random.bytes(length);
        await client.write(bytes, at);
        bytes.copy(model, at);
      }
      if (what === 2) await client.flush();
      writes += 1;
    }
  })();
  return {
    writes: () => writes,
    stop: async () => {
      isOn = false;
      await work;
    },
  };
}

async function contentOf(uri: string): Promise<Buffer> {
  const client = await clientOf(uri);
  const bytes = Buffer.alloc(client.sizeBytes);
  await client.read(bytes, 0);
  await client.close();
  return bytes;
}

async function leafOf({ folder, id }: Setup): Promise<string> {
  const file = readdirSync(join(folder, 'storage', 'disks', id))
    .filter((name) => name.endsWith('.vhd'))
    .sort()
    .at(-1);
  return join(folder, 'storage', 'disks', id, file ?? '');
}

async function onDisk(setup: Setup): Promise<Buffer> {
  const chain = await openChain(await leafOf(setup), { policy: { folders: [join(setup.folder, 'storage')] } });
  const bytes = Buffer.alloc(chain.sizeBytes);
  await chain.read(bytes, 0);
  await chain.close();
  return bytes;
}

const same = (a: Buffer, b: Buffer): number => {
  for (let at = 0; at < a.byteLength; at += 512) if (a.compare(b, at, at + 512, at, at + 512) !== 0) return at;
  return -1;
};

describe('live changes under write load', () => {
  test('snapshots, removals, commits: the content stays what was written', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const { uri } = await api.openDisk({ id });
    const model = await contentOf(uri);
    const load = await writer(uri, model, 42);
    const random = seeded(99);
    for (let round = 0; round < 12 * DEPTH; round++) {
      const { snapshots } = await api.getDisk({ id });
      const what = snapshots.length < 2 ? 0 : random.int(4);
      const pick = snapshots[random.int(Math.max(1, snapshots.length))];
      if (what === 0 || pick === undefined) await done(api, api.snapshotDisks({ ids: [id], name: `s${round}` }));
      else if (what === 1) await done(api, api.removeSnapshot({ id, snapshotId: pick.id }));
      else if (what === 2 && pick !== snapshots[0]) await done(api, api.mergeDown({ id, snapshotId: pick.id }));
      else await done(api, api.commitLeaf({ id }));
    }
    await load.stop();
    expect(load.writes()).toBeGreaterThan(0);
    expect(same(await contentOf(uri), model)).toBe(-1);
    const disk = await api.getDisk({ id });
    await api.closeDisk({ id });
    expect(same(await onDisk(setup), model)).toBe(-1);
    for (const snapshot of disk.snapshots) await done(api, api.removeSnapshot({ id, snapshotId: snapshot.id }));
    expect(same(await onDisk(setup), model)).toBe(-1);
    expect((await api.getDisk({ id })).chainLength).toBeGreaterThanOrEqual(2);
  });

  test('a snapshot of several disks is of one instant', async () => {
    const { api } = await serviceIn();
    const ids: string[] = [];
    for (const name of ['a', 'b']) {
      ids.push((await api.createDisk({ id: name, name, source: { from: 'blank', sizeBytes: MIB } })).id);
    }
    const uris = await Promise.all(ids.map(async (id) => (await api.openDisk({ id })).uri));
    const clients = await Promise.all(uris.map((uri) => clientOf(uri)));
    let isOn = true;
    let counter = 0;
    // The same counter is written to a, then to b: at any instant b is at most one behind.
    const load = (async () => {
      while (isOn) {
        counter += 1;
        const bytes = Buffer.alloc(512);
        bytes.writeUInt32BE(counter, 0);
        for (const client of clients) await client.write(bytes, 0);
      }
    })();
    const seen: number[][] = [];
    for (let round = 0; round < 5 * DEPTH; round++) {
      const task = await done(api, api.snapshotDisks({ ids, name: 'both' }));
      const named = task.result?.['snapshots'] as Record<string, string>;
      const counts: number[] = [];
      for (const id of ids) {
        const served = await api.openSnapshot({ id, snapshotId: named[id] ?? '' });
        counts.push((await contentOf(served.uri)).readUInt32BE(0));
        await api.closeSnapshot({ id, snapshotId: named[id] ?? '' });
      }
      seen.push(counts);
    }
    isOn = false;
    await load;
    for (const [a = 0, b = 0] of seen) expect([0, 1]).toContain(a - b);
    expect(counter).toBeGreaterThan(5);
  });

  test('a discarded leaf brings the last snapshot back', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const before = await contentOf((await api.openDisk({ id })).uri);
    const client = await clientOf((await api.openDisk({ id })).uri);
    await client.write(Buffer.alloc(MIB, 0xee), 5 * MIB);
    await done(api, api.discardLeaf({ id }));
    const now = Buffer.alloc(SIZE);
    await client.read(now, 0);
    expect(same(now, before)).toBe(-1);
  });

  test('a grown disk keeps its content; who comes back under the same lease has the new size', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const { uri, lease } = await api.openDisk({ id });
    const model = Buffer.alloc(2 * SIZE);
    (await contentOf(uri)).copy(model);
    const client = await clientOf(uri);
    await client.write(Buffer.alloc(1000, 0xdd), 1234);
    model.fill(0xdd, 1234, 2234);
    const task = await done(api, api.growDisk({ id, sizeBytes: 2 * SIZE }));
    expect(task.result).toEqual({ sizeBytes: 2 * SIZE });
    // The old connection was told the old size in its handshake, and there is no other place to tell it: it is over.
    await expect(client.write(Buffer.alloc(512, 1), 0)).rejects.toThrow();
    const again = await clientOf(uri);
    expect(again.sizeBytes).toBe(2 * SIZE);
    await again.write(Buffer.alloc(1000, 0xcc), 2 * SIZE - 1000);
    model.fill(0xcc, 2 * SIZE - 1000);
    expect(same(await contentOf(uri), model)).toBe(-1);
    expect(await api.getDisk({ id })).toMatchObject({
      sizeBytes: 2 * SIZE,
      state: { state: 'open', export: { lease } },
    });
    await api.closeDisk({ id });
    expect(same(await onDisk(setup), model)).toBe(-1);
  });

  test('a commit makes the leaf permanent in the link below, and adds neither links nor snapshots', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const { uri } = await api.openDisk({ id });
    const model = await contentOf(uri);
    await done(api, api.snapshotDisks({ ids: [id], name: 'before the session' }));
    for (let session = 0; session < 3; session++) {
      const load = await writer(uri, model, session + 70);
      await done(api, api.commitLeaf({ id }));
      await load.stop();
      expect(await api.getDisk({ id })).toMatchObject({ chainLength: 3, snapshots: [] });
    }
    expect(same(await contentOf(uri), model)).toBe(-1);
    const blank = await api.createDisk({ name: 'alone', source: { from: 'blank', sizeBytes: MIB } });
    await expect((async () => api.commitLeaf({ id: blank.id }))()).rejects.toMatchObject({ code: 'NO_PARENT' });
  });

  test('a fold that is cancelled is taken up again, and the disk is right in between', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const { uri } = await api.openDisk({ id });
    const model = await contentOf(uri);
    const client = await clientOf(uri);
    const ids: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at + 64_000 < SIZE; at += 2 * MIB) {
        const bytes = Buffer.alloc(64_000, round * 50 + (at >> 20) + 1);
        await client.write(bytes, at + round * 20_000);
        bytes.copy(model, at + round * 20_000);
      }
      const task = await done(api, api.snapshotDisks({ ids: [id], name: `s${round}` }));
      ids.push((task.result?.['snapshots'] as Record<string, string> | undefined)?.[id] ?? '');
    }
    const task = await api.mergeDown({ id, snapshotId: ids[1] ?? '', bytesPerSecond: 200_000 });
    await api.cancelTask({ id: task.id });
    await expect(done(api, task)).rejects.toThrow('CANCELLED');
    expect(same(await contentOf(uri), model)).toBe(-1);
    expect((await api.getDisk({ id })).snapshots.map((snapshot) => snapshot.id)).toEqual(ids.slice(1));
    await done(api, api.mergeDown({ id, snapshotId: ids[1] ?? '' }));
    expect(same(await contentOf(uri), model)).toBe(-1);
    expect(await api.getDisk({ id })).toMatchObject({ chainLength: 4 });
    await api.closeDisk({ id });
    expect(same(await onDisk(setup), model)).toBe(-1);
  });

  test('a disk moves to another base of the same content, and to no other', async () => {
    const setup = await clone();
    const { api, id, folder } = setup;
    const { uri } = await api.openDisk({ id });
    const model = await contentOf(uri);
    const { imageId } = await api.getDisk({ id });
    const copy = await done(
      api,
      api.importImage({ name: 'copy', path: join(folder, 'storage', 'images', `${imageId}.vhd`) }),
    );
    const copyId = copy.result?.['id'] as string;
    const other = await api.createImage({ name: 'other', sizeBytes: SIZE });
    const load = await writer(uri, model, 5);
    await done(api, api.reparentDisk({ id, to: { imageId: copyId } }));
    await expect(done(api, api.reparentDisk({ id, to: { imageId: other.id } }))).rejects.toThrow('PARENT_MISMATCH');
    await load.stop();
    expect(same(await contentOf(uri), model)).toBe(-1);
    await api.removeImage({ id: imageId ?? '' });
    await api.closeDisk({ id });
    expect(same(await onDisk(setup), model)).toBe(-1);
  });

  test('the changed context tells exactly what was written after the snapshot', async () => {
    const setup = await clone();
    const { api, id } = setup;
    const first = await clientOf((await api.openDisk({ id })).uri);
    await first.write(Buffer.alloc(4096, 1), 0);
    const task = await done(api, api.snapshotDisks({ ids: [id], name: 'monday' }));
    const snapshotId = (task.result?.['snapshots'] as Record<string, string> | undefined)?.[id] ?? '';
    await first.write(Buffer.alloc(512, 2), 4 * MIB);
    await first.write(Buffer.alloc(8192, 3), 9 * MIB);
    const context = `oriel:changed:${snapshotId}`;
    const client = await clientOf((await api.openDisk({ id })).uri, [context]);
    expect(client.contexts).toContain(context);
    const runs = await client.status(context, 0, SIZE);
    const changed: [number, number][] = [];
    let at = 0;
    for (const run of runs) {
      if (run.flags === 1) changed.push([at, run.length]);
      at += run.length;
    }
    expect(at).toBe(SIZE);
    expect(changed).toEqual([
      [4 * MIB, 512],
      [9 * MIB, 8192],
    ]);
  });
});
