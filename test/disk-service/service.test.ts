/** The verbs of the service, its leases and limits, and what it says when the storage is not as it should be. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { connectDiskService, connectNbd, type DiskServiceApi, type ExportedFile, runDiskService } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { clientOf, done, MIB, serviceIn, tempFolder } from './setup.ts';

const blank = (api: DiskServiceApi, id: string, sizeBytes: number = 8 * MIB) =>
  api.createDisk({ id, name: id, source: { from: 'blank', sizeBytes } });

describe('one process owns a storage folder', () => {
  test('a second service is refused and told who serves; a restart serves what was open under the same address', async () => {
    const folder = tempFolder();
    const { api, running } = await serviceIn(folder);
    await blank(api, 'a');
    const served = await api.openDisk({ id: 'a' });
    const client = await clientOf(served.uri);
    await client.write(Buffer.alloc(4096, 7), 4096);
    await client.flush();
    const second = {
      storage: join(folder, 'storage'),
      socketPath: join(folder, 'other.sock'),
      runFolder: join(folder, 'run2'),
      threads: 0,
    };
    await expect(runDiskService(second)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(String(process.pid)) as string,
    });
    await running.close();
    const again = await serviceIn(folder);
    const bytes = Buffer.alloc(4096);
    await (await clientOf(served.uri)).read(bytes, 4096);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    expect((await again.api.getDisk({ id: 'a' })).state).toMatchObject({
      state: 'open',
      export: { lease: served.lease },
    });
  });

  test('the sockets are for their owner only', async () => {
    const { api, folder } = await serviceIn();
    await blank(api, 'a');
    const { socketPath } = await api.openDisk({ id: 'a' });
    for (const path of [socketPath, join(folder, 'control.sock')]) expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
  });
});

describe('the control API', () => {
  test('a client has every verb, and errors keep their codes', async () => {
    const { folder } = await serviceIn();
    const client = connectDiskService(join(folder, 'control.sock'));
    const made = await client.createDisk({ name: 'Web server (old)', source: { from: 'blank', sizeBytes: MIB } });
    expect(made.id).toMatch(/^web-server-old-[0-9a-f]{8}$/);
    expect((await client.listDisks()).map(({ id }) => id)).toEqual([made.id]);
    await expect(client.getDisk({ id: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      client.createDisk({ id: made.id, name: 'x', source: { from: 'blank', sizeBytes: MIB } }),
    ).rejects.toMatchObject({ code: 'EXISTS' });
    expect(await client.health()).toMatchObject({ pid: process.pid, openDisks: 0, runningTasks: 0 });
    client.disconnect();
  });

  test.for([
    { it: 'an unknown verb', path: '/v1/eval', body: '{}', status: 400 },
    { it: 'a property of every object', path: '/v1/constructor', body: '{}', status: 400 },
    { it: 'another version', path: '/v2/health', body: '', status: 500 },
    { it: 'no JSON', path: '/v1/getDisk', body: '{', status: 400 },
    { it: 'a list', path: '/v1/getDisk', body: '[]', status: 400 },
    { it: 'an id that is a path', path: '/v1/getDisk', body: '{"id":"../x"}', status: 400 },
    { it: 'an id of another type', path: '/v1/getDisk', body: '{"id":{}}', status: 400 },
    { it: 'a size that is none', path: '/v1/createImage', body: '{"name":"a","sizeBytes":-1}', status: 400 },
    { it: 'a source that is none', path: '/v1/createDisk', body: '{"name":"a","source":{"from":"air"}}', status: 400 },
    {
      it: 'a relative path',
      path: '/v1/createDisk',
      body: '{"name":"a","source":{"from":"file","path":"x.vhd"}}',
      status: 400,
    },
    { it: 'a body that never ends', path: '/v1/getDisk', body: ' '.repeat(300 << 10), status: 413 },
  ])('$it is status $status', async ({ path, body, status }) => {
    const { folder } = await serviceIn();
    const got = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(
        { socketPath: join(folder, 'control.sock'), method: 'POST', path, agent: false },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.on('error', reject);
      sent.on('socket', (socket) => socket.on('error', () => {})); // The service may hang up on a body that is too long.
      sent.end(body);
    });
    expect(got).toBe(status);
  });

  test('what nothing may depend on is kept: images with clones, open disks', async () => {
    const { api } = await serviceIn();
    await api.createImage({ id: 'base', name: 'base', sizeBytes: MIB });
    await api.createDisk({ id: 'a', name: 'a', source: { from: 'image', imageId: 'base' } });
    await expect(api.removeImage({ id: 'base' })).rejects.toMatchObject({ code: 'HAS_CHILDREN' });
    expect(await api.getImage({ id: 'base' })).toMatchObject({ isSealed: true, childCount: 1 });
    await api.openDisk({ id: 'a' });
    await expect(api.removeDisk({ id: 'a' })).rejects.toMatchObject({ code: 'LOCKED' });
    await api.closeDisk({ id: 'a' });
    await api.removeDisk({ id: 'a' });
    await api.removeImage({ id: 'base' });
    expect(await api.listImages()).toEqual([]);
  });

  test('an import takes qcow2 as it takes VHD and raw, and leaves nothing behind when it is no image', async () => {
    const { api, folder } = await serviceIn();
    const raw = join(folder, 'a.raw');
    const content = Buffer.alloc(2 * MIB, Buffer.of(0x00, 0x5a)); // No text.
    writeFileSync(raw, content);
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, join(folder, 'a.qcow2')]);
    for (const name of ['a.raw', 'a.qcow2']) {
      const task = await done(api, api.importImage({ name, path: join(folder, name), kind: 'template' }));
      const served = await api.openImage({ id: task.result?.['id'] as string });
      const bytes = Buffer.alloc(served.sizeBytes);
      await (await clientOf(served.uri)).read(bytes, 0);
      expect(bytes.equals(content)).toBe(true);
    }
    writeFileSync(join(folder, 'bad.vhd'), 'no image');
    await expect(done(api, api.importImage({ name: 'bad', path: join(folder, 'bad.vhd') }))).rejects.toThrow('NOT_VHD');
    expect(readdirSync(join(folder, 'storage', 'images')).filter((name) => name.includes('bad'))).toEqual([]);
  });
});

describe('the content of the library', () => {
  /** An image with content, a gap, and zeros that it stores. */
  async function imported() {
    const { api, folder, running } = await serviceIn();
    const content = Buffer.alloc(8 * MIB);
    content.fill(Buffer.of(0x00, 0x5a), 0, MIB);
    content.fill(7, 5 * MIB, 5 * MIB + 4096);
    const source = join(folder, 'a.vhd');
    writeFileSync(join(folder, 'a.raw'), content);
    execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size', join(folder, 'a.raw'), source]);
    await done(api, api.importImage({ id: 'base', name: 'Base: 1', path: source }));
    return { api, folder, running, content };
  }
  const rawOf = (file: string, format: string): Buffer => {
    execFileSync('qemu-img', ['convert', '-f', format, '-O', 'raw', file, `${file}.back`]);
    return readFileSync(`${file}.back`);
  };

  test('is written as every format, with a name for whoever saves it, and goes when it is told to', async () => {
    const { api, content } = await imported();
    for (const [format, read] of [
      ['vhd', 'vpc'],
      ['vhd-fixed', 'vpc'],
      ['raw', 'raw'],
      ['qcow2', 'qcow2'],
      ['vmdk', 'vmdk'],
      ['vhdx', 'vhdx'],
      ['vdi', 'vdi'],
    ] as const) {
      const { result } = await done(api, api.exportImage({ from: { imageId: 'base' }, format }));
      const { path, fileName } = result as unknown as ExportedFile;
      expect(fileName).toBe(`Base- 1.${format.startsWith('vhd-') ? 'vhd' : format}`);
      expect(rawOf(path, read).subarray(0, content.length).equals(content), format).toBe(true);
    }
    const files = await api.listExports();
    expect(files).toHaveLength(7);
    for (const { id, path } of files) {
      await api.removeExport({ id });
      expect(existsSync(path)).toBe(false);
    }
    await expect(api.removeExport({ id: files[0]?.id ?? '' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('of a snapshot is copied while a VM writes on, of a disk only while it is closed, and stays so', async () => {
    const { api, content } = await imported();
    await api.createDisk({ id: 'd', name: 'd', source: { from: 'image', imageId: 'base' } });
    const writer = await clientOf((await api.openDisk({ id: 'd' })).uri);
    await writer.write(Buffer.alloc(4096, 9), 2 * MIB);
    const { result } = await done(api, api.snapshotDisks({ ids: ['d'], name: 's' }));
    const { d: snapshotId = '' } = (result?.['snapshots'] ?? {}) as { readonly d?: string };
    const copied = done(api, api.copyImage({ from: { diskId: 'd', snapshotId }, id: 'copy', name: 'copy' }));
    await writer.write(Buffer.alloc(4096, 1), 0);
    await copied;
    const bytes = Buffer.alloc(8 * MIB);
    await (await clientOf((await api.openImage({ id: 'copy' })).uri)).read(bytes, 0);
    expect(bytes.equals(Buffer.from(content).fill(9, 2 * MIB, 2 * MIB + 4096))).toBe(true);
    await expect(api.copyImage({ from: { diskId: 'd' }, name: 'x' })).rejects.toMatchObject({ code: 'LOCKED' });
    await api.closeDisk({ id: 'd' });
    const closed = await api.exportImage({ from: { diskId: 'd' }, format: 'qcow2' });
    await expect(api.openDisk({ id: 'd' })).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await done(api, closed);
    await api.openDisk({ id: 'd' });
  });

  test('SEALED-STAYS, ONE-WRITER: an image changes only while nothing stands on it and nobody reads it', async () => {
    const { api } = await imported();
    const changes = [
      () => api.compactImage({ id: 'base' }),
      () => api.repairImage({ id: 'base' }),
      () => api.resizeImage({ id: 'base', sizeBytes: 16 * MIB }),
    ];
    await api.openImage({ id: 'base' });
    for (const change of changes) await expect(change()).rejects.toMatchObject({ code: 'LOCKED' });
    await api.closeImage({ id: 'base' });
    const reading = await api.exportImage({ from: { imageId: 'base' }, format: 'raw' });
    for (const change of changes) await expect(change()).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await expect(api.removeImage({ id: 'base' })).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await done(api, reading);
    const growing = await api.resizeImage({ id: 'base', sizeBytes: 16 * MIB });
    const clone = () => api.createDisk({ id: 'd', name: 'd', source: { from: 'image', imageId: 'base' } });
    await expect(clone()).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await expect(api.sealImage({ id: 'base' })).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await done(api, growing);
    expect(await api.getImage({ id: 'base' })).toMatchObject({ sizeBytes: 16 * MIB });
    await clone();
    for (const change of changes) await expect(change()).rejects.toMatchObject({ code: 'HAS_CHILDREN' });
    await api.removeDisk({ id: 'd' });
    for (const change of changes) await expect(change()).rejects.toMatchObject({ code: 'SEALED' });
  });

  test('is looked at, made smaller, named and described', async () => {
    const { api, folder, running } = await imported();
    const file = join(folder, 'storage', 'images', 'base.vhd');
    const before = (await done(api, api.compactImage({ id: 'base' }))).result;
    expect(before).toMatchObject({ storedBytesAfter: statSync(file).blocks * 512 });
    await expect(done(api, api.resizeImage({ id: 'base', sizeBytes: 4 * MIB, isShrinking: true }))).rejects.toThrow(
      'NOT_EMPTY',
    );
    expect((await done(api, api.checkImage({ id: 'base', isDeep: true }))).result).toEqual({ findings: [] });
    const bytes = readFileSync(file);
    bytes.fill(0, 0, 512); // The copy of its last record.
    writeFileSync(file, bytes);
    const found = (await done(api, api.checkImage({ id: 'base' }))).result?.['findings'];
    expect(found).toMatchObject([{ code: 'FOOTER_HEAD', isRepairable: true }]);
    expect((await done(api, api.repairImage({ id: 'base' }))).result).toMatchObject({ left: [] });
    await api.describeImage({ id: 'base', name: 'Other', description: 'kept' });
    await api.createDisk({ id: 'd', name: 'd', source: { from: 'image', imageId: 'base' } });
    await done(api, api.snapshotDisks({ ids: ['d'], name: 's' }));
    const snapshotId = (await api.getDisk({ id: 'd' })).snapshots[0]?.id ?? '';
    await api.describeDisk({ id: 'd', description: 'mine' });
    await api.describeDisk({ id: 'd', snapshotId, name: 't' });
    expect(await api.getImage({ id: 'base' })).toMatchObject({ name: 'Other', description: 'kept' });
    expect(await api.getDisk({ id: 'd' })).toMatchObject({
      name: 'd',
      description: 'mine',
      snapshots: [{ name: 't', description: '' }],
    });
    await running.close();
    const again = await serviceIn(folder);
    expect(await again.api.listImages()).toHaveLength(1); // What the repair kept lies beside it, and is none.
  });

  test('work on it that a kill cut off begins again, and ends', async () => {
    const { api, folder, running } = await imported();
    const task = await api.exportImage({ from: { imageId: 'base' }, format: 'qcow2' });
    const compacting = api.compactImage({ id: 'base' });
    await expect(compacting).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await running.close(); // Leaves it as a kill does: open in its record.
    const left = join(folder, 'storage', 'exports', 'ffff.raw');
    writeFileSync(left, 'of one that was never finished');
    const again = await serviceIn(folder);
    await done(again.api, again.api.getTask({ id: task.id }));
    expect(await again.api.listExports()).toHaveLength(1);
    expect(existsSync(left)).toBe(false);
    await done(again.api, again.api.compactImage({ id: 'base' }));
  });
});

describe('ONE-WRITER: leases', () => {
  test('a newer lease cuts the older one off before it is given', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    const older = await connectNbd((await api.openDisk({ id: 'a' })).uri);
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) writes.push(older.write(Buffer.alloc(200_000, 1), i * 200_000));
    const results = Promise.allSettled(writes);
    const newer = await clientOf((await api.openDisk({ id: 'a' })).uri);
    const before = Buffer.alloc(4 * MIB);
    await newer.read(before, 0);
    await results;
    await expect(older.write(Buffer.alloc(512, 9), 0)).rejects.toThrow();
    const after = Buffer.alloc(4 * MIB);
    await newer.read(after, 0);
    expect(after.equals(before)).toBe(true);
  });

  test('a handover leaves the older one alone until the newer one writes', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    const source = await connectNbd((await api.openDisk({ id: 'a' })).uri);
    const target = await clientOf((await api.openDisk({ id: 'a', isHandover: true })).uri);
    await source.write(Buffer.alloc(512, 1), 0);
    const bytes = Buffer.alloc(512);
    await target.read(bytes, 0);
    expect(bytes[0]).toBe(1);
    await Promise.all([target.write(Buffer.alloc(512, 2), 512), target.write(Buffer.alloc(512, 3), 1024)]);
    await expect(source.write(Buffer.alloc(512, 4), 0)).rejects.toThrow();
    await target.read(bytes, 0);
    expect(bytes[0]).toBe(1);
  });

  test('a disk that is read can be taken for writing, and a reader cannot write', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    const reader = await clientOf((await api.openDisk({ id: 'a', mode: 'read' })).uri);
    expect(reader.isReadOnly).toBe(true);
    await expect(reader.write(Buffer.alloc(512), 0)).rejects.toMatchObject({ code: 'READ_ONLY' });
    const writer = await clientOf((await api.openDisk({ id: 'a' })).uri);
    await writer.write(Buffer.alloc(512, 1), 0);
  });

  test('a disk goes to another machine over TLS only', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    await expect(api.openDisk({ id: 'a', isRemote: true })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('limits', () => {
  test('requests and bytes a second are held to the ceiling, and let go with it', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a');
    const client = await clientOf((await api.openDisk({ id: 'a' })).uri);
    await api.setRates({ id: 'a', rates: { iops: 100 } });
    const startedAt = performance.now();
    for (let i = 0; i < 40; i++) await client.write(Buffer.alloc(512, 1), 0);
    expect(performance.now() - startedAt).toBeGreaterThan(250); // 40 at 100 a second, with a tenth of a second of credit.
    await api.setRates({ id: 'a', rates: {} });
    expect((await api.getDisk({ id: 'a' })).limits).toEqual({});
  });

  test('a chain warns before its limit, and stops growing at it', async () => {
    const { api } = await serviceIn();
    await blank(api, 'a', MIB);
    let chainLength = 1;
    while (!(await api.getDisk({ id: 'a' })).isChainLong) {
      await done(api, api.snapshotDisks({ ids: ['a'], name: 's' }));
      chainLength += 1;
    }
    expect(chainLength).toBe(150);
    await api.openDisk({ id: 'a' });
    for (; chainLength < 200; chainLength++) await done(api, api.snapshotDisks({ ids: ['a'], name: 's' }));
    const refused = await api.snapshotDisks({ ids: ['a'], name: 's' });
    expect(refused).toMatchObject({ state: 'failed', error: { code: 'CHAIN_TOO_LONG' } });
    const client = await clientOf((await api.openDisk({ id: 'a' })).uri);
    await client.write(Buffer.alloc(512, 3), 0);
    await client.flush();
    expect((await api.getDisk({ id: 'a' })).chainLength).toBe(200);
  });
});

describe('a storage that is not as it should be', () => {
  const broken = [
    {
      it: 'a parent that vanished',
      damage: (storage: string) => renameSync(join(storage, 'images', 'base.vhd'), join(storage, 'images', 'gone.vhd')),
      code: 'PARENT_NOT_FOUND',
    },
    {
      it: 'a leaf that was cut short',
      damage: (storage: string) => truncateSync(join(storage, 'disks', 'a', '0001.vhd'), 700),
      code: expect.any(String) as string,
    },
    {
      it: 'a leaf that is sealed',
      damage: (storage: string) => chmodSync(join(storage, 'disks', 'a', '0001.vhd'), 0o444),
      code: 'SEALED',
    },
    {
      it: 'a leaf that is a folder of records',
      damage: (storage: string) => writeFileSync(join(storage, 'disks', 'a', '0001.vhd'), '{}'),
      code: expect.any(String) as string,
    },
  ];
  test.for(broken)('$it: a clear state, and the other disk is served', async ({ damage, code }) => {
    const folder = tempFolder();
    const { api, running } = await serviceIn(folder);
    await api.createImage({ id: 'base', name: 'base', sizeBytes: 4 * MIB });
    for (const id of ['a', 'b'])
      await api.createDisk({
        id,
        name: id,
        source: id === 'a' ? { from: 'image', imageId: 'base' } : { from: 'blank', sizeBytes: MIB },
      });
    const uris = { a: (await api.openDisk({ id: 'a' })).uri, b: (await api.openDisk({ id: 'b' })).uri };
    await running.close();
    damage(join(folder, 'storage'));
    const again = await serviceIn(folder);
    const [a, b] = await Promise.all(['a', 'b'].map((id) => again.api.getDisk({ id })));
    expect(a?.state).toMatchObject({ state: 'broken', code });
    expect(b?.state.state).toBe('open');
    await (await clientOf(uris.b)).write(Buffer.alloc(512, 1), 0);
    await expect(again.api.openDisk({ id: 'a' })).rejects.toMatchObject({ code });
    expect(again.log.some(({ event }) => event === 'disk.reopen-failed')).toBe(true);
  });

  test('what a killed creation left behind is cleared away, and its id is free', async () => {
    const folder = tempFolder();
    const first = await serviceIn(folder);
    await blank(first.api, 'a');
    execFileSync('rm', [join(folder, 'storage', 'disks', 'a', 'disk.json')]);
    await first.running.close();
    const { api } = await serviceIn(folder);
    expect(await api.listDisks()).toEqual([]);
    await blank(api, 'a');
    expect(existsSync(join(folder, 'storage', 'disks', 'a', 'disk.json'))).toBe(true);
  });
});
