/** Real VMs on the service: what a guest flushed is there, whatever happens to the service meanwhile. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectNbd, openChain, type TaskInfo } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { JOURNAL, missingRecords, startJournalGuest } from './qemu.ts';
import { type ServiceProcess, serviceProcess } from './service-process.ts';
import { DEPTH, MIB, seeded } from './setup.ts';

const SIZE = 16 * MIB;

async function clone(service: ServiceProcess, name: string): Promise<string> {
  const { client } = service;
  const image = await client.createImage({ name: 'base', sizeBytes: SIZE });
  await client.sealImage({ id: image.id });
  return (await client.createDisk({ name, source: { from: 'image', imageId: image.id } })).id;
}

async function journalOnDisk(service: ServiceProcess, id: string): Promise<Buffer> {
  const disk = await service.client.getDisk({ id });
  expect(disk.state.state).toBe('closed');
  const record = JSON.parse(readFileSync(join(service.storage, 'disks', id, 'disk.json'), 'utf8')) as {
    links: string[];
  };
  const leaf = join(service.storage, 'disks', id, record.links.at(-1) ?? '');
  const chain = await openChain(leaf, { policy: { folders: [service.storage] } });
  const bytes = Buffer.alloc(JOURNAL.sectors * 512);
  await chain.read(bytes, JOURNAL.first * 512);
  await chain.close();
  return bytes;
}

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('a VM that writes a journal', () => {
  test('FLUSHED-IS-SAFE: goes on through snapshots, folds, kills and restarts of the service, and loses nothing', async () => {
    const service = await serviceProcess();
    const id = await clone(service, 'vm');
    const { imageId } = await service.client.getDisk({ id });
    const template = join(service.storage, 'images', `${imageId}.vhd`);
    const before = hashOf(template);
    const { uri } = await service.client.openDisk({ id });
    const guest = await startJournalGuest(uri, { reconnectSeconds: 60 });
    await guest.more(20);
    const random = seeded(20260101);
    for (let round = 0; round < 6 * DEPTH; round++) {
      const { client } = service;
      const { snapshots } = await client.getDisk({ id });
      const oldest = snapshots[0];
      let change: Promise<TaskInfo>;
      if (oldest === undefined || snapshots.length < 2)
        change = client.snapshotDisks({ ids: [id], name: `round ${round}` });
      else if (random.int(2) === 0) change = client.removeSnapshot({ id, snapshotId: oldest.id });
      else change = client.commitLeaf({ id });
      if (random.int(2) === 0) {
        // The change is cut off wherever it is.
        change.catch(() => undefined);
        await guest.more(random.int(4));
        await service.kill();
        await service.start();
      } else {
        await client.waitForTask((await change).id);
      }
      while ((await service.client.health()).runningTasks !== 0) await guest.more(1);
      await guest.more(15);
    }
    await guest.quit();
    expect(guest.errors).toBe(0);
    expect(guest.events).not.toContain('BLOCK_IO_ERROR');
    await service.client.closeDisk({ id });
    expect(missingRecords(await journalOnDisk(service, id), guest.records)).toEqual([]);
    expect(hashOf(template)).toBe(before);
  });

  test('ONE-WRITER: a second QEMU takes the disk, the first one writes nothing any more', async () => {
    const service = await serviceProcess();
    const { client } = service;
    const id = await clone(service, 'vm');
    const first = await client.openDisk({ id });
    const older = await startJournalGuest(first.uri, { reconnectSeconds: 0 });
    await older.more(20);
    const second = await client.openDisk({ id });
    const written = (await client.diskStats({ id })).writes;
    expect(second.lease).toBe(first.lease + 1);
    const acknowledged = older.records.length;
    await older.event('STOP'); // Its write failed, and werror=stop holds it.
    expect(written).toBe(0);
    expect((await client.diskStats({ id })).writes).toBe(0);
    const newer = await startJournalGuest(second.uri, { reconnectSeconds: 0 });
    await newer.more(30);
    await older.qmp('cont'); // It tries again, and must fail again.
    await newer.more(30);
    // One line that was on its way when the lease changed may still come in.
    expect(older.records.length).toBeLessThanOrEqual(acknowledged + 1);
    await expect(connectNbd(first.uri)).rejects.toMatchObject({ code: 'NBD_REFUSED' });
    await expect(client.closeDisk({ id, lease: first.lease })).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await older.quit();
    await newer.quit();
    await client.closeDisk({ id, lease: second.lease });
    expect(missingRecords(await journalOnDisk(service, id), newer.records)).toEqual([]);
  });

  test('a disk that grows under a running VM: QEMU comes back to it, and takes the size by block_resize', async () => {
    const service = await serviceProcess();
    const { client } = service;
    const id = await clone(service, 'grows');
    const { uri } = await client.openDisk({ id });
    const guest = await startJournalGuest(uri, { reconnectSeconds: 60 });
    await guest.more(20);
    const sizeSeen = async (): Promise<unknown> => {
      const nodes = (await guest.qmp('query-named-block-nodes')) as { image: Record<string, unknown> }[];
      return nodes.find((node) => node.image['format'] === 'nbd')?.image['virtual-size'];
    };
    const resize = () => guest.qmp('block_resize', { 'node-name': 'disk', size: 2 * SIZE });
    expect(await resize()).toMatchObject({ desc: expect.stringContaining('Cannot grow') as string });
    await client.waitForTask((await client.growDisk({ id, sizeBytes: 2 * SIZE })).id);
    await guest.more(20); // Its next request brings QEMU back, with the new size in the handshake.
    expect(await sizeSeen()).toBe(SIZE);
    expect(await resize()).toEqual({});
    expect(await sizeSeen()).toBe(2 * SIZE);
    await guest.more(20);
    const write = `qemu-io -d /machine/peripheral/vda/virtio-backend "write -P 0x5a ${2 * SIZE - 512} 512"`;
    await guest.qmp('human-monitor-command', { 'command-line': write });
    await guest.quit();
    expect(guest.errors).toBe(0);
    expect(guest.events).not.toContain('BLOCK_IO_ERROR');
    const reader = await connectNbd(uri);
    const last = Buffer.alloc(512);
    await reader.read(last, 2 * SIZE - 512);
    await reader.close();
    expect(last.equals(Buffer.alloc(512, 0x5a))).toBe(true);
    await client.closeDisk({ id });
    expect(missingRecords(await journalOnDisk(service, id), guest.records)).toEqual([]);
  });

  test('a full storage pauses the guest, says why, and lets it go on once there is space', async () => {
    const service = await serviceProcess();
    const { client } = service;
    const id = await clone(service, 'full');
    const other = await clone(service, 'other');
    const { uri } = await client.openDisk({ id });
    const unharmed = await connectNbd((await client.openDisk({ id: other })).uri);
    await unharmed.write(Buffer.alloc(4096, 1), 0);
    // No file of the service may grow beyond this: as on a file system that is full, with EFBIG in place of ENOSPC.
    const limit = (bytes: string): void =>
      void execFileSync('prlimit', [`--fsize=${bytes}`, '--pid', String(service.pid)]);
    limit('65536:unlimited');
    const guest = await startJournalGuest(uri, { reconnectSeconds: 0 });
    await guest.event('STOP');
    expect(guest.events).toContain('BLOCK_IO_ERROR');
    const { state } = await client.getDisk({ id });
    expect(state).toMatchObject({ state: 'faulted', fault: { code: 'NO_SPACE' } });
    const bytes = Buffer.alloc(4096);
    await unharmed.read(bytes, 0);
    expect(bytes[0]).toBe(1);
    expect((await client.getDisk({ id: other })).state.state).toBe('open');
    limit('unlimited:unlimited');
    await guest.qmp('cont');
    await guest.more(20);
    expect((await client.getDisk({ id })).state.state).toBe('open');
    await guest.quit();
    await unharmed.close();
    await client.closeDisk({ id });
    expect(guest.errors).toBe(0);
    expect(missingRecords(await journalOnDisk(service, id), guest.records)).toEqual([]);
  });
});
