/** Disks that go on from a snapshot of another: two futures of one past, which stays as it was (SEALED-STAYS). */
import { connectNbd } from '@oriel/vhd';
import { expect, test } from 'vitest';
import { MIB, onCleanup, serviceIn, tempFolder } from './setup.ts';

type Api = Awaited<ReturnType<typeof serviceIn>>['api'];

async function write(api: Api, id: string, text: string): Promise<void> {
  const disk = await connectNbd((await api.openDisk({ id })).uri);
  await disk.write(Buffer.from(text), 0);
  await disk.flush();
  await disk.close();
  await api.closeDisk({ id });
}
async function read(api: Api, id: string): Promise<string> {
  const disk = await connectNbd((await api.openDisk({ id, mode: 'read' })).uri);
  const bytes = Buffer.alloc(1);
  await disk.read(bytes, 0);
  await disk.close();
  await api.closeDisk({ id });
  return bytes.toString();
}
async function snapshot(api: Api, id: string): Promise<string> {
  await api.snapshotDisks({ ids: [id], name: 'point' });
  return (await api.getDisk({ id })).snapshots.at(-1)?.id ?? '';
}

test('a branch holds what was there then; both go on by themselves, also after a restart and a branch of a branch', async () => {
  const folder = tempFolder();
  const first = await serviceIn(folder);
  const { api } = first;
  await api.createDisk({ id: 'trunk', name: 'trunk', source: { from: 'blank', sizeBytes: MIB } });
  await write(api, 'trunk', 'A');
  const snapshotId = await snapshot(api, 'trunk');
  await write(api, 'trunk', 'B');
  const branch = await api.createDisk({
    id: 'branch',
    name: 'branch',
    source: { from: 'snapshot', diskId: 'trunk', snapshotId },
  });
  expect(branch).toMatchObject({ branchOf: { diskId: 'trunk', snapshotId }, sizeBytes: MIB, chainLength: 2 });
  expect(await read(api, 'branch')).toBe('A');
  await write(api, 'branch', 'C');
  const second = await snapshot(api, 'branch');
  await api.createDisk({
    id: 'twig',
    name: 'twig',
    source: { from: 'snapshot', diskId: 'branch', snapshotId: second },
  });
  await first.running.close();
  const { api: later, running } = await serviceIn(folder);
  onCleanup(() => running.close());
  expect(await Promise.all(['trunk', 'branch', 'twig'].map((id) => read(later, id)))).toEqual(['B', 'C', 'C']);
  expect(await later.getDisk({ id: 'twig' })).toMatchObject({ chainLength: 3, branchOf: { diskId: 'branch' } });
});

// Guards `requireNoBranches`: the branch then reads what was folded, or does not open at all.
test('what a branch stands on is neither folded, committed into, given another base, nor removed', async () => {
  const { api, running } = await serviceIn();
  onCleanup(() => running.close());
  await api.createDisk({ id: 'trunk', name: 'trunk', source: { from: 'blank', sizeBytes: MIB } });
  await write(api, 'trunk', 'A');
  const below = await snapshot(api, 'trunk');
  await write(api, 'trunk', 'B');
  const point = await snapshot(api, 'trunk');
  await write(api, 'trunk', 'D');
  await api.createDisk({
    id: 'branch',
    name: 'branch',
    source: { from: 'snapshot', diskId: 'trunk', snapshotId: point },
  });
  await api.createImage({ id: 'base', name: 'base', sizeBytes: MIB });
  const refused = { code: 'HAS_CHILDREN' };
  await expect(api.removeSnapshot({ id: 'trunk', snapshotId: point })).rejects.toMatchObject(refused);
  await expect(api.removeSnapshot({ id: 'trunk', snapshotId: below })).rejects.toMatchObject(refused);
  await expect(api.mergeDown({ id: 'trunk', snapshotId: point })).rejects.toMatchObject(refused);
  await expect(api.commitLeaf({ id: 'trunk' })).rejects.toMatchObject(refused);
  await expect(api.reparentDisk({ id: 'trunk', to: { imageId: 'base' } })).rejects.toMatchObject(refused);
  await expect(api.removeDisk({ id: 'trunk' })).rejects.toMatchObject(refused);
  expect(await read(api, 'branch')).toBe('B');
  await api.discardLeaf({ id: 'trunk' });
  expect([await read(api, 'trunk'), await read(api, 'branch')]).toEqual(['B', 'B']);
  await api.removeDisk({ id: 'branch' });
  await api.removeDisk({ id: 'trunk' });
});

test('a branch of what is not there is refused, and leaves nothing', async () => {
  const { api, running } = await serviceIn();
  onCleanup(() => running.close());
  await api.createDisk({ id: 'trunk', name: 'trunk', source: { from: 'blank', sizeBytes: MIB } });
  for (const source of [
    { from: 'snapshot', diskId: 'trunk', snapshotId: 'none' },
    { from: 'snapshot', diskId: 'none', snapshotId: 'none' },
  ] as const) {
    await expect(api.createDisk({ id: 'branch', name: 'branch', source })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }
  expect((await api.listDisks()).map(({ id }) => id)).toEqual(['trunk']);
});
