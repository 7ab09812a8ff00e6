/** Whose disks, images and snapshots are: kept, changed by one at a time, and found again. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskServiceApi } from '@oriel/vhd';
import { connectDiskService } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { done, MIB, onCleanup, serviceIn, tempFolder } from './setup.ts';

const idsOf = (all: readonly { readonly id: string }[]): readonly string[] => all.map(({ id }) => id).sort();
const blank = (api: DiskServiceApi, id: string, owner?: 'vm:1' | 'pool:desk') =>
  api.createDisk({
    id,
    name: id,
    source: { from: 'blank', sizeBytes: MIB },
    ...(owner === undefined ? {} : { owner }),
  });

describe('an owner', () => {
  test('is given at the making, changed by a verb, and a list can ask for it, also after a restart', async () => {
    const folder = tempFolder();
    const { api, running } = await serviceIn(folder);
    await blank(api, 'a', 'vm:1');
    await blank(api, 'b', 'pool:desk');
    await blank(api, 'c');
    await api.createImage({ id: 'i', name: 'i', sizeBytes: MIB, owner: 'job:nightly' });
    expect(idsOf(await api.listDisks({ owner: 'vm:1' }))).toEqual(['a']);
    expect(idsOf(await api.listDisks({ owner: null }))).toEqual(['c']);
    expect(idsOf(await api.listDisks())).toEqual(['a', 'b', 'c']);
    expect(await api.setDiskOwner({ id: 'c', owner: 'vm:1' })).toMatchObject({ owner: 'vm:1' });
    expect(await api.setDiskOwner({ id: 'a', owner: null })).toMatchObject({ owner: null });
    expect(await api.setImageOwner({ id: 'i', owner: 'vm:2', from: 'job:nightly' })).toMatchObject({ owner: 'vm:2' });
    await running.close();
    const { api: again } = await serviceIn(folder);
    expect(idsOf(await again.listDisks({ owner: 'vm:1' }))).toEqual(['c']);
    expect(idsOf(await again.listDisks({ owner: null }))).toEqual(['a']);
    expect(idsOf(await again.listImages({ owner: 'vm:2' }))).toEqual(['i']);
    expect(await again.listImages({ owner: null })).toEqual([]);
  });

  test('of a snapshot is its own, and stays with it', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a', 'vm:1');
    const task = await done(api, api.snapshotDisks({ ids: ['a'], name: 'one', owner: 'job:nightly' }));
    const snapshotId = (task.result as { snapshots: Record<string, string> }).snapshots['a'] ?? '';
    expect((await api.getDisk({ id: 'a' })).snapshots).toMatchObject([{ id: snapshotId, owner: 'job:nightly' }]);
    const changed = await api.setSnapshotOwner({ id: 'a', snapshotId, owner: null, from: 'job:nightly' });
    expect(changed).toMatchObject({ owner: 'vm:1', snapshots: [{ owner: null }] });
    const other = api.setSnapshotOwner({ id: 'a', snapshotId: 'other', owner: null });
    await expect(other).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('goes to one of two that take a free disk, and a sweeper does not remove what was taken meanwhile', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    const takes = await Promise.allSettled(
      (['vm:1', 'vm:2'] as const).map((owner) => api.setDiskOwner({ id: 'a', owner, from: null })),
    );
    expect(takes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(takes[1]).toMatchObject({
      reason: { code: 'NOT_OWNER', message: 'disk a belongs to vm:1, not to nobody' },
    });
    await expect(api.removeDisk({ id: 'a', owner: null })).rejects.toMatchObject({ code: 'NOT_OWNER' });
    await api.removeDisk({ id: 'a', owner: 'vm:1' });
    expect(await api.listDisks()).toEqual([]);
  });

  test('is checked where it comes in', async () => {
    const { folder } = await serviceIn();
    const client = connectDiskService(join(folder, 'control.sock'));
    onCleanup(() => client.disconnect());
    for (const owner of ['vm', 'VM:1', 'vm:', 'vm:../x', 'vm:a b', ':1', `vm:${'x'.repeat(65)}`, 'vm:1\n']) {
      const made = client.createDisk({
        id: 'a',
        name: 'a',
        source: { from: 'blank', sizeBytes: MIB },
        owner: owner as 'a:b',
      });
      await expect(made).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(await client.listDisks()).toEqual([]);
  });

  test('is nobody for records of older versions, which load', async () => {
    const folder = tempFolder();
    const { api, running } = await serviceIn(folder);
    await blank(api, 'a', 'vm:1');
    await api.createImage({ id: 'i', name: 'i', sizeBytes: MIB, owner: 'vm:1' });
    await done(api, api.snapshotDisks({ ids: ['a'], name: 'one', owner: 'vm:1' }));
    await running.close();
    for (const path of ['disks/a/disk.json', 'images/i.json']) {
      const file = join(folder, 'storage', path);
      const old = readFileSync(file, 'utf8').replaceAll(/ *"(owner|operationId)": "[^"]*",\n/g, '');
      expect(old).not.toContain('owner');
      writeFileSync(file, old);
    }
    const { api: again } = await serviceIn(folder);
    expect(await again.listDisks({ owner: null })).toMatchObject([
      { id: 'a', owner: null, snapshots: [{ name: 'one', owner: null, operationId: null }] },
    ]);
    expect(await again.listImages({ owner: null })).toMatchObject([{ id: 'i', owner: null }]);
  });
});
