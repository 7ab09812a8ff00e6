/** Every Disk takes a part of a buffer: one that looked at the whole of it would read and write other bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openChain } from '../../chain/open.ts';
import type { Disk } from '../../disk.ts';
import { openRawDisk } from '../../formats/raw/raw-disk.ts';
import { connectNbd } from '../../nbd/client.ts';
import { NbdExport } from '../../nbd/export.ts';
import { MemoryDisk } from '../../nbd/memory-disk.ts';
import { listenNbd } from '../../nbd/server.ts';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from '../../testing/images.ts';
import { Ceiling } from '../policies/ceiling.ts';
import { FaultWatch } from '../policies/fault-watch.ts';
import { Fence } from '../policies/fence.ts';
import { Hold } from '../policies/hold.ts';

const SIZE = 4 * SMALL_BLOCK_BYTES;
/** Over the edge of a block, and of sectors. */
const OFFSET = SMALL_BLOCK_BYTES - 700;
const LENGTH = 1900;
const START = 300;
const OTHER = 0xee;

const cleanups: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

async function chain(): Promise<Disk> {
  const storage = new MemoryStorage();
  await makeImage(storage, '/base.vhd', { sizeBytes: SIZE });
  await makeChild(storage, '/leaf.vhd', '/base.vhd');
  return openChain('/leaf.vhd', { storage, isReadOnly: false });
}

async function overNbd(): Promise<Disk> {
  const folder = mkdtempSync(join(tmpdir(), 'oriel-parts-'));
  const target = new NbdExport({ name: '', disk: new MemoryDisk(SIZE) });
  const server = await listenNbd({ names: () => [''], find: () => target }, { socketPath: join(folder, 'disk.sock') });
  const client = await connectNbd(`nbd+unix:///?socket=${join(folder, 'disk.sock')}`);
  cleanups.push(
    () => rmSync(folder, { recursive: true }),
    () => server.close(),
    () => client.close(),
  );
  return client;
}

const pattern = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7) % 251));

describe('a part of a buffer', () => {
  test.for<[string, () => Promise<Disk> | Disk]>([
    ['a chain', chain],
    ['a disk in memory', () => new MemoryDisk(SIZE)],
    ['a hold', async () => new Hold(await chain())],
    ['a fault watch', async () => new FaultWatch(await chain(), () => undefined)],
    ['a fence', async () => new Fence(await chain(), 1, 'write')],
    ['a ceiling', async () => new Ceiling(await chain(), {})],
    ['an NBD client', overNbd],
  ])('is what %s writes and reads', async ([, make]) => {
    const disk = await make();
    const content = pattern(LENGTH);
    const from = Buffer.alloc(LENGTH + 2 * START, OTHER);
    content.copy(from, START);
    await disk.write(from, OFFSET, START, LENGTH);
    // Small enough to be answered at once, so that the short way is gone too.
    await disk.write(from, OFFSET + 2 * SMALL_BLOCK_BYTES, START + 10, 20);

    const whole = Buffer.alloc(LENGTH + 2);
    await disk.read(whole, OFFSET - 1);
    expect(whole.equals(Buffer.concat([Buffer.alloc(1), content, Buffer.alloc(1)]))).toBe(true);

    const into = Buffer.alloc(LENGTH + 2 * START, OTHER);
    await disk.read(into, OFFSET, START, LENGTH);
    expect(into.equals(from)).toBe(true);
    const few = Buffer.alloc(40, OTHER);
    await disk.read(few, OFFSET + 2 * SMALL_BLOCK_BYTES - 1, 10, 22);
    const expected = Buffer.concat([Buffer.alloc(1), content.subarray(10, 30), Buffer.alloc(1)]);
    expect(few.subarray(10, 32).equals(expected)).toBe(true);
    expect([...few.subarray(0, 10), ...few.subarray(32)].every((byte) => byte === OTHER)).toBe(true);
    await disk.close();
  });

  test('is what a raw file reads, and what lies behind the file is zeros', async () => {
    const storage = new MemoryStorage();
    const file = storage.open('/disk.raw', 'create');
    file.writeSync(pattern(1000), 0, 1000, 0);
    const disk = await openRawDisk('/disk.raw', storage);
    const into = Buffer.alloc(600, OTHER);
    await disk.read(into, 900, 50, 124);
    const expected = Buffer.concat([pattern(1000).subarray(900), Buffer.alloc(24)]);
    expect(into.subarray(50, 174).equals(expected)).toBe(true);
    expect([...into.subarray(0, 50), ...into.subarray(174)].every((byte) => byte === OTHER)).toBe(true);
  });
});
