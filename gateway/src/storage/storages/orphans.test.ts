/** What belongs to nobody: every kind of owner against everything that can be said of them. */
import type { DiskInfo, DiskState } from '@oriel/vhd';
import { expect, test } from 'vitest';
import { type Claims, orphansOf } from './orphans.ts';

const claims: Claims = {
  vmIds: new Set(['here']),
  holders: new Map([['held', 'here']]),
  underWay: new Set(['vm:coming']),
};
const open = { state: 'open' } as unknown as DiskState;
const disk = (id: string, owner: string | null, more: Partial<DiskInfo> = {}): DiskInfo =>
  ({
    id,
    name: id,
    owner,
    storedBytes: 7,
    createdAt: '2026-01-01T00:00:00Z',
    snapshots: [],
    state: { state: 'closed' },
    ...more,
  }) as DiskInfo;
const snapshot = (owner: string | null) =>
  [
    {
      id: 's',
      name: 's',
      description: '',
      owner,
      operationId: null,
      storedBytes: 1,
      createdAt: '2026-01-01T00:00:00Z',
    },
  ] as DiskInfo['snapshots'];

test.for<{ it: string; disk: DiskInfo; found: 'remove' | 'release' | undefined }>([
  { it: 'of nobody', disk: disk('free', null), found: undefined },
  { it: 'that a VM has', disk: disk('held', 'vm:here'), found: undefined },
  { it: 'that a VM has, whoever it was made for', disk: disk('held', 'vm:gone'), found: undefined },
  { it: 'of a VM that is not there', disk: disk('a', 'vm:gone'), found: 'remove' },
  { it: 'of a VM that is just being made', disk: disk('a', 'vm:coming'), found: undefined },
  { it: 'of a VM that is there and does not have it', disk: disk('a', 'vm:here'), found: 'release' },
  { it: 'that is open, of a VM that is not there', disk: disk('a', 'vm:gone', { state: open }), found: undefined },
  { it: 'of a job, which another part of the gateway knows', disk: disk('a', 'job:gone'), found: undefined },
  { it: 'of a pool', disk: disk('a', 'pool:gone'), found: undefined },
])('a disk $it', ({ disk: one, found }) => {
  expect(orphansOf([one], claims).map(({ remedy }) => remedy)).toEqual(found === undefined ? [] : [found]);
});

test.for<{ it: string; owner: string | null; found: boolean }>([
  { it: 'of nobody', owner: null, found: false },
  { it: 'of a VM that is there', owner: 'vm:here', found: false },
  { it: 'of a VM that is not', owner: 'vm:gone', found: true },
  { it: 'of a VM that is being made', owner: 'vm:coming', found: false },
  { it: 'of a job', owner: 'job:nightly', found: false },
])('a snapshot $it, on a disk that is somebody’s', ({ owner, found }) => {
  const orphans = orphansOf([disk('held', 'vm:here', { snapshots: snapshot(owner) })], claims);
  expect(orphans.map(({ snapshotId, remedy }) => [snapshotId, remedy])).toEqual(found ? [['s', 'release']] : []);
});
