/** What a check finds, and what a repair makes of it: nothing is guessed, what is overwritten is kept. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openChain } from '../chain/open.ts';
import { openImage } from '../formats/open.ts';
import type { Finding } from '../image/finding.ts';
import { readBytesSync } from '../storage/file.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../testing/random.ts';
import { patchHeader } from '../testing/written.ts';
import { type CheckOptions, checkImage as check } from './check.ts';
import { compactImage } from './compact.ts';
import { createChild, createImage } from './create.ts';
import { repairImage } from './repair.ts';
import { makeKnownChain, readAll } from './testing/chains.ts';

const BLOCK_BYTES = 512 * 1024;
const SIZE_BYTES = 3 * BLOCK_BYTES + 5 * 512;

/** What is found but for what is true of every small test image. */
async function checkImage(name: string, options: CheckOptions): Promise<readonly Finding[]> {
  const found = await check(name, options);
  return found.filter(({ code }) => code !== 'SIZE_ODD' && code !== 'PARENTS_UNCHECKED');
}

describe('check and repair', () => {
  test('quirk 2: a torn tail is mended from the copy, a torn copy from the tail, and the bytes are kept', async () => {
    const storage = new MemoryStorage();
    const { leaf, content } = await makeKnownChain(storage, new Random(21), { links: 1, sizeBytes: SIZE_BYTES });
    const size = storage.stat(leaf)?.sizeBytes ?? 0;
    for (const [offset, code] of [
      [size - 512, 'FOOTER_TAIL'],
      [0, 'FOOTER_HEAD'],
    ] as const) {
      storage.open(leaf, 'write').writeSync(Buffer.alloc(100, 9), 0, 100, offset);
      expect((await checkImage(leaf, { storage })).map((finding) => finding.code)).toEqual([code]);
      const dry = await repairImage(leaf, { storage, isDryRun: true });
      expect(dry).toMatchObject({ mended: [{ code }], left: [{ code: 'SIZE_ODD' }], backups: [] });
      const result = await repairImage(leaf, { storage, now: new Date(offset) });
      expect(result).toMatchObject({
        mended: [{ code }],
        left: [{ code: 'SIZE_ODD' }],
        backups: [expect.stringContaining('backup.json')],
      });
      expect((await readAll(leaf, storage)).equals(content)).toBe(true);
      expect(storage.stat(leaf)?.sizeBytes).toBe(size);
    }
  });
  test('quirk 3: a footer lost with a cut file goes behind the last block', async () => {
    const storage = new MemoryStorage();
    const { leaf, content } = await makeKnownChain(storage, new Random(22), { links: 1, sizeBytes: SIZE_BYTES });
    const file = storage.open(leaf, 'write');
    const size = file.sizeBytes;
    await file.truncate(size - 512);
    await repairImage(leaf, { storage });
    expect(storage.stat(leaf)?.sizeBytes).toBe(size);
    expect((await readAll(leaf, storage)).equals(content)).toBe(true);
  });
  test('quirk 10: padding of the table that is not ones is a note, and mended', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: 5 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    storage.open('/d/a.vhd', 'write').writeSync(new Uint8Array(100), 0, 100, 64 * 1024 + 5 * 4);
    expect(await checkImage('/d/a.vhd', { storage })).toMatchObject([
      { code: 'BAT_PADDING', severity: 'note', isRepairable: true },
    ]);
    expect((await repairImage('/d/a.vhd', { storage })).left.filter(({ severity }) => severity !== 'note')).toEqual([]);
  });
  test('quirk 14: a wrong time of the parent is a note, and mended', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(23), { links: 2, sizeBytes: SIZE_BYTES });
    patchHeader(storage, leaf, { parentTimestampSeconds: 12345 });
    expect(await checkImage(leaf, { storage, isChain: true })).toMatchObject([
      { code: 'PARENT_TIME', severity: 'note' },
    ]);
    expect(
      (await repairImage(leaf, { storage, isChain: true })).left.filter(({ severity }) => severity !== 'note'),
    ).toEqual([]);
  });
  test('overlapping blocks and blocks outside of the file are errors with their place, and nothing is invented', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(24), { links: 1, sizeBytes: SIZE_BYTES, writes: 12 });
    const table = Buffer.from([0, 0, 0xff, 0, 0x7f, 0xff, 0xff, 0xff]);
    storage.open(leaf, 'write').writeSync(table, 0, 8, 64 * 1024);
    const findings = await checkImage(leaf, { storage });
    expect(findings).toMatchObject([
      { code: 'BAT_ENTRY', severity: 'error', block: 0 },
      { code: 'BAT_ENTRY', severity: 'error', block: 1, offset: 64 * 1024 + 4 },
    ]);
    expect((await repairImage(leaf, { storage })).mended).toEqual([]);
  });
  test('quirk 12: data behind clear bits is found by a deep check, and compact removes it', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(25), { links: 2, sizeBytes: SIZE_BYTES, writes: 1 });
    const disk = await openChain(leaf, { storage, isReadOnly: false });
    await disk.write(Buffer.alloc(512, 5), 0);
    await disk.close();
    const image = openImage(leaf, { storage });
    const at = image.positionOf(0) + 200 * 512;
    storage.open(leaf, 'write').writeSync(Buffer.alloc(512, 6), 0, 512, at);
    const before = await readAll(leaf, storage);
    expect(await checkImage(leaf, { storage, isDeep: true })).toMatchObject([
      { code: 'DATA_BEHIND_CLEAR_BIT', block: 0 },
    ]);
    await compactImage(leaf, { storage });
    expect(await checkImage(leaf, { storage, isDeep: true })).toEqual([]);
    expect((await readAll(leaf, storage)).equals(before)).toBe(true);
  });
  test('a parent that could be written to is a warning, and is sealed', async () => {
    const storage = new MemoryStorage();
    const { leaf, names } = await makeKnownChain(storage, new Random(26), { links: 2, sizeBytes: SIZE_BYTES });
    storage.setWritable(names[0] ?? '', true);
    expect(await checkImage(leaf, { storage, isChain: true })).toMatchObject([
      { code: 'PARENT_UNSEALED', severity: 'warning' },
    ]);
    expect(
      (await repairImage(leaf, { storage, isChain: true })).left.filter(({ severity }) => severity !== 'note'),
    ).toEqual([]);
    expect(storage.stat(names[0] ?? '')?.isWritable).toBe(false);
  });
  test('any byte changed in the metadata is answered with findings or a sound image, never with a crash', {
    timeout: DEEP_TIMEOUT_MS,
  }, async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(27), { links: 2, sizeBytes: SIZE_BYTES });
    const size = storage.stat(leaf)?.sizeBytes ?? 0;
    const places = fc.oneof(
      fc.nat(1535),
      fc.integer({ min: 65_536, max: 65_560 }),
      fc.integer({ min: size - 512, max: size - 1 }),
    );
    await fc.assert(
      fc.asyncProperty(places, fc.nat(255), async (at, byte) => {
        const copy = new MemoryStorage();
        for (const [name, node] of storage.nodes) copy.put(name, node.content.clone(), node.isWritable);
        copy.open(leaf, 'write').writeSync(Uint8Array.of(byte), 0, 1, at);
        const findings = await checkImage(leaf, { storage: copy, isChain: true });
        for (const finding of findings) expect(finding.message.length).toBeGreaterThan(0);
        await repairImage(leaf, { storage: copy, isChain: true });
      }),
      { numRuns: Math.round(150 * TEST_DEPTH) },
    );
  });

  test('a child without --chain: missing parents are an error, parents that are there a note', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/base.vhd', { storage, sizeBytes: 4 * BLOCK_BYTES });
    await createChild('/d/child.vhd', { storage, parent: '/d/base.vhd' });
    expect(await check('/d/child.vhd', { storage })).toMatchObject([{ code: 'PARENTS_UNCHECKED', severity: 'note' }]);
    expect(await check('/d/child.vhd', { storage, isChain: true })).toEqual([]);
    storage.remove('/d/base.vhd');
    for (const isChain of [true, false]) {
      expect(await check('/d/child.vhd', { storage, isChain })).toMatchObject([
        { code: 'PARENT_NOT_FOUND', severity: 'error' },
      ]);
    }
  });

  test('a child larger than its parent is said, with what Hyper-V makes of it', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/base.vhd', { storage, sizeBytes: 4 * BLOCK_BYTES });
    await createChild('/d/child.vhd', { storage, parent: '/d/base.vhd', sizeBytes: 8 * BLOCK_BYTES });
    for (const isChain of [true, false]) {
      expect(await check('/d/child.vhd', { storage, isChain })).toContainEqual(
        expect.objectContaining({ code: 'CHILD_LARGER', severity: 'note', message: expect.stringMatching(/Hyper-V/) }),
      );
    }
  });

  test('quirk 20: sizes that Azure does not take are said', async () => {
    const storage = new MemoryStorage();
    const codes = async (name: string): Promise<readonly string[]> =>
      (await check(name, { storage })).map(({ code }) => code);
    await createImage('/d/odd.vhd', { storage, sizeBytes: (30 << 20) + 512 });
    await createImage('/d/small.vhd', { storage, sizeBytes: 1 << 20, type: 'fixed' });
    await createImage('/d/right.vhd', { storage, sizeBytes: 20 << 20, type: 'fixed' });
    expect(await codes('/d/odd.vhd')).toEqual(['SIZE_ODD']);
    expect(await codes('/d/small.vhd')).toEqual(['SIZE_ODD']);
    expect(await codes('/d/right.vhd')).toEqual([]);
  });

  test('bytes between data and footer are said; zeros behind the footer are mended', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: 20 << 20, type: 'fixed' });
    const file = storage.open('/d/a.vhd', 'write');
    const footer = readBytesSync(file, 20 << 20, 512);
    await file.truncate(21 << 20);
    file.writeSync(new Uint8Array(512), 0, 512, 20 << 20);
    file.writeSync(footer, 0, 512, 21 << 20);
    expect(await check('/d/a.vhd', { storage })).toMatchObject([
      { code: 'DATA_PADDED', severity: 'note', message: expect.stringMatching(/Azure/) },
    ]);
    await createImage('/d/b.vhd', { storage, sizeBytes: 20 << 20, type: 'fixed' });
    await storage.open('/d/b.vhd', 'write').truncate(21 << 20);
    expect(await check('/d/b.vhd', { storage })).toMatchObject([{ code: 'FOOTER_PADDED', severity: 'warning' }]);
    expect((await repairImage('/d/b.vhd', { storage })).left).toEqual([]);
    expect(storage.stat('/d/b.vhd')?.sizeBytes).toBe((20 << 20) + 512);
  });

  test('bytes between the last block and the footer of a dynamic image are said', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: 4 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    const disk = await openChain('/d/a.vhd', { storage, isReadOnly: false });
    await disk.write(new Uint8Array(512).fill(1), 0);
    await disk.close();
    expect(await check('/d/a.vhd', { storage })).toEqual([]);
    const file = storage.open('/d/a.vhd', 'write');
    const end = file.sizeBytes;
    const footer = readBytesSync(file, end - 512, 512);
    file.writeSync(new Uint8Array(512), 0, 512, end - 512);
    file.writeSync(footer, 0, 512, end + 64 * 1024);
    expect(await check('/d/a.vhd', { storage })).toMatchObject([{ code: 'DATA_PADDED', severity: 'note' }]);
  });
});
