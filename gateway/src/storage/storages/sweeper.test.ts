/** The sweeper against a real disk service: it finds, it says so, and it removes only what is named and an orphan still. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Storage } from '../../../api/storage.ts';
import { TestStorages } from '../testing/storages.ts';

let at: TestStorages;
beforeEach(async () => {
  at = new TestStorages();
  await at.open();
});
afterEach(() => at.close());

const blank = { from: 'blank', sizeBytes: 1 << 20 } as const;
const ids = async (): Promise<string[]> => (await at.library.list('disk')).items.map(({ id }) => id);

// This is what a kill between making a disk and writing its VM's row left behind.
test('a disk whose VM was never written is found, said, and removed only when it is named', async () => {
  await at.disks.create('orphan', 'Orphan', blank, 'vm:never');
  await at.client('main').createDisk({ id: 'mine', name: 'A person’s', source: blank });
  const said = at.next((event) => {
    const { orphanCount } = (event.data ?? {}) as Partial<Storage>;
    return event.topic === 'storage' && orphanCount === 1 ? true : undefined;
  });
  at.sweeper.start();
  await said;
  expect(await ids()).toEqual(expect.arrayContaining(['orphan', 'mine']));
  expect(await at.sweeper.look('main')).toMatchObject([
    { diskId: 'orphan', snapshotId: null, owner: 'vm:never', remedy: 'remove' },
  ]);
  const named = ['orphan', 'mine'].map((diskId) => ({ diskId, snapshotId: null }));
  const { swept, kept } = await at.sweeper.sweep('main', named);
  expect(swept.map(({ diskId }) => diskId)).toEqual(['orphan']);
  expect(kept).toEqual([{ diskId: 'mine', snapshotId: null, why: 'it is no orphan' }]);
  expect(await ids()).toEqual(['mine']);
  expect(at.storages.get('main').orphanCount).toBe(0);
  at.sweeper.close();
});

test('a disk that its VM does not have any more is set free, not removed', async () => {
  const now = Date.now();
  const host = { id: 'h', name: 'h', kind: 'fake', config: '{}', maintenance: 0, revision: 1, created_at: now };
  await at.store.db.insertInto('hosts').values(host).execute();
  const vm = { id: 'v', name: 'v', description: '', hostId: 'h', wanted: 'stopped' } as const;
  await at.vms.add({ ...vm, hardware: {} as never, cdImageId: null, sessionRules: {} as never }, []);
  await at.disks.create('stray', 'Stray', blank, 'vm:v');
  const { swept } = await at.sweeper.sweep('main', [{ diskId: 'stray', snapshotId: null }]);
  expect(swept).toMatchObject([{ diskId: 'stray', remedy: 'release' }]);
  expect(await at.library.get('stray')).toMatchObject({ owner: null });
});

// Guards against `removeDisk` that names no owner.
test('a disk that got an owner after it was looked for stays', async () => {
  await at.disks.create('orphan', 'Orphan', blank, 'vm:never');
  const look = at.sweeper.look.bind(at.sweeper);
  at.sweeper.look = async (storageId) => {
    const found = await look(storageId);
    await at.client('main').setDiskOwner({ id: 'orphan', owner: 'job:backup' });
    return found;
  };
  const { swept, kept } = await at.sweeper.sweep('main', [{ diskId: 'orphan', snapshotId: null }]);
  expect(swept).toEqual([]);
  expect(kept).toMatchObject([{ diskId: 'orphan' }]);
  expect(await ids()).toEqual(['orphan']);
});

test('what work under way is about is no orphan, though it has no row yet', async () => {
  await at.disks.create('coming', 'Coming', blank, 'vm:new');
  const task = { id: 't', kind: 'vm.create', title: 't', target_type: 'vm', target_id: 'new', step: '', payload: '{}' };
  const none = {
    progress: null,
    started_by: null,
    error_code: null,
    error_message: null,
    result: null,
    ended_at: null,
  };
  await at.tasks.add({ ...task, ...none, state: 'running', can_cancel: 1, cancelling: 0, created_at: 1 });
  expect(await at.sweeper.look('main')).toEqual([]);
  await at.tasks.set('t', { state: 'failed' });
  expect(await at.sweeper.look('main')).toMatchObject([{ diskId: 'coming' }]);
});
