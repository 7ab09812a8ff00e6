/** Disks of VMs in a real disk service: made once, owned by one, let go of without loss. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestStorages } from '../testing/storages.ts';

let at: TestStorages;
beforeEach(async () => {
  at = new TestStorages();
  await at.open();
});
afterEach(() => at.close());

const blank = { from: 'blank', sizeBytes: 1 << 20 } as const;
const ownerOf = async (id: string): Promise<string | null> => (await at.client('main').getDisk({ id })).owner;

// Guards against a disk of another's that is taken for one's own.
test('making a disk again is no change, and the disk of another stays that one’s', async () => {
  await at.disks.create('desk', 'desk', blank, 'vm:a');
  await at.disks.create('desk', 'desk', blank, 'vm:a');
  await expect(at.disks.create('desk', 'desk', blank, 'vm:b')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(await ownerOf('desk')).toBe('vm:a');
});

test('of two who take a free disk one gets it', async () => {
  await at.client('main').createDisk({ id: 'free', name: 'free', source: blank });
  const both = await Promise.allSettled([at.disks.own('free', 'vm:a'), at.disks.own('free', 'vm:b')]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const owner = (await ownerOf('free')) as `vm:${string}`;
  await at.disks.own('free', owner);
  await expect(at.disks.own('free', 'job:backup')).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('letting go, removing and closing are done once and said twice', async () => {
  await at.disks.create('desk', 'desk', blank, 'vm:a');
  await at.disks.disown('desk', 'vm:b');
  expect(await ownerOf('desk')).toBe('vm:a');
  await expect(at.disks.remove('desk', 'vm:b')).rejects.toMatchObject({ code: 'CONFLICT' });
  await at.disks.disown('desk', 'vm:a');
  await at.disks.disown('desk', 'vm:a');
  expect(await ownerOf('desk')).toBeNull();
  await at.disks.remove('desk', 'vm:a');
  for (const verb of ['release', 'remove', 'disown'] as const) await at.disks[verb]('desk', 'vm:a');
});

test('a disk is served afresh with another address, and kept with the one it has', async () => {
  await at.disks.create('desk', 'desk', blank, 'vm:a');
  const first = await at.disks.serve('desk', { fresh: true });
  expect(await at.disks.serve('desk', { fresh: false })).toBe(first);
  expect(await at.disks.serve('desk', { fresh: true })).not.toBe(first);
  await expect(at.disks.remove('desk', 'vm:a')).rejects.toMatchObject({ code: 'CONFLICT' });
  await at.disks.release('desk');
});

test.for(['../etc/passwd', 'no.iso', '', '.hidden', 'a\0b'])('the disc %j is none of the folder', async (name) => {
  await expect(at.disks.cdUri(name)).rejects.toMatchObject({ code: 'UNPROCESSABLE' });
});

test('a disc is a file of the folder', async () => {
  writeFileSync(path.join(at.folder, 'net inst.iso'), '');
  expect(await at.disks.cdUri('net inst.iso')).toBe(`file://${at.folder}/net%20inst.iso`);
});
