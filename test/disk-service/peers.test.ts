/** Clients that others wrote, on a chain of ours: they must find the same disk as we do. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  createChild,
  createImage,
  type Disk,
  openChain,
  runDiskService,
  type ServedDisk,
  type ServeNbdOptions,
  serveNbd,
} from '@oriel/vhd';
import { beforeAll, describe, expect, test } from 'vitest';
import { clientOf, MIB, onCleanup, seeded, tempFolder, tempFolderForAll } from './setup.ts';

const run = promisify(execFile);
const SIZE = 16 * MIB;

/** Settles when another program has made the file. */
async function appears(file: string): Promise<void> {
  const watcher = watch(dirname(file));
  while (!existsSync(file)) await once(watcher, 'change');
  watcher.close();
}

/** A child over a parent, each with its own content and with gaps; and the bytes that a reader must see. */
async function chain(): Promise<{ disk: Disk; model: Buffer; folder: string }> {
  const folder = tempFolder();
  const model = Buffer.alloc(SIZE);
  const random = seeded(11);
  const put = async (disk: Disk, at: number, length: number): Promise<void> => {
    const bytes = random.bytes(length);
    await disk.write(bytes, at);
    bytes.copy(model, at);
  };
  await createImage(join(folder, 'base.vhd'), { sizeBytes: SIZE });
  const base = await openChain(join(folder, 'base.vhd'), { isReadOnly: false });
  for (let at = 0; at < 12 * MIB; at += 2 * MIB) await put(base, at + 1000, 700_000);
  await base.close();
  await createChild(join(folder, 'child.vhd'), { parent: join(folder, 'base.vhd') });
  const disk = await openChain(join(folder, 'child.vhd'), { isReadOnly: false });
  onCleanup(() => disk.close());
  for (let round = 0; round < 40; round++) await put(disk, random.int(13 * MIB), 1 + random.int(60_000));
  return { disk, model, folder };
}

async function serve(disk: Disk, options: Partial<ServeNbdOptions> = {}): Promise<ServedDisk> {
  const address = options.port === undefined ? { socketPath: join(tempFolder(), 's') } : {};
  const served = await serveNbd(disk, { ...address, exportName: 'disk', ...options });
  onCleanup(() => served.close());
  return served;
}

describe('readers see what we see', () => {
  test('nbdinfo: the export, its constraints and its allocation', async () => {
    const { disk } = await chain();
    const { uri } = await serve(disk);
    const { exports } = JSON.parse((await run('nbdinfo', ['--json', uri])).stdout) as {
      exports: Record<string, unknown>[];
    };
    expect(exports[0]).toMatchObject({
      'export-name': 'disk',
      'export-size': SIZE,
      is_read_only: false,
      can_flush: true,
      can_fua: true,
      can_trim: true,
      can_zero: true,
      can_fast_zero: true,
      can_cache: true,
      can_df: true,
      can_multi_conn: true,
      block_size_maximum: 32 * MIB,
      contexts: ['base:allocation'],
    });
    const map = JSON.parse((await run('nbdinfo', ['--json', '--map', uri])).stdout) as {
      offset: number;
      length: number;
      type: number;
    }[];
    const extents = await disk.extents(0, SIZE);
    expect(map.map(({ offset, length, type }) => [offset, length, type])).toEqual(merged(extents));
    expect((await run('nbdinfo', ['--list', uri])).stdout).toContain('export="disk"');
  });

  test('nbdcopy and qemu-img compare: every byte', async () => {
    const { disk, model, folder } = await chain();
    const { uri } = await serve(disk);
    await run('nbdcopy', [uri, join(folder, 'out.raw')]);
    expect(readFileSync(join(folder, 'out.raw')).equals(model)).toBe(true);
    writeFileSync(join(folder, 'model.raw'), model);
    expect(
      (await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', join(folder, 'model.raw'), uri])).stdout,
    ).toContain('identical');
  });

  test('a child that QEMU opens by its path is read wrong: why it never gets one', async () => {
    const { disk, model, folder } = await chain();
    await disk.flush();
    writeFileSync(join(folder, 'model.raw'), model);
    const compare = run('qemu-img', [
      'compare',
      '-U',
      '-f',
      'raw',
      '-F',
      'vpc',
      join(folder, 'model.raw'),
      join(folder, 'child.vhd'),
    ]);
    await expect(compare).rejects.toMatchObject({ code: 1 });
  });
});

describe('writers write what we read', () => {
  test('qemu-io: patterns, zeroes, discards, flushes', async () => {
    const { disk, model } = await chain();
    const { uri } = await serve(disk);
    const commands = [
      'write -P 0x11 100k 5000',
      'write -P 0x22 3M 1M',
      'write -z -u 6M 2M',
      'write -z 9000000 4096',
      'flush',
      'read -P 0x11 100k 5000',
    ];
    await run('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri]);
    model
      .fill(0x11, 102_400, 107_400)
      .fill(0x22, 3 * MIB, 4 * MIB)
      .fill(0, 6 * MIB, 8 * MIB)
      .fill(0, 9_000_000, 9_004_096);
    const bytes = Buffer.alloc(SIZE);
    await disk.read(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
  });

  test('nbdsh: unaligned writes, FUA, cache, fast zeroes that are refused, errors', async () => {
    const { disk, model } = await chain();
    const { uri } = await serve(disk);
    const script = `
import errno
h.pwrite(b"x" * 1001, 4099, nbd.CMD_FLAG_FUA)
h.cache(1 << 20, 0)
h.zero(512, 8192, nbd.CMD_FLAG_NO_HOLE)
for bad in (lambda: h.pread(1, h.get_size()), lambda: h.zero(4096, 8192 - 4096, nbd.CMD_FLAG_FAST_ZERO)):
    try:
        bad()
        print("no error")
    except nbd.Error as e:
        print(e.errno)
print(h.pread(1001, 4099) == b"x" * 1001)
`;
    const { stdout } = await run('/usr/bin/python3', [
      '-m',
      'nbd',
      '--uri',
      uri,
      '-c',
      'h.set_strict_mode(0)',
      '-c',
      script,
    ]);
    expect(stdout.trim().split('\n')).toEqual(['EINVAL', 'ENOTSUP', 'True']);
    model.fill('x', 4099, 5100).fill(0, 8192, 8704);
    const bytes = Buffer.alloc(SIZE);
    await disk.read(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
  });

  test('fio verifies what it wrote', async () => {
    const { disk, folder } = await chain();
    const { uri } = await serve(disk);
    const args = [
      '--name=v',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--rw=randwrite',
      '--bsrange=512-200k',
      '--bs_unaligned',
      `--size=${SIZE}`,
      '--iodepth=16',
      '--verify=crc32c',
      '--verify_fatal=1',
    ];
    await run('fio', args, { cwd: folder });
  });

  test.for([
    { it: 'delay', filter: ['--filter=delay', 'rdelay=1ms', 'wdelay=1ms'] },
    { it: 'error', filter: ['--filter=error', 'error-rate=20%', 'error-pread-rate=0'] },
    { it: 'blocksize', filter: ['--filter=blocksize', 'minblock=512', 'maxdata=64k'] },
  ])("behind nbdkit's $it filter", async ({ filter }) => {
    const { disk, model, folder } = await chain();
    const { uri } = await serve(disk);
    const socket = join(folder, 'k');
    const pidFile = join(folder, 'k.pid'); // Written once it accepts connections; the socket is there a moment before.
    const [name = '', ...parameters] = filter;
    const kit = spawn('nbdkit', ['-f', '-P', pidFile, '-U', socket, name, 'nbd', `uri=${uri}`, ...parameters], {
      stdio: 'ignore',
    });
    onCleanup(async () => {
      const exited = once(kit, 'exit');
      kit.kill();
      await exited;
    });
    await appears(pidFile);
    const through = await clientOf(`nbd+unix:///?socket=${socket}`);
    const random = seeded(3);
    for (let round = 0; round < 30; round++) {
      const bytes = random.bytes(1 + random.int(100_000));
      const at = random.int(SIZE - bytes.byteLength);
      const isWritten = await through.write(bytes, at).then(
        () => true,
        () => false,
      );
      if (isWritten) bytes.copy(model, at);
    }
    await through.flush().catch(() => undefined);
    const bytes = Buffer.alloc(SIZE);
    await (await clientOf(uri)).read(bytes, 0);
    expect(bytes.equals(model)).toBe(true);
  });
});

describe('TLS with client certificates', () => {
  let pki: string;
  beforeAll(() => {
    pki = makePki();
  });
  const serveTls = async (): Promise<string> => {
    const { disk } = await chain();
    const read = (name: string): string => readFileSync(join(pki, 'good', name), 'utf8');
    const tls = { cert: read('server-cert.pem'), key: read('server-key.pem'), ca: read('ca-cert.pem') };
    return (await serve(disk, { port: 0, host: '127.0.0.1', tls })).uri.replace('127.0.0.1', 'localhost');
  };

  test('nbdcopy with a certificate of ours reads the disk', async () => {
    const uri = await serveTls();
    await run('nbdcopy', [`${uri}?tls-certificates=${join(pki, 'good')}`, join(pki, 'out.raw')]);
    expect(readFileSync(join(pki, 'out.raw')).byteLength).toBe(SIZE);
  });

  test('our own client does, too', async () => {
    const uri = await serveTls();
    const read = (name: string): string => readFileSync(join(pki, 'good', name), 'utf8');
    const { connectNbd } = await import('@oriel/vhd');
    const client = await connectNbd(uri, {
      tls: { cert: read('client-cert.pem'), key: read('client-key.pem'), ca: read('ca-cert.pem') },
    });
    expect(client.sizeBytes).toBe(SIZE);
    await client.close();
  });

  test('a disk of the service is reached by another machine, under its lease, also after a restart', async () => {
    const read = (name: string): string => readFileSync(join(pki, 'good', name), 'utf8');
    const folder = tempFolder();
    const options = {
      storage: join(folder, 'storage'),
      socketPath: join(folder, 'control.sock'),
      runFolder: join(folder, 'run'),
      threads: 0,
      remote: {
        host: 'localhost',
        tls: { cert: read('server-cert.pem'), key: read('server-key.pem'), ca: read('ca-cert.pem') },
      },
    };
    const first = await runDiskService(options);
    await first.service.createDisk({ id: 'a', name: 'a', source: { from: 'blank', sizeBytes: MIB } });
    const { remoteUri } = await first.service.openDisk({ id: 'a', isRemote: true });
    const uri = `${remoteUri}?tls-certificates=${join(pki, 'good')}`;
    expect((await run('nbdinfo', ['--size', uri])).stdout.trim()).toBe(String(MIB));
    await first.close();
    const second = await runDiskService(options);
    onCleanup(() => second.close());
    expect((await run('nbdinfo', ['--size', uri])).stdout.trim()).toBe(String(MIB));
    await expect(run('nbdinfo', ['--size', uri.replace('nbds:', 'nbd:')])).rejects.toMatchObject({ code: 1 });
  });

  test.for([
    { it: 'no certificate', folder: 'none' },
    { it: 'a certificate of another authority', folder: 'bad' },
  ])('with $it nobody does', async ({ folder }) => {
    const uri = await serveTls();
    await expect(run('nbdinfo', ['--size', `${uri}?tls-certificates=${join(pki, folder)}`])).rejects.toMatchObject({
      code: 1,
    });
  });

  test('nor in the clear', async () => {
    const uri = await serveTls();
    await expect(run('nbdinfo', ['--size', uri.replace('nbds:', 'nbd:')])).rejects.toMatchObject({ code: 1 });
  });
});

/** `base:allocation` as nbdinfo prints it: data 0, holes that read as zero 3. */
function merged(extents: readonly { offset: number; length: number; isZero: boolean }[]): number[][] {
  const runs: number[][] = [];
  for (const { offset, length, isZero } of extents) {
    const last = runs.at(-1);
    const type = isZero ? 3 : 0;
    if (last?.[2] === type) last[1] = (last[1] ?? 0) + length;
    else runs.push([offset, length, type]);
  }
  return runs;
}

/** Certificates: of our authority, of another one that calls itself the same, and none. */
function makePki(): string {
  const folder = tempFolderForAll();
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  for (const kind of ['good', 'bad']) {
    const at = (name: string): string => join(folder, kind, name);
    mkdirSync(join(folder, kind));
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      at('ca-key.pem'),
      '-out',
      at('ca-cert.pem'),
      '-subj',
      '/CN=oriel test',
      '-days',
      '2',
    );
    writeFileSync(at('ext'), 'subjectAltName=DNS:localhost');
    for (const name of ['server', 'client']) {
      openssl('req', ...key, '-keyout', at(`${name}-key.pem`), '-out', at(`${name}.csr`), '-subj', '/CN=localhost');
      const signed = [
        '-CA',
        at('ca-cert.pem'),
        '-CAkey',
        at('ca-key.pem'),
        '-CAcreateserial',
        '-out',
        at(`${name}-cert.pem`),
      ];
      openssl('x509', '-req', '-in', at(`${name}.csr`), ...signed, '-days', '2', '-extfile', at('ext'));
    }
  }
  mkdirSync(join(folder, 'none'));
  for (const kind of ['none', 'bad'])
    writeFileSync(join(folder, kind, 'ca-cert.pem'), readFileSync(join(folder, 'good', 'ca-cert.pem')));
  return folder;
}
