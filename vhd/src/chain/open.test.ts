/** Opening images and chains: what is found, what is refused, and that nothing in a file can lead out of its folders. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isVhdError } from '../errors.ts';
import { openImage } from '../formats/open.ts';
import { BAT_UNUSED } from '../formats/vhd/codec/bat.ts';
import { encodeFooter } from '../formats/vhd/codec/footer.ts';
import { newChildImage, newDynamicImage, newFixedImage } from '../formats/vhd/codec/image.ts';
import { dateOf } from '../formats/vhd/codec/time.ts';
import { readBytesSync } from '../storage/file.ts';
import { MemoryContent } from '../storage/memory-file.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from '../testing/images.ts';
import { DEEP_TIMEOUT_MS, TEST_DEPTH } from '../testing/random.ts';
import {
  codesOf,
  contentOf,
  IMAGE,
  makeWritten,
  patch,
  patchFooters,
  patchHeader,
  recordsOf,
  SIZE,
} from '../testing/written.ts';
import { GIB } from '../units.ts';
import { openChain } from './open.ts';

describe('the footer', () => {
  test('quirk 1: 511 bytes are read, and written back as 512', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    const { footer, sizeBytes } = recordsOf(storage, IMAGE);
    const file = storage.open(IMAGE, 'write');
    await file.truncate(sizeBytes - 512);
    file.writeSync(encodeFooter(footer), 0, 511, sizeBytes - 512);
    file.writeSync(new Uint8Array(512), 0, 512, 0); // No copy to fall back on.
    expect(await codesOf(storage)).toEqual(['FOOTER_SHORT', 'FOOTER_HEAD']);
    expect(await contentOf(storage)).toBe(9);
    await (await openChain(IMAGE, { storage, isReadOnly: false })).close();
    expect(file.sizeBytes).toBe(sizeBytes);
    expect(await codesOf(storage)).toEqual(['FOOTER_HEAD']);
  });

  test('quirk 2: the tail is taken where it is valid, else the copy, and a difference is a finding', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    const { footer, sizeBytes } = recordsOf(storage, IMAGE);
    patch(storage, IMAGE, 0, encodeFooter({ ...footer, timestampSeconds: 1 }));
    expect(await codesOf(storage)).toEqual(['FOOTER_MISMATCH']);
    const image = openImage(IMAGE, { storage });
    expect(image.describe().createdAt).toBe(dateOf(footer.timestampSeconds).toISOString());
    await image.close();
    patch(storage, IMAGE, sizeBytes - 512, new Uint8Array(512));
    expect(await codesOf(storage)).toEqual(['FOOTER_TAIL']);
    expect(await contentOf(storage)).toBe(9);
    await (await openChain(IMAGE, { storage, isReadOnly: false })).close(); // Heals.
    expect(await codesOf(storage)).toEqual([]);
  });

  test('a footer of another identity at the end is content of the disk: a guest cannot make us open its own', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    const { footer, sizeBytes } = recordsOf(storage, IMAGE);
    const planted = { ...footer, uuid: '11111111-2222-3333-4444-555555555555', currentSizeBytes: 512 };
    patch(storage, IMAGE, sizeBytes - 512, encodeFooter(planted));
    const image = openImage(IMAGE, { storage });
    expect(image.sizeBytes).toBe(SIZE);
    expect(image.findings.map(({ code }) => code)).toEqual(['FOOTER_MISMATCH']);
    await image.close();
  });

  test('a footer at the start of a fixed image is content of the disk', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, IMAGE, { sizeBytes: 4096, type: 'fixed' });
    const inner = newDynamicImage({ sizeBytes: SIZE, uuid: '11111111-2222-3333-4444-555555555555', now: new Date() });
    patch(storage, IMAGE, 0, encodeFooter(inner.footer));
    const image = openImage(IMAGE, { storage });
    expect([image.describe().type, image.sizeBytes]).toEqual(['fixed', 4096]);
    await image.close();
  });
});

describe('an image that is not whole is refused', () => {
  const entryAt = 64 * 1024;
  const u32 = (value: number): Uint8Array => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const textOf = (length: number): MemoryContent => {
    const content = new MemoryContent();
    content.write(Buffer.alloc(length, 'text'), 0, length, 0);
    return content;
  };
  test.for([
    { it: 'is empty', code: 'NOT_VHD', change: async (s: MemoryStorage) => s.open(IMAGE, 'write').truncate(0) },
    { it: 'is text', code: 'NOT_VHD', change: async (s: MemoryStorage) => s.put(IMAGE, textOf(70_000)) },
    {
      it: 'ends in the table',
      code: 'BAT_TRUNCATED',
      change: async (s: MemoryStorage) => s.open(IMAGE, 'write').truncate(entryAt + 4),
    },
    {
      it: 'ends in the header',
      code: 'HEADER_TRUNCATED',
      change: async (s: MemoryStorage) => s.open(IMAGE, 'write').truncate(1024),
    },
    {
      it: 'has a block behind the end',
      code: 'BAT_ENTRY',
      change: async (s: MemoryStorage) => patch(s, IMAGE, entryAt, u32(0x7fff_ffff)),
    },
    {
      it: 'has a block on the header',
      code: 'BAT_ENTRY',
      change: async (s: MemoryStorage) => patch(s, IMAGE, entryAt, u32(1)),
    },
    {
      it: 'has a block on the footer copy',
      code: 'BAT_ENTRY',
      change: async (s: MemoryStorage) => patch(s, IMAGE, entryAt, u32(0)),
    },
    {
      it: 'has a block on the table',
      code: 'BAT_ENTRY',
      change: async (s: MemoryStorage) => patch(s, IMAGE, entryAt, u32(128)),
    },
    {
      it: 'has a table that is too short',
      code: 'HEADER_FIELD',
      change: async (s: MemoryStorage) => patchHeader(s, IMAGE, { maxTableEntries: 2 }),
    },
    {
      it: 'has a table behind the end',
      code: 'BAT_TRUNCATED',
      change: async (s: MemoryStorage) => patchHeader(s, IMAGE, { batOffset: 2 ** 40 }),
    },
    {
      it: 'is larger than its table',
      code: 'HEADER_FIELD',
      change: async (s: MemoryStorage) => patchFooters(s, IMAGE, { currentSizeBytes: 2040 * GIB }),
    },
    {
      it: 'is poisoned (quirk 18)',
      code: 'POISONED',
      change: async (s: MemoryStorage) => patchFooters(s, IMAGE, { isPoisoned: true }),
    },
    {
      it: 'has bitmaps of tapdisk 0.1 (quirk 12)',
      code: 'UNSUPPORTED',
      change: async (s: MemoryStorage) => patchFooters(s, IMAGE, { creatorApp: 'tap\0', creatorVersion: 1 }),
    },
  ])('one that $it: $code', async ({ code, change }) => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    await change(storage);
    expect(() => openImage(IMAGE, { storage })).toThrow(expect.objectContaining({ code }));
    await expect(openChain(IMAGE, { storage, isReadOnly: false })).rejects.toMatchObject({ code });
    await (await storage.lock(IMAGE)).release(); // The lock was given back.
  });

  test('a huge table in a short file is refused before anything is allocated for it', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, IMAGE, { sizeBytes: SIZE });
    patchFooters(storage, IMAGE, { currentSizeBytes: 2040 * GIB });
    patchHeader(storage, IMAGE, { maxTableEntries: 2 ** 22 });
    const file = storage.open(IMAGE, 'write');
    await file.truncate(70_000);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => openImage(IMAGE, { storage })).toThrow(expect.objectContaining({ code: 'BAT_TRUNCATED' }));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  });

  test('blocks that overlap are found, wherever they start', { timeout: DEEP_TIMEOUT_MS }, async () => {
    const blocks = 6;
    const span = 1 + SMALL_BLOCK_BYTES / 512;
    const first = 4096;
    const isFound = async (starts: readonly number[]): Promise<boolean> => {
      const storage = new MemoryStorage();
      await makeImage(storage, IMAGE, { sizeBytes: blocks * SMALL_BLOCK_BYTES });
      await storage.open(IMAGE, 'write').truncate(64 << 20);
      patch(storage, IMAGE, entryAt, Buffer.concat(starts.map((start) => u32(start))));
      try {
        await openImage(IMAGE, { storage }).close();
        return false;
      } catch (error) {
        return isVhdError(error, 'BAT_ENTRY');
      }
    };
    const tables = fc.array(fc.oneof(fc.constant(BAT_UNUSED), fc.integer({ min: 16384, max: 16384 + 8 * span })), {
      minLength: blocks,
      maxLength: blocks,
    });
    await fc.assert(
      fc.asyncProperty(tables, async (starts) => {
        const used = starts.filter((start) => start !== BAT_UNUSED).toSorted((a, b) => a - b);
        const overlaps = used.some((start, i) => 0 < i && start - (used[i - 1] ?? 0) < span);
        expect(await isFound(starts)).toBe(overlaps);
      }),
      { numRuns: 200 * TEST_DEPTH, seed: first },
    );
  });

  test('quirk 10: a table with more entries than the disk has blocks is read, and its rest is left alone', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    patchHeader(storage, IMAGE, { maxTableEntries: 9 });
    patch(storage, IMAGE, entryAt + 12, u32(0x1234_5678)); // Of a fourth block, which the disk does not have.
    const disk = await openChain(IMAGE, { storage, isReadOnly: false });
    await disk.write(new Uint8Array(SIZE).fill(5), 0);
    await disk.close();
    const file = storage.open(IMAGE, 'read');
    expect(Buffer.from(readBytesSync(file, entryAt + 12, 4)).readUInt32BE()).toBe(0x1234_5678);
    expect(await contentOf(storage)).toBe(5);
  });

  test('any damage gives an error of this package or a disk that can be read', {
    timeout: DEEP_TIMEOUT_MS,
  }, async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    await makeChild(storage, '/disks/b.vhd', IMAGE);
    const whole = storage.nodes.get('/disks/b.vhd')?.content ?? new MemoryContent();
    const places = fc.oneof(
      fc.integer({ min: 0, max: 2048 }),
      fc.integer({ min: 65_530, max: 65_560 }),
      fc.nat(whole.sizeBytes),
    );
    const damage = fc.record({
      places: fc.array(fc.tuple(places, fc.nat(255)), { maxLength: 6 }),
      cut: fc.option(fc.nat(whole.sizeBytes)),
    });
    await fc.assert(
      fc.asyncProperty(damage, async (done) => {
        const content = whole.clone();
        for (const [at, byte] of done.places) if (at < content.sizeBytes) content.write(Uint8Array.of(byte), 0, 1, at);
        if (done.cut !== null) content.truncate(done.cut);
        storage.put('/disks/c.vhd', content);
        try {
          const disk = await openChain('/disks/c.vhd', { storage, isReadOnly: false });
          await disk.read(new Uint8Array(Math.min(disk.sizeBytes, 1 << 20)), 0);
          await disk.close();
        } catch (error) {
          if (!isVhdError(error)) throw error;
        }
      }),
      { numRuns: 300 * TEST_DEPTH, seed: 20 },
    );
  });
});

test('BOUNDED: the tables of a chain, in bytes', async () => {
  const storage = new MemoryStorage();
  await makeWritten(storage);
  await makeChild(storage, '/disks/b.vhd', IMAGE);
  expect(await contentOf(storage, '/disks/b.vhd', { limits: { chainTableBytes: 5000 } })).toBe(9);
  const small = openChain('/disks/b.vhd', { storage, limits: { chainTableBytes: 4000 } });
  await expect(small).rejects.toMatchObject({ code: 'TOO_LARGE' });
});

describe('chains that have no end', () => {
  test('CHAIN_LOOP: an image that is its own ancestor', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, IMAGE, { sizeBytes: SIZE });
    await makeChild(storage, '/disks/b.vhd', IMAGE);
    await makeChild(storage, '/disks/c.vhd', '/disks/b.vhd');
    const { footer } = recordsOf(storage, '/disks/c.vhd');
    const loop = newChildImage(
      {
        sizeBytes: SIZE,
        uuid: recordsOf(storage, '/disks/b.vhd').footer.uuid,
        now: new Date(),
        blockBytes: SMALL_BLOCK_BYTES,
      },
      {
        identity: footer.uuid,
        name: 'c.vhd',
        relativePath: './c.vhd',
        absolutePath: '/disks/c.vhd',
        modified: new Date(),
      },
    );
    for (const part of loop.parts) patch(storage, '/disks/b.vhd', part.offset, part.bytes);
    await expect(openChain('/disks/c.vhd', { storage })).rejects.toMatchObject({ code: 'CHAIN_LOOP' });
  });

  test('CHAIN_TOO_LONG: a thousand links', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, '/disks/0.vhd', { sizeBytes: SIZE });
    for (let i = 1; i < 1000; i++) await makeChild(storage, `/disks/${i}.vhd`, `/disks/${i - 1}.vhd`);
    await expect(openChain('/disks/999.vhd', { storage })).rejects.toMatchObject({ code: 'CHAIN_TOO_LONG' });
    expect(await contentOf(storage, '/disks/199.vhd')).toBe(0);
    await expect(openChain('/disks/200.vhd', { storage })).rejects.toMatchObject({ code: 'CHAIN_TOO_LONG' });
  });
});

test('quirk 16: no block is dropped where a batmap behind the table would still call it full', async () => {
  const storage = new MemoryStorage();
  await makeWritten(storage);
  for (const [creatorApp, isKept] of [
    ['win ', false],
    ['tap\0', true],
  ] as const) {
    patchFooters(storage, IMAGE, { creatorApp, creatorVersion: 0x0001_0003 });
    const disk = await openChain(IMAGE, { storage, isReadOnly: false });
    await disk.write(new Uint8Array(512).fill(9), SMALL_BLOCK_BYTES);
    await disk.trim(0, SIZE);
    expect(disk.links[0]?.hasBlocks(0, SIZE)).toBe(isKept);
    await disk.close();
  }
});

describe('SEALED-STAYS', () => {
  test('an image that lost its write permission, or that has a child, is not opened for writing', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    await makeChild(storage, '/disks/b.vhd', IMAGE);
    await expect(openChain(IMAGE, { storage, isReadOnly: false })).rejects.toMatchObject({
      code: 'SEALED',
      message: expect.stringContaining('b.vhd'),
    });
    storage.remove('/disks/b.vhd');
    await (await openChain(IMAGE, { storage, isReadOnly: false })).close();
    storage.setWritable(IMAGE, false);
    await expect(openChain(IMAGE, { storage, isReadOnly: false })).rejects.toMatchObject({ code: 'SEALED' });
    expect(() => openImage(IMAGE, { storage, isReadOnly: false })).toThrow(expect.objectContaining({ code: 'SEALED' }));
    expect(await contentOf(storage)).toBe(9);
  });

  test('a write to a chain changes the leaf only', async () => {
    const storage = new MemoryStorage();
    await makeWritten(storage);
    await makeChild(storage, '/disks/b.vhd', IMAGE);
    const before = readBytesSync(storage.open(IMAGE, 'read'), 0, storage.stat(IMAGE)?.sizeBytes ?? 0);
    const disk = await openChain('/disks/b.vhd', { storage, isReadOnly: false });
    await disk.write(new Uint8Array(SIZE - 7).fill(1), 3);
    await disk.writeZeroes(0, SIZE, { mayUnmap: true });
    await disk.trim(0, SIZE);
    await disk.close();
    const after = readBytesSync(storage.open(IMAGE, 'read'), 0, storage.stat(IMAGE)?.sizeBytes ?? 0);
    expect(Buffer.compare(before, after)).toBe(0);
  });
});

test('a fixed image that is shorter than its disk is refused', async () => {
  const storage = new MemoryStorage();
  const image = newFixedImage({ sizeBytes: 4096, uuid: '11111111-2222-3333-4444-555555555555', now: new Date() });
  const content = new MemoryContent();
  content.write(encodeFooter(image.footer), 0, 512, 1024);
  storage.put(IMAGE, content);
  expect(() => openImage(IMAGE, { storage })).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
});
