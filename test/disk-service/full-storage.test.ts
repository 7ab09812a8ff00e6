/** A storage that is really full: what guests are told, what the admin sees, and that all is well when there is space. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectNbd, type DiskServiceApi, runDiskService } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { JOURNAL, missingRecords, startJournalGuest } from './qemu.ts';
import { serviceProcess } from './service-process.ts';
import { clientOf, done, MIB, onCleanup, type TestService, tempFolder } from './setup.ts';
import { type SmallStorage, smallStorage } from './small-storage.ts';

const run = promisify(execFile);

/** A service in this process, on a file system of its own of `bytes`. */
async function serviceOn(bytes: number): Promise<TestService & { readonly small: SmallStorage }> {
  const small = smallStorage(bytes);
  const folder = tempFolder();
  const log: TestService['log'] = [];
  const running = await runDiskService({
    storage: join(small.folder, 'storage'),
    socketPath: join(folder, 'control.sock'),
    runFolder: join(folder, 'run'),
    threads: 0,
    log: (event, fields) => void log.push({ event, fields }),
  });
  onCleanup(() => running.close());
  return { api: running.service, folder, running, log, small };
}

const blank = (api: DiskServiceApi, id: string, sizeBytes: number) =>
  api.createDisk({ id, name: id, source: { from: 'blank', sizeBytes } });

describe('a full file system', () => {
  test('pauses a VM with the reason on its disk, and lets it go on with all of its data once there is space', async () => {
    const small = smallStorage(12 * MIB);
    const service = await serviceProcess(tempFolder(), join(small.folder, 'storage'));
    const { client } = service;
    const disk = await client.createDisk({ id: 'vm', name: 'vm', source: { from: 'blank', sizeBytes: 16 * MIB } });
    await client.createDisk({ id: 'other', name: 'other', source: { from: 'blank', sizeBytes: 16 * MIB } });
    const other = await connectNbd((await client.openDisk({ id: 'other' })).uri);
    onCleanup(() => other.close());
    await other.write(Buffer.alloc(4096, 1), 0);
    await other.flush();
    const { uri } = await client.openDisk({ id: disk.id });
    small.fill();
    const guest = await startJournalGuest(uri, { reconnectSeconds: 0 });
    await guest.event('STOP'); // Its first write already needs a block.
    expect(guest.events).toContain('BLOCK_IO_ERROR');
    expect(guest.ioErrors[0]).toMatchObject({ operation: 'write', action: 'stop', nospace: true });
    expect((await client.getDisk({ id: 'vm' })).state).toMatchObject({
      state: 'faulted',
      fault: { code: 'NO_SPACE', message: expect.stringContaining('0001.vhd') as string },
    });
    expect(await client.health()).toMatchObject({ freeBytes: 0 });
    // The other disk has its blocks: it goes on as if nothing were.
    await other.write(Buffer.alloc(4096, 2), 0);
    await other.flush();
    expect((await client.getDisk({ id: 'other' })).state.state).toBe('open');
    await guest.qmp('cont'); // Still no space: it stops again.
    await guest.stops(2);
    expect(guest.records).toEqual([]);
    small.free();
    await guest.qmp('cont');
    await guest.more(30);
    expect((await client.getDisk({ id: 'vm' })).state.state).toBe('open');
    small.fill(); // Full again in the middle of its work.
    await guest.stops(3);
    small.free();
    await guest.qmp('cont');
    await guest.more(30);
    await guest.quit();
    expect(guest.errors).toBe(0);
    const reader = await connectNbd(uri);
    const journal = Buffer.alloc(JOURNAL.sectors * 512);
    await reader.read(journal, JOURNAL.first * 512);
    await reader.close();
    expect(missingRecords(journal, guest.records)).toEqual([]);
    const bytes = Buffer.alloc(4096);
    await other.read(bytes, 0);
    expect(bytes.equals(Buffer.alloc(4096, 2))).toBe(true);
  });

  test('is ENOSPC for every kind of client, on writes that need space and on no other request', async () => {
    const { api, small, log } = await serviceOn(16 * MIB);
    await blank(api, 'a', 64 * MIB);
    const { uri } = await api.openDisk({ id: 'a' });
    const client = await clientOf(uri);
    await client.write(Buffer.alloc(64 << 10, 1), 0);
    await client.flush();
    small.fill();
    const script = `
for offset in (0, 32 << 20):
    try:
        h.pwrite(b"x" * 4096, offset)
        print("written")
    except nbd.Error as e:
        print(e.errno)
h.flush()
print(h.pread(4, 0) == b"xxxx", h.pread(4, 32 << 20) == bytes(4))
h.trim(4096, 4096)
h.zero(4096, 48 << 20)
`;
    const { stdout } = await run('/usr/bin/python3', ['-m', 'nbd', '--uri', uri, '-c', script]);
    expect(stdout.trim().split('\n')).toEqual(['written', 'ENOSPC', 'True True']);
    const io = await run('qemu-io', ['-f', 'raw', '-c', 'write -P 9 40M 4096', uri]).catch((error: unknown) => error);
    expect(String((io as { stdout: string; stderr: string }).stdout)).toContain('No space left on device');
    expect((await api.getDisk({ id: 'a' })).state).toMatchObject({ state: 'faulted', fault: { code: 'NO_SPACE' } });
    small.free();
    // Others succeed, but who waits for the failed one still does.
    await client.write(Buffer.alloc(4096, 2), 32 * MIB);
    expect((await api.getDisk({ id: 'a' })).state.state).toBe('faulted');
    await client.write(Buffer.alloc(4096, 2), 40 * MIB);
    await client.flush();
    expect((await api.getDisk({ id: 'a' })).state.state).toBe('open');
    expect(log.map(({ event }) => event)).toEqual(['disk.fault', 'disk.recovered']);
    await api.closeDisk({ id: 'a' });
    expect((await done(api, api.checkDisk({ id: 'a' }))).result).toEqual({ findings: [], isLeafChecked: true });
  });

  test('fails changes of a chain with NO_SPACE and leaves the disk as it was; each works once there is space', async () => {
    const { api, small } = await serviceOn(24 * MIB);
    await api.createImage({ id: 'base', name: 'base', sizeBytes: 16 * MIB });
    await api.createDisk({ id: 'a', name: 'a', source: { from: 'image', imageId: 'base' } });
    const { uri } = await api.openDisk({ id: 'a' });
    const client = await clientOf(uri);
    const model = Buffer.alloc(16 * MIB);
    const write = async (fill: number, at: number): Promise<void> => {
      await client.write(Buffer.alloc(100_000, fill), at);
      model.fill(fill, at, at + 100_000);
    };
    await write(1, 0);
    const first = await done(api, api.snapshotDisks({ ids: ['a'], name: 'first' }));
    const firstId = (first.result?.['snapshots'] as Record<string, string> | undefined)?.['a'] ?? '';
    await write(2, 3 * MIB);
    const second = await done(api, api.snapshotDisks({ ids: ['a'], name: 'second' }));
    const secondId = (second.result?.['snapshots'] as Record<string, string> | undefined)?.['a'] ?? '';
    await write(3, 6 * MIB);
    const changes = {
      snapshot: () => api.snapshotDisks({ ids: ['a'], name: 'third' }),
      remove: () => api.removeSnapshot({ id: 'a', snapshotId: secondId }),
      merge: () => api.mergeDown({ id: 'a', snapshotId: secondId }),
      commit: () => api.commitLeaf({ id: 'a' }),
      discard: () => api.discardLeaf({ id: 'a' }),
      createDisk: () => blank(api, 'b', MIB),
      createImage: () => api.createImage({ id: 'c', name: 'c', sizeBytes: MIB }),
    };
    small.fill();
    for (const [name, change] of Object.entries(changes)) {
      const failure = await outcome(api, change);
      expect({ name, failure }).toEqual({ name, failure: 'NO_SPACE' });
      const all = Buffer.alloc(16 * MIB);
      await client.read(all, 0);
      expect(all.equals(model)).toBe(true);
    }
    const during = await api.getDisk({ id: 'a' });
    expect(during.snapshots.map(({ id }) => id)).toContain(secondId);
    small.free();
    await write(4, 9 * MIB);
    await client.flush();
    await done(api, api.snapshotDisks({ ids: ['a'], name: 'third' }));
    await done(api, api.removeSnapshot({ id: 'a', snapshotId: secondId }));
    for (const { id } of (await api.getDisk({ id: 'a' })).snapshots)
      if (id !== firstId) await done(api, api.mergeDown({ id: 'a', snapshotId: id }));
    const all = Buffer.alloc(16 * MIB);
    await client.read(all, 0);
    expect(all.equals(model)).toBe(true);
    await api.closeDisk({ id: 'a' });
    expect((await done(api, api.checkDisk({ id: 'a' }))).result).toMatchObject({ findings: [] });
    expect((await api.listDisks()).map(({ id }) => id)).toEqual(['a']);
  });

  test('stops no shutdown and no start: what was flushed is there', async () => {
    const small = smallStorage(12 * MIB);
    const service = await serviceProcess(tempFolder(), join(small.folder, 'storage'));
    await service.client.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: 16 * MIB } });
    const { uri } = await service.client.openDisk({ id: 'a' });
    const before = await connectNbd(uri);
    await before.write(Buffer.alloc(4096, 5), 0);
    await before.flush();
    small.fill();
    await before.write(Buffer.alloc(4096, 6), 0);
    await expect(before.write(Buffer.alloc(4096, 7), 12 * MIB)).rejects.toMatchObject({ code: 'NO_SPACE' });
    await before.flush();
    await before.close();
    await service.kill();
    await service.start();
    const after = await connectNbd(uri);
    const bytes = Buffer.alloc(12288);
    await after.read(bytes, 0);
    await after.close();
    expect(bytes.equals(Buffer.concat([Buffer.alloc(4096, 6), Buffer.alloc(8192)]))).toBe(true);
    await service.client.stop();
  });
});

/** The code that a change fails with, as a task or at once. */
async function outcome(api: DiskServiceApi, change: () => Promise<unknown>): Promise<string> {
  try {
    const answer = (await change()) as { readonly id: string; readonly kind?: string };
    if (answer.kind === undefined) return 'done';
    for (;;) {
      const task = await api.getTask({ id: answer.id });
      if (task.state !== 'running') return task.error?.code ?? task.state;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error);
  }
}
