/** The server over real sockets: against a model, at its limits, and with clients that break the rules. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Disk, MaybeAsync } from '../disk.ts';
import { VhdError } from '../errors.ts';
import { connectNbd, encodeRequest, type NbdClient } from './client.ts';
import { encodeOption } from './client-handshake.ts';
import { MemoryDisk } from './memory-disk.ts';
import { type ServedDisk, type ServeNbdOptions, serveNbd } from './server.ts';
import { CHUNK_TYPE, CMD, CMD_FLAG, ERRNO, OPT, SIMPLE_REPLY_MAGIC } from './wire.ts';

const MIB = 1 << 20;
const DEPTH = Number(process.env['ORIEL_TEST_DEPTH'] ?? 1);
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanups.splice(0).reverse()) await step();
});

function tempFolder(): string {
  const folder = mkdtempSync('/tmp/oriel-n-');
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function serve(disk: Disk, options: Partial<ServeNbdOptions> = {}): Promise<ServedDisk> {
  const served = await serveNbd(disk, { socketPath: join(tempFolder(), 's'), ...options });
  cleanups.push(() => served.close());
  return served;
}

async function client(uri: string): Promise<NbdClient> {
  const connected = await connectNbd(uri);
  cleanups.push(() => connected.close());
  return connected;
}

/** A client that may do anything: the handshake is done, the bytes are the test's. */
async function raw(
  uri: string,
  options: { readonly isStructured: boolean },
): Promise<{ socket: Socket; readonly take: (count: number) => Promise<Buffer> }> {
  const socket = connect(new URL(uri).searchParams.get('socket') ?? '');
  cleanups.push(() => socket.destroy());
  socket.on('error', () => {});
  let chunks: Buffer[] = [];
  let pendingBytes = 0;
  const wake = new Set<() => void>();
  socket.on('close', () => wake.forEach((look) => look()));
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    pendingBytes += chunk.byteLength;
    for (const look of wake) look();
  });
  const take = async (count: number): Promise<Buffer> => {
    while (pendingBytes < count) {
      if (socket.destroyed) throw new Error('closed');
      await new Promise<void>((resolve) => {
        const look = (): void => {
          wake.delete(look);
          resolve();
        };
        wake.add(look);
      });
    }
    const pending = Buffer.concat(chunks);
    chunks = [pending.subarray(count)];
    pendingBytes -= count;
    return pending.subarray(0, count);
  };
  await take(18);
  socket.write(Buffer.from([0, 0, 0, 3]));
  if (options.isStructured) {
    socket.write(encodeOption(OPT.structuredReply));
    await take(20);
  }
  socket.write(encodeOption(OPT.exportName));
  await take(10);
  return { socket, take };
}

/** A disk that answers everything a little later, out of order. */
function slow(inner: Disk): Disk {
  const later = async (work: () => MaybeAsync): Promise<void> => {
    for (let turns = Math.floor(Math.random() * 4); 0 <= turns; turns--)
      await new Promise((resolve) => setImmediate(resolve));
    await work();
  };
  return {
    name: inner.name,
    sizeBytes: inner.sizeBytes,
    isReadOnly: inner.isReadOnly,
    read: (...request) => later(() => inner.read(...request)),
    write: (...request) => later(() => inner.write(...request)),
    writeZeroes: (offset, length, options) => later(() => inner.writeZeroes(offset, length, options)),
    trim: (offset, length) => later(() => inner.trim(offset, length)),
    flush: () => inner.flush(),
    extents: (offset, length, limit) => inner.extents(offset, length, limit),
    close: () => inner.close(),
  };
}

describe('what is written is read', () => {
  test.for([
    { it: 'a disk that answers at once', make: (disk: Disk): Disk => disk },
    { it: 'a disk that answers later', make: slow },
  ])('$it: many clients, each in its own part, against a model', async ({ make }) => {
    const size = 16 * MIB;
    const served = await serve(make(new MemoryDisk(size)));
    const model = Buffer.alloc(size);
    const part = size / 4;
    await Promise.all(
      [0, 1, 2, 3].map(async (index) => {
        const peer = await client(served.uri);
        for (let step = 0; step < 40 * DEPTH; step++) {
          const length = 1 + Math.floor(Math.random() ** 4 * (part - 1));
          const at = index * part + Math.floor(Math.random() * (part - length));
          const what = Math.random();
          if (what < 0.5) {
            const bytes = Buffer.alloc(length, 1 + Math.floor(Math.random() * 255));
            await peer.write(bytes, at);
            bytes.copy(model, at);
          } else if (what < 0.6) {
            await peer.writeZeroes(at, length, { mayUnmap: what < 0.55 });
            model.fill(0, at, at + length);
          } else {
            const bytes = Buffer.alloc(length);
            await peer.read(bytes, at);
            expect(bytes.equals(model.subarray(at, at + length))).toBe(true);
          }
        }
      }),
    );
    const all = Buffer.alloc(size);
    await (await client(served.uri)).read(all, 0);
    expect(all.equals(model)).toBe(true);
  });

  test('a client without structured replies gets long reads whole, between other replies', async () => {
    const disk = new MemoryDisk(8 * MIB);
    for (let at = 0; at < 8 * MIB; at += MIB) void disk.write(Buffer.alloc(MIB, at / MIB + 1), at);
    const { socket, take } = await raw((await serve(slow(disk))).uri, { isStructured: false });
    const requests = [
      encodeRequest(CMD.read, 0, 1, 0, 5 * MIB),
      encodeRequest(CMD.read, 0, 2, 6 * MIB, 10),
      encodeRequest(CMD.flush, 0, 3, 0, 0),
    ];
    socket.write(Buffer.concat(requests));
    const lengths = new Map([
      [1, 5 * MIB],
      [2, 10],
      [3, 0],
    ]);
    for (let reply = 0; reply < 3; reply++) {
      const head = await take(16);
      expect(head.readUInt32BE(0)).toBe(SIMPLE_REPLY_MAGIC);
      expect(head.readUInt32BE(4)).toBe(ERRNO.ok);
      const data = await take(lengths.get(head.readUInt32BE(12)) ?? 0);
      if (data.byteLength === 5 * MIB)
        for (let at = 0; at < 5 * MIB; at += 4096) expect(data[at]).toBe(Math.floor(at / MIB) + 1);
      if (data.byteLength === 10) expect(data.every((byte) => byte === 7)).toBe(true);
    }
  });

  test('a reply that was begun without structured replies is not cut by the replies to what is asked meanwhile', async () => {
    const disk = new MemoryDisk(32 * MIB);
    for (let at = 0; at < 32 * MIB; at += MIB) void disk.write(Buffer.alloc(MIB, at / MIB + 1), at);
    const { socket, take } = await raw((await serve(disk)).uri, { isStructured: false });
    socket.write(encodeRequest(CMD.read, 0, 1, 0, 32 * MIB));
    await take(16);
    socket.pause(); // The rest of the reply has to wait in the server.
    socket.write(Buffer.concat([encodeRequest(CMD.read, 0, 2, 0, 512), encodeRequest(CMD.flush, 0, 3, 0, 0)]));
    await new Promise((resolve) => setImmediate(resolve));
    socket.resume();
    const data = await take(32 * MIB);
    for (let at = 0; at < 32 * MIB; at += 512) expect(data[at]).toBe(at / MIB + 1 - (at % MIB) / MIB);
    const cookies = [await take(16).then((head) => take(512).then(() => head)), await take(16)].map((head) =>
      head.readUInt32BE(12),
    );
    expect(cookies).toEqual([2, 3]);
  });

  test('no page of the disk is written in two halves, however the payload arrives', async () => {
    const disk = new MemoryDisk(8 * MIB);
    const pieces: [number, number][] = [];
    const watching: Disk = {
      ...slow(disk),
      write: (from, offset, start = 0, length = from.byteLength - start) => {
        pieces.push([offset, offset + length]);
        return disk.write(from, offset, start, length);
      },
    };
    const { socket, take } = await raw((await serve(watching)).uri, { isStructured: false });
    const payload = Buffer.alloc(3 * MIB, 7);
    socket.write(encodeRequest(CMD.write, 0, 1, 1000, payload.byteLength));
    for (let at = 0; at < payload.byteLength; at += 77_777) {
      socket.write(payload.subarray(at, at + 77_777));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await take(16);
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.at(0)?.[0]).toBe(1000);
    expect(pieces.at(-1)?.[1]).toBe(1000 + payload.byteLength);
    for (const [, end] of pieces.slice(0, -1)) expect(end % 4096).toBe(0);
  });

  test('long reads send holes in place of zeroes', async () => {
    const disk = new MemoryDisk(16 * MIB);
    void disk.write(Buffer.alloc(65536, 9), 4 * MIB);
    const { socket, take } = await raw((await serve(disk)).uri, { isStructured: true });
    socket.write(encodeRequest(CMD.read, 0, 1, 0, 16 * MIB));
    const chunks: string[] = [];
    for (let isLast = false; !isLast; ) {
      const head = await take(20);
      isLast = head.readUInt16BE(4) === 1;
      const body = await take(head.readUInt32BE(16));
      const isHole = head.readUInt16BE(6) === CHUNK_TYPE.offsetHole;
      chunks.push(
        `${isHole ? 'hole' : 'data'} ${body.readBigUInt64BE(0)} ${isHole ? body.readUInt32BE(8) : body.byteLength - 8}`,
      );
    }
    expect(chunks).toEqual([
      `hole 0 ${4 * MIB}`,
      `data ${4 * MIB} 65536`,
      `hole ${4 * MIB + 65536} ${12 * MIB - 65536}`,
    ]);
  });

  test('a flush on one connection covers what was answered on another', async () => {
    const disk = new MemoryDisk(MIB);
    const served = await serve(disk);
    const [a, b] = [await client(served.uri), await client(served.uri)];
    await a.write(Buffer.alloc(512, 1), 0);
    await b.flush();
    expect(disk.flushes).toBe(1);
  });

  test('FUA flushes before the answer', async () => {
    const disk = new MemoryDisk(MIB);
    const { socket, take } = await raw((await serve(disk)).uri, { isStructured: false });
    socket.write(Buffer.concat([encodeRequest(CMD.write, CMD_FLAG.fua, 1, 0, 4), Buffer.from('abcd')]));
    await take(16);
    expect(disk.flushes).toBe(1);
  });

  test('zeroes that would not be fast are refused where they have to be fast', async () => {
    const disk = new MemoryDisk(MIB);
    void disk.write(Buffer.alloc(512, 1), 0);
    const { socket, take } = await raw((await serve(disk)).uri, { isStructured: false });
    socket.write(
      Buffer.concat([
        encodeRequest(CMD.writeZeroes, CMD_FLAG.fastZero, 1, 0, 512),
        encodeRequest(CMD.writeZeroes, CMD_FLAG.fastZero, 2, 512 << 10, 512),
      ]),
    );
    const errors = new Map<number, number>();
    for (let reply = 0; reply < 2; reply++) {
      const head = await take(16);
      errors.set(head.readUInt32BE(12), head.readUInt32BE(4));
    }
    expect([...errors].sort(([a], [b]) => a - b)).toEqual([
      [1, ERRNO.ENOTSUP],
      [2, ERRNO.ok],
    ]);
  });
});

describe('a bad client costs its own connection only', () => {
  test.for([
    { it: 'sends garbage', bytes: Buffer.alloc(28, 0xaa) },
    { it: 'announces a write above the limit', bytes: encodeRequest(CMD.write, 0, 1, 0, 0x7fff_ffff) },
  ])('one that $it', async ({ bytes }) => {
    const served = await serve(new MemoryDisk(MIB));
    const good = await client(served.uri);
    const { socket } = await raw(served.uri, { isStructured: true });
    socket.write(bytes);
    await once(socket, 'close');
    await good.write(Buffer.alloc(512, 5), 0);
    expect(served.connections).toBe(1);
  });

  test('a request that is wrong is answered, and its payload passed over', async () => {
    const disk = new MemoryDisk(MIB, { isReadOnly: true });
    const { socket, take } = await raw((await serve(disk)).uri, { isStructured: false });
    for (const [type, at, length, error] of [
      [CMD.write, 0, 300_000, ERRNO.EPERM],
      [CMD.read, MIB, 1, ERRNO.EINVAL],
      [99, 0, 0, ERRNO.EINVAL],
      [CMD.read, 0, 4, ERRNO.ok],
    ] as const) {
      socket.write(encodeRequest(type, 0, 7, at, length));
      if (type === CMD.write) socket.write(Buffer.alloc(length, 0x25));
      expect((await take(16)).readUInt32BE(4)).toBe(error);
      if (error === ERRNO.ok) await take(4);
    }
  });

  test('one that leaves in the middle of a write', async () => {
    const disk = new MemoryDisk(MIB);
    const served = await serve(slow(disk));
    const { socket } = await raw(served.uri, { isStructured: true });
    socket.write(Buffer.concat([encodeRequest(CMD.write, 0, 1, 0, 500_000), Buffer.alloc(200_000, 1)]));
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await once(socket, 'close');
    const good = await client(served.uri);
    await good.write(Buffer.alloc(512, 5), 0);
    await served.close(); // Settles only when nothing of the other runs any more.
    expect(served.connections).toBe(0);
  });

  test('one that says nothing is hung up on', async () => {
    const served = await serve(new MemoryDisk(MIB), { limits: { handshakeMs: 30 } });
    const socket = connect(new URL(served.uri).searchParams.get('socket') ?? '');
    socket.on('error', () => {}).resume();
    await once(socket, 'close');
    expect(served.connections).toBe(0);
  });

  test('BOUNDED: one that stops reading stops the reading of the disk below 4 MiB', async () => {
    const disk = new MemoryDisk(64 * MIB);
    let readBytes = 0;
    const counting: Disk = {
      name: 'counting',
      sizeBytes: disk.sizeBytes,
      isReadOnly: false,
      read: (into, offset, start = 0, length = into.byteLength - start) => {
        readBytes += length;
        return disk.read(into, offset, start, length);
      },
      write: (...request) => disk.write(...request),
      writeZeroes: (offset, length) => disk.writeZeroes(offset, length),
      trim: (offset, length) => disk.trim(offset, length),
      flush: () => disk.flush(),
      extents: (offset, length) => Promise.resolve([{ offset, length, isAllocated: true, isZero: false, link: 0 }]),
      close: () => disk.close(),
    };
    const served = await serve(counting);
    for (const length of [32 * MIB, 65_536, 1000]) {
      readBytes = 0;
      const { socket } = await raw(served.uri, { isStructured: true });
      socket.pause();
      const requests = Array.from({ length: 20_000 }, (_, i) => encodeRequest(CMD.read, 0, i, 0, length));
      socket.write(Buffer.concat(requests));
      // Another client is served all the while; when it is through, the first one has been asked about many times.
      const good = await client(served.uri);
      for (let i = 0; i < 50; i++) await good.write(Buffer.alloc(512, 5), 0);
      expect(readBytes).toBeGreaterThan(0);
      expect(readBytes).toBeLessThan(4 * MIB);
      socket.destroy();
    }
  });

  test('BOUNDED: connections beyond the limit are not served', async () => {
    const served = await serve(new MemoryDisk(MIB), { limits: { connections: 2 } });
    await client(served.uri);
    await client(served.uri);
    await expect(connectNbd(served.uri)).rejects.toMatchObject({ code: 'NBD_REFUSED' });
  });
});

describe('errors of the disk reach the client as what they are', () => {
  const failing = (code: 'NO_SPACE' | 'IO'): Disk => {
    const fail = (): Promise<void> => Promise.reject(new VhdError(code, 'no'));
    const disk = new MemoryDisk(4 * MIB);
    const extents: Disk['extents'] = (offset, length) =>
      Promise.resolve([{ offset, length, isAllocated: true, isZero: false }]);
    return {
      name: 'failing',
      sizeBytes: disk.sizeBytes,
      isReadOnly: false,
      read: fail,
      write: fail,
      writeZeroes: fail,
      trim: fail,
      flush: fail,
      extents,
      close: () => disk.close(),
    };
  };
  test.for(['NO_SPACE', 'IO'] as const)('%s', async (code) => {
    const served = await serve(failing(code));
    const peer = await client(served.uri);
    const bytes = Buffer.alloc(3 * MIB);
    for (const work of [
      () => peer.write(bytes, 0),
      () => peer.read(bytes, 0),
      () => peer.read(bytes.subarray(0, 512), 0),
      () => peer.flush(),
      () => peer.trim(0, 512),
    ]) {
      await expect(work()).rejects.toMatchObject({ code });
    }
    expect(served.stats.errors).toBeGreaterThanOrEqual(5);
  });
});

describe('the socket', () => {
  test('is for its owner only, takes the place of a dead one, and of nothing else', async () => {
    const socketPath = join(tempFolder(), 's');
    const first = await serveNbd(new MemoryDisk(MIB), { socketPath });
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    await expect(serveNbd(new MemoryDisk(MIB), { socketPath })).rejects.toMatchObject({ code: 'EXISTS' });
    await first.close();
    expect(existsSync(socketPath)).toBe(false);
    writeFileSync(socketPath, 'a file');
    await expect(serveNbd(new MemoryDisk(MIB), { socketPath })).rejects.toMatchObject({ code: 'EXISTS' });
  });

  test('a path that does not fit is refused, not cut off', async () => {
    const socketPath = `/tmp/${'x'.repeat(110)}`;
    await expect(serveNbd(new MemoryDisk(MIB), { socketPath })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
