/** Operations against a buffer that knows the truth: content stays, what is refused is refused, nothing is left behind. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openChain } from '../chain/open.ts';
import type { NativeFormat } from '../formats/format.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { Random, TEST_DEPTH } from '../testing/random.ts';
import { GIB, MIB } from '../units.ts';
import { checkImage } from './check.ts';
import { compactImage } from './compact.ts';
import { convertDisk, openSource } from './convert.ts';
import { createChild, createImage } from './create.ts';
import { diffDisks } from './diff.ts';
import { finishPending } from './finish.ts';
import { hashDisk } from './hash.ts';
import { chainInfo, imageInfo } from './info.ts';
import { type MapEntry, mapDisk } from './map.ts';
import { mergeImage } from './merge.ts';
import { rebaseImage } from './rebase.ts';
import { receiveDisk } from './receive.ts';
import { resizeImage } from './resize.ts';
import { snapshotImage } from './snapshot.ts';
import { exportStream } from './stream.ts';
import { makeKnownChain, readAll, writeAtRandom } from './testing/chains.ts';

const BLOCK_BYTES = 512 * 1024;
const SIZE_BYTES = 3 * BLOCK_BYTES + 5 * 512;

/** No operation leaves a temporary file, a journal or a lock. */
function leftovers(storage: MemoryStorage): readonly string[] {
  return [...storage.nodes.keys()].filter((name) => !name.endsWith('.vhd'));
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('a random life of a chain', () => {
  for (let seed = 1; seed <= Math.round(12 * TEST_DEPTH); seed++) {
    test(`seed ${seed}`, async () => {
      const random = new Random(seed);
      const storage = new MemoryStorage();
      const chain = await makeKnownChain(storage, random, { links: 1 + random.below(3), sizeBytes: SIZE_BYTES });
      const { leaf } = chain;
      let content = chain.content;
      for (let step = 0; step < 12; step++) {
        const verb = random.pick(['write', 'write', 'snapshot', 'merge', 'compact', 'grow', 'rebase'] as const);
        const links = chainInfo(leaf, { storage });
        const target = links[1 + random.below(links.length)]?.path;
        if (verb === 'write') await writeAtRandom(leaf, storage, random, content, 3);
        else if (verb === 'snapshot') await snapshotImage(leaf, { storage, as: `/disks/snap-${step}.vhd` });
        else if (verb === 'compact') await compactImage(leaf, { storage });
        else if (verb === 'grow') {
          content = Buffer.concat([content, Buffer.alloc(random.below(2 * BLOCK_BYTES) & ~511)]);
          await resizeImage(leaf, { storage, sizeBytes: content.length });
        } else if (verb === 'rebase' && target !== undefined) await rebaseImage(leaf, { storage, parent: target });
        else if (verb === 'merge' && 2 < links.length) {
          // A rebase may have left others that depend on the link: then the merge refuses and changes nothing.
          const merge = mergeImage(links[1]?.path ?? '', { storage });
          await merge.catch((error: unknown) => expect(error).toMatchObject({ code: 'HAS_CHILDREN' }));
        }
        expect((await readAll(leaf, storage)).equals(content), `${verb} at step ${step}`).toBe(true);
        expect(
          (await checkImage(leaf, { storage, isChain: true, isDeep: true })).filter((f) => f.severity !== 'note'),
        ).toEqual([]);
      }
      expect(leftovers(storage)).toEqual([]);
    });
  }
});

describe('convert', () => {
  for (const to of ['raw', 'fixed', 'dynamic'] as const satisfies readonly NativeFormat[]) {
    test(`a chain to ${to} and back`, async () => {
      const storage = new MemoryStorage();
      const { leaf, content } = await makeKnownChain(storage, new Random(5), { links: 3, sizeBytes: SIZE_BYTES });
      const disk = await openSource(leaf, { storage });
      await convertDisk(disk, '/disks/flat.img', { storage, to });
      await disk.close();
      const flat = await openSource('/disks/flat.img', { storage });
      const bytes = Buffer.alloc(flat.sizeBytes);
      await flat.read(bytes, 0);
      expect(bytes.equals(content)).toBe(true);
      expect(await hashDisk(flat)).toBe(createHash('sha256').update(content).digest('hex'));
      const stream = await exportStream(flat, { to });
      const chunks = (await all(copied(stream.chunks))) as Buffer[];
      expect(Buffer.concat(chunks).length).toBe(stream.lengthBytes);
      await receiveDisk(streamOf(chunks, 1000), '/disks/again.img', { storage, to: 'raw' });
      expect(storage.stat('/disks/again.img')?.sizeBytes).toBe(Math.ceil(stream.lengthBytes / 512) * 512);
      await flat.close();
    });
  }
  test('quirk 20: what Azure takes is fixed, of whole MiB, 20 MiB at least', async () => {
    const storage = new MemoryStorage();
    await createImage('/a.vhd', { storage, sizeBytes: 21 * MIB + 512 });
    const disk = await openSource('/a.vhd', { storage });
    await convertDisk(disk, '/azure.vhd', { storage, to: 'fixed', isForAzure: true });
    expect(((storage.stat('/azure.vhd')?.sizeBytes ?? 0) - 512) % MIB).toBe(0);
    expect(imageInfo('/azure.vhd', { storage }).virtualBytes).toBe(22 * MIB);
    await expect(convertDisk(disk, '/no.vhd', { storage, to: 'dynamic', isForAzure: true })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await disk.close();
  });
  test('quirk 21: a fixed image has all its bytes, a dynamic one the block size that was asked for', async () => {
    const storage = new MemoryStorage();
    await createImage('/f.vhd', { storage, sizeBytes: 3 * MIB, type: 'fixed' });
    await createImage('/d.vhd', { storage, sizeBytes: 3 * MIB, blockBytes: MIB });
    expect(storage.stat('/f.vhd')?.sizeBytes).toBe(3 * MIB + 512);
    expect(imageInfo('/d.vhd', { storage }).blockBytes).toBe(MIB);
  });
  test('a cancelled conversion leaves nothing', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(6), { links: 1, sizeBytes: SIZE_BYTES });
    const disk = await openSource(leaf, { storage });
    const signal = AbortSignal.abort();
    await expect(convertDisk(disk, '/disks/x.raw', { storage, to: 'raw', signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(leftovers(storage)).toEqual([]);
  });
  test('a damaged image that is called .vhd is not taken for raw', async () => {
    const storage = new MemoryStorage();
    const file = storage.open('/x.vhd', 'create');
    await file.truncate(MIB);
    await expect(openSource('/x.vhd', { storage })).rejects.toMatchObject({ code: 'NOT_VHD' });
  });
});

async function* copied(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

async function* streamOf(chunks: readonly Buffer[], step: number): AsyncGenerator<Buffer> {
  for (const chunk of chunks) for (let at = 0; at < chunk.length; at += step) yield chunk.subarray(at, at + step);
}

describe('map and diff', () => {
  test('the map covers the disk, and says which link has what', async () => {
    const storage = new MemoryStorage();
    const { leaf, names, content } = await makeKnownChain(storage, new Random(7), { links: 3, sizeBytes: SIZE_BYTES });
    const disk = await openChain(leaf, { storage });
    const entries: readonly MapEntry[] = await all(mapDisk(disk));
    let at = 0;
    for (const entry of entries) {
      expect(entry.start).toBe(at);
      at += entry.length;
      if (!entry.present) expect(content.subarray(entry.start, at).every((byte) => byte === 0)).toBe(true);
      else expect(names).toContain(entry.file);
    }
    expect(at).toBe(SIZE_BYTES);
    await disk.close();
  });
  test('differences are those of the bytes', async () => {
    const storage = new MemoryStorage();
    const { names, contents } = await makeKnownChain(storage, new Random(8), { links: 3, sizeBytes: SIZE_BYTES });
    for (const [i, j] of [
      [0, 2],
      [1, 2],
      [2, 0],
      [1, 1],
    ] as const) {
      const a = await openChain(names[i] ?? '', { storage });
      const b = await openChain(names[j] ?? '', { storage });
      const changed = new Uint8Array(SIZE_BYTES / 512);
      for (const { offset, length } of await all(diffDisks(a, b, { storage })))
        changed.fill(1, offset / 512, (offset + length) / 512);
      const wanted = changed.map((_, sector) => {
        const [from, to] = [sector * 512, sector * 512 + 512];
        return contents[i]?.subarray(from, to).equals(contents[j]?.subarray(from, to) ?? Buffer.alloc(0)) === true
          ? 0
          : 1;
      });
      expect(Buffer.from(changed).equals(Buffer.from(wanted))).toBe(true);
      await a.close();
      await b.close();
    }
  });
});

describe('merge', () => {
  test('refuses when other images depend on what would change, and lists them', async () => {
    const storage = new MemoryStorage();
    const { names } = await makeKnownChain(storage, new Random(9), { links: 3, sizeBytes: SIZE_BYTES });
    await createChild('/disks/other.vhd', { storage, parent: names[0] ?? '' });
    const merge = mergeImage(names[1] ?? '', { storage });
    await expect(merge).rejects.toMatchObject({ code: 'HAS_CHILDREN', message: expect.stringContaining('other.vhd') });
    expect((await readAll('/disks/other.vhd', storage)).equals(await readAll(names[0] ?? '', storage))).toBe(true);
  });
  test('an image without parent cannot be merged, and only into an ancestor', async () => {
    const storage = new MemoryStorage();
    const { names, leaf } = await makeKnownChain(storage, new Random(10), { links: 2, sizeBytes: SIZE_BYTES });
    await expect(mergeImage(names[0] ?? '', { storage })).rejects.toMatchObject({ code: 'NO_PARENT' });
    await expect(mergeImage(leaf, { storage, into: leaf })).rejects.toMatchObject({ code: 'NOT_AN_ANCESTOR' });
  });
  test('of a leaf makes its parent writable again', async () => {
    const storage = new MemoryStorage();
    const { leaf, names, content } = await makeKnownChain(storage, new Random(11), { links: 2, sizeBytes: SIZE_BYTES });
    const result = await mergeImage(leaf, { storage });
    expect(result).toMatchObject({ target: names[0], removed: [leaf], relinked: [] });
    await writeAtRandom(names[0] ?? '', storage, new Random(1), Buffer.from(content), 1);
  });
  test('a leaf that somebody writes to is LOCKED', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(12), { links: 2, sizeBytes: SIZE_BYTES });
    const disk = await openChain(leaf, { storage, isReadOnly: false });
    for (const work of [
      mergeImage(leaf, { storage }),
      compactImage(leaf, { storage }),
      resizeImage(leaf, { storage, sizeBytes: GIB }),
      snapshotImage(leaf, { storage }),
    ]) {
      await expect(work).rejects.toMatchObject({ code: 'LOCKED' });
    }
    await disk.close();
  });
  test('a merge that was stopped is finished when the image is opened next', async () => {
    const storage = new MemoryStorage();
    const { leaf, names, content } = await makeKnownChain(storage, new Random(13), { links: 2, sizeBytes: SIZE_BYTES });
    const abort = new AbortController();
    const merge = mergeImage(leaf, { storage, signal: abort.signal, onProgress: () => abort.abort() });
    await expect(merge).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await readAll(leaf, storage)).equals(content)).toBe(true);
    await expect(openChain(names[0] ?? '', { storage })).rejects.toMatchObject({ code: 'IN_PROGRESS' });
    await finishPending(leaf, { storage });
    expect(storage.stat(leaf)).toBeUndefined();
    expect((await readAll(names[0] ?? '', storage)).equals(content)).toBe(true);
  });
  test('SEALED-STAYS: an image with a child is not changed by compact, resize or rebase', async () => {
    const storage = new MemoryStorage();
    const { names } = await makeKnownChain(storage, new Random(14), { links: 3, sizeBytes: SIZE_BYTES });
    const [base = '', middle = ''] = names;
    await expect(compactImage(base, { storage })).rejects.toMatchObject({ code: 'SEALED' });
    await expect(resizeImage(base, { storage, sizeBytes: GIB })).rejects.toMatchObject({ code: 'SEALED' });
    await expect(rebaseImage(middle, { storage, parent: base })).rejects.toMatchObject({ code: 'SEALED' });
  });
});

describe('resize', () => {
  test('quirk 19: growing to 2040 GiB moves no block and writes no more than the table', async () => {
    const storage = new MemoryStorage();
    const { leaf, content } = await makeKnownChain(storage, new Random(15), {
      links: 1,
      sizeBytes: SIZE_BYTES,
      blockBytes: 2 * MIB,
    });
    const before = storage.stat(leaf)?.sizeBytes;
    await resizeImage(leaf, { storage, sizeBytes: 2040 * GIB });
    expect(storage.stat(leaf)?.sizeBytes).toBe(before);
    const disk = await openChain(leaf, { storage });
    const bytes = Buffer.alloc(content.length);
    await disk.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    await disk.close();
    await expect(resizeImage(leaf, { storage, sizeBytes: 2041 * GIB })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
  test('quirk 17: all entries that a grown table gets are ones, not a quarter of them', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: 100 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    await resizeImage('/d/a.vhd', { storage, sizeBytes: 5000 * BLOCK_BYTES });
    const table = Buffer.alloc(5000 * 4);
    storage.open('/d/a.vhd', 'read').readSync(table, 0, table.length, 64 * 1024);
    expect(table.every((byte) => byte === 0xff)).toBe(true);
  });
  test('quirks 16 and 19: a table without room moves behind the data, and no batmap is expected any more', async () => {
    const storage = new MemoryStorage();
    const { leaf, content } = await makeKnownChain(storage, new Random(16), { links: 1, sizeBytes: SIZE_BYTES });
    const disk = await openSource(leaf, { storage });
    const stream = await exportStream(disk, { to: 'dynamic', blockBytes: BLOCK_BYTES }); // No room behind the table.
    const file = storage.open('/disks/tight.vhd', 'create');
    for await (const chunk of stream.chunks) file.writeSync(chunk, 0, chunk.byteLength, file.sizeBytes);
    await disk.close();
    const sizeBytes = 64 * GIB;
    await resizeImage('/disks/tight.vhd', { storage, sizeBytes });
    const info = imageInfo('/disks/tight.vhd', { storage });
    expect(info).toMatchObject({ virtualBytes: sizeBytes, creator: 'win ', blocks: sizeBytes / BLOCK_BYTES });
    const grown = await openChain('/disks/tight.vhd', { storage });
    const bytes = Buffer.alloc(content.length);
    await grown.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    await grown.close();
    // New blocks keep clear of the table, wherever it lies.
    const used = await openChain('/disks/tight.vhd', { storage, isReadOnly: false });
    for (let i = 1; i < 40; i++) await used.write(Buffer.alloc(512, i), i * GIB);
    await used.close();
    const left = (await checkImage('/disks/tight.vhd', { storage })).filter((finding) => finding.severity !== 'note');
    expect(left).toEqual([]);
    const again = await openChain('/disks/tight.vhd', { storage });
    await again.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    await again.close();
  });
  test('shrinking has to be asked for, and never cuts off data', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(17), { links: 2, sizeBytes: SIZE_BYTES, writes: 1 });
    await expect(resizeImage(leaf, { storage, sizeBytes: 512 })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(resizeImage(leaf, { storage, sizeBytes: 512, isShrinking: true })).rejects.toMatchObject({
      code: 'NOT_EMPTY',
    });
  });
});

describe('compact', () => {
  test('drops blocks of zeros, and keeps zeros that hide data of a parent', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/base.vhd', { storage, sizeBytes: 4 * BLOCK_BYTES, blockBytes: BLOCK_BYTES });
    await write('/d/base.vhd', Buffer.alloc(BLOCK_BYTES, 1), 0);
    await createChild('/d/leaf.vhd', { storage, parent: '/d/base.vhd', blockBytes: BLOCK_BYTES });
    await write('/d/leaf.vhd', Buffer.alloc(BLOCK_BYTES), 0);
    await write('/d/leaf.vhd', Buffer.alloc(BLOCK_BYTES), BLOCK_BYTES);
    await write('/d/leaf.vhd', Buffer.alloc(512, 7), 3 * BLOCK_BYTES);
    await compactImage('/d/leaf.vhd', { storage });
    expect(imageInfo('/d/leaf.vhd', { storage }).allocatedBlocks).toBe(2);
    const content = await readAll('/d/leaf.vhd', storage);
    expect(content.subarray(0, 3 * BLOCK_BYTES).every((byte) => byte === 0)).toBe(true);
    expect(content[3 * BLOCK_BYTES]).toBe(7);

    async function write(name: string, bytes: Buffer, offset: number): Promise<void> {
      const disk = await openChain(name, { storage, isReadOnly: false });
      await disk.write(bytes, offset);
      await disk.close();
    }
  });
  test('quirk 12: zeros over data of a parent stay zeros, also in a block that the child did not have', async () => {
    const storage = new MemoryStorage();
    const { leaf, content } = await makeKnownChain(storage, new Random(31), { links: 2, sizeBytes: SIZE_BYTES });
    const disk = await openChain(leaf, { storage, isReadOnly: false });
    await disk.writeZeroes(0, SIZE_BYTES, { mayUnmap: true });
    await disk.close();
    expect(content.some((byte) => byte !== 0)).toBe(true);
    await compactImage(leaf, { storage });
    expect((await readAll(leaf, storage)).every((byte) => byte === 0)).toBe(true);
  });
  test('keeps identity and parent', async () => {
    const storage = new MemoryStorage();
    const { leaf } = await makeKnownChain(storage, new Random(18), { links: 2, sizeBytes: SIZE_BYTES });
    const before = imageInfo(leaf, { storage });
    await compactImage(leaf, { storage });
    const after = imageInfo(leaf, { storage });
    expect(after.uuid).toBe(before.uuid);
    expect(after.parent).toEqual(before.parent);
  });
});

describe('rebase', () => {
  test('unsafe re-links a chain whose parent was moved', async () => {
    const storage = new MemoryStorage();
    const { leaf, names, content } = await makeKnownChain(storage, new Random(19), { links: 2, sizeBytes: SIZE_BYTES });
    storage.rename(names[0] ?? '', '/disks/moved/base.vhd');
    await expect(openChain(leaf, { storage })).rejects.toMatchObject({ code: 'PARENT_NOT_FOUND' });
    const policy = { folders: ['/disks/moved'] };
    await rebaseImage(leaf, { storage, parent: '/disks/moved/base.vhd', isUnsafe: true, policy });
    const disk = await openChain(leaf, { storage, policy });
    const bytes = Buffer.alloc(content.length);
    await disk.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    await disk.close();
  });
  test('onto a child of itself is CHAIN_LOOP', async () => {
    const storage = new MemoryStorage();
    const { leaf, names } = await makeKnownChain(storage, new Random(20), { links: 2, sizeBytes: SIZE_BYTES });
    await expect(rebaseImage(names[0] ?? '', { storage, parent: leaf, isUnsafe: true })).rejects.toMatchObject({
      code: 'CHAIN_LOOP',
    });
  });
});
