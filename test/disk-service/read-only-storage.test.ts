/** A storage folder that is read-only, or becomes so under running VMs: a clear state, no crash, and all well afterwards. */
import { join } from 'node:path';
import { connectNbd, type RunningDiskService, runDiskService } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { JOURNAL, missingRecords, startJournalGuest } from './qemu.ts';
import { serviceProcess } from './service-process.ts';
import { done, MIB, onCleanup, tempFolder } from './setup.ts';
import { failingStorage, type SmallStorage, smallStorage } from './small-storage.ts';

interface OnSmall {
  readonly small: SmallStorage;
  readonly start: () => Promise<RunningDiskService>;
}

function onSmallStorage(): OnSmall {
  const small = smallStorage(32 * MIB);
  const folder = tempFolder();
  return {
    small,
    start: async () => {
      const running = await runDiskService({
        storage: join(small.folder, 'storage'),
        socketPath: join(folder, 'control.sock'),
        runFolder: join(folder, 'run'),
        threads: 0,
      });
      onCleanup(() => running.close());
      return running;
    },
  };
}

describe('a storage folder that becomes read-only', () => {
  test('by the admin: images are read, every change is refused with the reason, and all works when it is writable', async () => {
    const { small, start } = onSmallStorage();
    const running = await start();
    const api = running.service;
    await api.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: 8 * MIB } });
    await api.createImage({ id: 'base', name: 'base', sizeBytes: MIB });
    const { uri } = await api.openDisk({ id: 'a' });
    const client = await connectNbd(uri);
    onCleanup(() => client.close());
    await client.write(Buffer.alloc(4096, 1), 0);
    await client.flush();
    await api.closeDisk({ id: 'a' }); // An admin cannot make a file system read-only while a file is open for writing.
    small.setReadOnly(true);
    expect(await api.health()).toMatchObject({ openDisks: 0 });
    expect((await api.getDisk({ id: 'a' })).state.state).toBe('closed');
    await expect(api.openDisk({ id: 'a' })).rejects.toMatchObject({ code: 'READ_ONLY' });
    for (const change of [
      () => api.createDisk({ id: 'b', name: 'b', source: { from: 'blank', sizeBytes: MIB } }),
      () => api.createImage({ id: 'c', name: 'c', sizeBytes: MIB }),
      () => api.removeDisk({ id: 'a' }),
      () => api.removeImage({ id: 'base' }),
      () => api.snapshotDisks({ ids: ['a'], name: 's' }),
      () => api.growDisk({ id: 'a', sizeBytes: 16 * MIB }),
    ])
      await expect((async () => change())()).rejects.toMatchObject({ code: 'READ_ONLY' });
    // Images are read as ever.
    const reader = await connectNbd((await api.openImage({ id: 'base' })).uri);
    await reader.read(Buffer.alloc(4096), 0);
    await reader.close();
    await api.closeImage({ id: 'base' });
    small.setReadOnly(false);
    const again = await connectNbd((await api.openDisk({ id: 'a' })).uri);
    onCleanup(() => again.close());
    const bytes = Buffer.alloc(4096);
    await again.read(bytes, 0);
    expect(bytes.equals(Buffer.alloc(4096, 1))).toBe(true);
    await done(api, api.snapshotDisks({ ids: ['a'], name: 's' }));
    expect((await api.listDisks()).map(({ id }) => id)).toEqual(['a']);
    expect((await api.listImages()).map(({ id }) => id)).toEqual(['base']);
  });

  test('by itself, under a VM that writes: the VM is paused and the disk says why; mended, the VM goes on', async () => {
    const storage = failingStorage();
    const folder = tempFolder();
    const service = await serviceProcess(folder, join(storage.folder, 'storage'));
    await service.client.createDisk({ id: 'vm', name: 'vm', source: { from: 'blank', sizeBytes: 8 * MIB } });
    const { uri } = await service.client.openDisk({ id: 'vm' });
    const guest = await startJournalGuest(uri, { reconnectSeconds: 60 });
    await guest.more(20);
    storage.fail();
    await guest.event('STOP');
    expect(guest.ioErrors[0]).toMatchObject({ operation: 'write', action: 'stop' });
    expect((await service.client.getDisk({ id: 'vm' })).state).toMatchObject({
      state: 'faulted',
      fault: { code: expect.stringMatching(/^(READ_ONLY|IO)$/) as string },
    });
    const reader = await connectNbd(uri);
    const seen = Buffer.alloc(512);
    await reader.read(seen, JOURNAL.first * 512);
    await reader.close();
    expect(service.log()).toContain('disk.fault');
    await service.kill();
    storage.mend();
    await service.start();
    await guest.qmp('cont');
    await guest.more(20);
    expect((await service.client.getDisk({ id: 'vm' })).state.state).toBe('open');
    await guest.quit();
    expect(guest.errors).toBe(0);
    const after = await connectNbd(uri);
    const journal = Buffer.alloc(JOURNAL.sectors * 512);
    await after.read(journal, JOURNAL.first * 512);
    await after.close();
    expect(missingRecords(journal, guest.records)).toEqual([]);
  });

  test('at a start: refused with the reason, nothing is harmed, and the next start serves what was open', async () => {
    const { small, start } = onSmallStorage();
    const first = await start();
    await first.service.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: 8 * MIB } });
    const { uri } = await first.service.openDisk({ id: 'a' });
    const client = await connectNbd(uri);
    await client.write(Buffer.alloc(4096, 2), 0);
    await client.flush();
    await client.close();
    await first.close();
    small.setReadOnly(true);
    await expect(start()).rejects.toMatchObject({ code: 'READ_ONLY' });
    small.setReadOnly(false);
    await start();
    const again = await connectNbd(uri);
    const bytes = Buffer.alloc(4096);
    await again.read(bytes, 0);
    await again.close();
    expect(bytes.equals(Buffer.alloc(4096, 2))).toBe(true);
  });

  test('under a killed service: the next start says why it does not, and the VM goes on after the one that does', async () => {
    const small = smallStorage(32 * MIB);
    const folder = tempFolder();
    const service = await serviceProcess(folder, join(small.folder, 'storage'));
    await service.client.createDisk({ id: 'vm', name: 'vm', source: { from: 'blank', sizeBytes: 8 * MIB } });
    const { uri } = await service.client.openDisk({ id: 'vm' });
    const guest = await startJournalGuest(uri, { reconnectSeconds: 60 });
    await guest.more(20);
    await service.kill();
    small.setReadOnly(true);
    await expect(service.start()).rejects.toMatchObject({
      code: 'SERVICE',
      message: expect.stringContaining('READ_ONLY') as string,
    });
    small.setReadOnly(false);
    await service.start();
    await guest.more(20);
    await guest.quit();
    expect(guest.errors).toBe(0);
    expect(guest.events).not.toContain('BLOCK_IO_ERROR');
    const reader = await connectNbd(uri);
    const journal = Buffer.alloc(JOURNAL.sectors * 512);
    await reader.read(journal, JOURNAL.first * 512);
    await reader.close();
    expect(missingRecords(journal, guest.records)).toEqual([]);
  });
});
