import { expect, test } from 'vitest';
import type { Disk } from '../../../../api/disk.ts';
import { chainOf } from './chain.ts';

const disk = (id: string, parentId: string | null): Disk => ({
  id,
  storageId: 'main',
  owner: null,
  name: id,
  description: '',
  kind: 'disk',
  sizeBytes: 0,
  storedBytes: 0,
  parentId,
  ofDiskId: null,
  chainLength: 1,
  childCount: 0,
  isSealed: false,
  vm: null,
  health: { state: 'ok' },
  createdAt: '2026-01-01T00:00:00Z',
});
const ids = (disks: readonly Disk[]) => disks.map((each) => each.id);

test('a chain runs from the root to the leaf', () => {
  const all = [disk('root', null), disk('mid', 'root'), disk('leaf', 'mid'), disk('other', 'root')];
  expect(ids(chainOf(all[2] as Disk, all))).toEqual(['root', 'mid', 'leaf']);
});

test('a parent that is not known ends the chain', () => {
  expect(ids(chainOf(disk('leaf', 'gone'), []))).toEqual(['leaf']);
});

test('a loop ends it too', () => {
  const all = [disk('a', 'b'), disk('b', 'a')];
  expect(ids(chainOf(all[0] as Disk, all))).toEqual(['b', 'a']);
});
