/** Changes of a chain while it is in use: snapshot, splice after a merge, and the map of changes. */
import { describe, expect, test } from 'vitest';
import { openImage } from '../formats/open.ts';
import type { Image } from '../image/image.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from '../testing/images.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../testing/random.ts';
import { SECTOR_BYTES } from '../units.ts';
import { ChainDisk } from './chain-disk.ts';
import { openChain, openLinks } from './open.ts';

const SIZE = 4 * SMALL_BLOCK_BYTES;
const pathOf = (link: number): string => `/disks/${link}.vhd`;

/** A disk whose chain grows by live snapshots: link 0 is `/disks/0.vhd`, the root. */
class LiveDisk {
  readonly storage: MemoryStorage = new MemoryStorage();
  readonly content: Uint8Array = new Uint8Array(SIZE);
  /** What the disk held at each snapshot. */
  readonly snapshots: Uint8Array[] = [];
  readonly random: Random;
  disk!: ChainDisk;
  #next = 1;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  async start(type: 'dynamic' | 'fixed' = 'dynamic'): Promise<this> {
    await makeImage(this.storage, pathOf(0), { sizeBytes: SIZE, type });
    // Large writes are the asynchronous ones: from 16 KiB, so that there are many.
    this.disk = await openChain(pathOf(0), {
      storage: this.storage,
      isReadOnly: false,
      limits: { asyncBytes: 16_384 },
    });
    return this;
  }

  /** Starts a write; the model has it at once, so nothing else may touch the range until it is done. */
  write(): Promise<void> {
    const length = this.random.pick([512, 4096, 700, 20_000, 100_000]);
    const offset = this.random.below(SIZE - length);
    const bytes = this.random.bytes(length);
    this.content.set(bytes, offset);
    return Promise.resolve(this.disk.write(bytes, offset));
  }

  async push(): Promise<void> {
    const child = pathOf(this.#next++);
    const leaf = this.disk.links[0];
    const blockBytes = leaf === undefined || leaf.isWhole ? 4 * SMALL_BLOCK_BYTES : leaf.blockBytes;
    await makeChild(this.storage, child, leaf?.path ?? '', { blockBytes });
    const pushed = this.disk.pushLeaf(openImage(child, { storage: this.storage, isReadOnly: false }));
    this.snapshots.push(this.content.slice());
    await pushed;
  }

  async check(disk: ChainDisk = this.disk, content: Uint8Array = this.content): Promise<void> {
    const bytes = new Uint8Array(SIZE).fill(0x55);
    await disk.read(bytes, 0);
    expect(Buffer.compare(bytes, content)).toBe(0);
  }
}

/** Copies what `from` stores of its own into `to`: what a merge does, less its journal. */
async function copyOwn(from: Image, to: Image, isOver: (sector: number) => boolean): Promise<void> {
  const owners = new Uint8Array(SIZE / SECTOR_BYTES).fill(255);
  from.claimSectors(owners, owners.length, 0, 1, 255);
  const bytes = new Uint8Array(SECTOR_BYTES);
  for (let sector = 0; sector < owners.length; sector++) {
    if (owners[sector] !== 1 || !isOver(sector)) continue;
    const offset = sector * SECTOR_BYTES;
    const block = Math.floor(offset / to.blockBytes);
    from.file.readSync(bytes, 0, SECTOR_BYTES, from.positionOf(offset));
    to.file.writeSync(bytes, 0, SECTOR_BYTES, to.ensureBlock(block) + (offset % to.blockBytes));
    to.markWritten(block, (offset % to.blockBytes) / SECTOR_BYTES, 1);
  }
  await to.flush();
}

describe('a live snapshot', () => {
  for (let seed = 1; seed <= 6 * TEST_DEPTH; seed++) {
    test(`keeps what was written before it, and the disk goes on, program ${seed}`, async () => {
      const live = await new LiveDisk(seed).start(seed % 3 === 0 ? 'fixed' : 'dynamic');
      for (let round = 0; round < 5; round++) {
        for (let i = 0; i < 12; i++) await live.write();
        await live.check();
        await live.push();
      }
      await live.write();
      await live.check();
      await live.disk.close();
      for (const [i, content] of live.snapshots.entries()) {
        const snapshot = await openChain(pathOf(i), { storage: live.storage });
        await live.check(snapshot, content);
        await snapshot.close();
      }
    });
  }

  test('waits for large writes under way and holds back those that come, so that each is on one side', async () => {
    const live = await new LiveDisk(7).start();
    const before = [new Uint8Array(100_000).fill(1), new Uint8Array(100_000).fill(2)];
    const writes = before.map((bytes, i) => live.disk.write(bytes, i * 200_000));
    const pushed = live.push();
    await new Promise((resolve) => setImmediate(resolve));
    const after = live.disk.write(new Uint8Array(100_000).fill(3), 0);
    await Promise.all([...writes, pushed, after]);
    const old = live.disk.links[1];
    expect(old?.path).toBe(pathOf(0));
    const bytes = new Uint8Array(1);
    old?.file.readSync(bytes, 0, 1, old.positionOf(0));
    expect(bytes[0]).toBe(1);
    await live.disk.read(bytes, 0);
    expect(bytes[0]).toBe(3);
    await live.disk.close();
  });

  test('BOUNDED: refuses a link too many, and a leaf that does not fit', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, pathOf(0), { sizeBytes: SIZE });
    await makeChild(storage, pathOf(1), pathOf(0));
    await makeChild(storage, pathOf(2), pathOf(0), { sizeBytes: 2 * SIZE });
    const disk = await openChain(pathOf(0), {
      storage,
      isReadOnly: false,
      isLookingForChildren: false,
      limits: { chainLinks: 1 },
    });
    const child = openImage(pathOf(1), { storage, isReadOnly: false });
    await expect(disk.pushLeaf(child)).rejects.toMatchObject({ code: 'CHAIN_TOO_LONG' });
    await expect(disk.pushLeaf(openImage(pathOf(1), { storage }))).rejects.toMatchObject({ code: 'USAGE' });
    const larger = openImage(pathOf(2), { storage, isReadOnly: false });
    await expect(disk.pushLeaf(larger)).rejects.toMatchObject({ code: 'USAGE' });
    await disk.close();
  });
});

describe('splicing out a link', () => {
  for (const direction of ['down', 'up'] as const) {
    for (let seed = 1; seed <= 3 * TEST_DEPTH; seed++) {
      test(`that was merged ${direction} leaves the disk as it is, before and after a new open, program ${seed}`, async () => {
        const live = await new LiveDisk(seed).start();
        for (let round = 0; round < 4; round++) {
          for (let i = 0; i < 12; i++) await live.write();
          if (round < 3) await live.push();
        }
        await live.disk.flush();
        const { links } = live.disk;
        const [link, into] = direction === 'down' ? [1, 2] : [2, 1];
        const [source, target] = [links[link], links[into]].map((image) => image?.path ?? '');
        const from = openImage(source ?? '', { storage: live.storage });
        const to = openImage(target ?? '', { storage: live.storage, isReadOnly: false, isCommit: true });
        // Upwards, only what the upper link does not hide.
        const own = new Uint8Array(SIZE / SECTOR_BYTES).fill(255);
        to.claimSectors(own, own.length, 0, 1, 255);
        await copyOwn(from, to, (sector) => direction === 'down' || own[sector] === 255);
        await Promise.all([from.close(), to.close()]);
        await live.write();
        await live.disk.spliceLink(link, into, openImage(target ?? '', { storage: live.storage }));
        expect(live.disk.links.map(({ path }) => path)).not.toContain(source);
        for (let i = 0; i < 6; i++) await live.write();
        await live.check();
        await live.push(); // Its slot is used again.
        await live.write();
        await live.check();
        const images = live.disk.links.map(({ path }) => path);
        await live.disk.close();
        const again = new ChainDisk(images.map((path) => openImage(path, { storage: live.storage })));
        await live.check(again);
        await again.close();
      });
    }
  }

  for (const type of ['dynamic', 'fixed'] as const) {
    test(`the leaf, committed into a ${type} parent, makes the parent the leaf that is written to`, async () => {
      const live = await new LiveDisk(5).start(type);
      for (let i = 0; i < 10; i++) await live.write();
      await live.push();
      for (let i = 0; i < 10; i++) await live.write();
      await live.disk.flush();
      const from = openImage(pathOf(1), { storage: live.storage });
      const to = openImage(pathOf(0), { storage: live.storage, isReadOnly: false, isCommit: true });
      if (type === 'dynamic') await copyOwn(from, to, () => true);
      else {
        const owners = new Uint8Array(SIZE / SECTOR_BYTES).fill(255);
        from.claimSectors(owners, owners.length, 0, 1, 255);
        const bytes = new Uint8Array(SECTOR_BYTES);
        for (const [sector, owner] of owners.entries()) {
          if (owner !== 1) continue;
          from.file.readSync(bytes, 0, SECTOR_BYTES, from.positionOf(sector * SECTOR_BYTES));
          to.file.writeSync(bytes, 0, SECTOR_BYTES, sector * SECTOR_BYTES);
        }
      }
      await from.close();
      const readOnly = openImage(pathOf(0), { storage: live.storage });
      await expect(live.disk.spliceLink(0, 1, readOnly)).rejects.toMatchObject({ code: 'USAGE' });
      await readOnly.close();
      await live.disk.spliceLink(0, 1, to);
      for (let i = 0; i < 10; i++) await live.write();
      await live.check();
      await live.disk.close();
      const again = await openChain(pathOf(0), { storage: live.storage });
      await live.check(again);
      await again.close();
    });
  }

  test('refuses links that are not neighbours', async () => {
    const live = await new LiveDisk(1).start();
    await live.push();
    await live.push();
    await expect(live.disk.spliceLink(0, 2)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(live.disk.spliceLink(2, 3)).rejects.toMatchObject({ code: 'USAGE' });
    await live.disk.close();
  });
});

describe('the map', () => {
  test('says the link of each run, and what changed since a snapshot', async () => {
    const live = await new LiveDisk(1).start();
    const { disk } = live;
    const KIB = 1024;
    await disk.write(new Uint8Array(8 * KIB).fill(1), 0);
    await live.push();
    await disk.write(new Uint8Array(4 * KIB).fill(2), 2 * KIB);
    await live.push();
    await disk.write(new Uint8Array(1 * KIB).fill(3), 3 * KIB);
    const runs = (await disk.extents(0, SIZE)).map(({ offset, length, link }) => [offset, length, link]);
    expect(runs).toEqual([
      [0, 2 * KIB, 2],
      [2 * KIB, KIB, 1],
      [3 * KIB, KIB, 0],
      [4 * KIB, 2 * KIB, 1],
      [6 * KIB, SMALL_BLOCK_BYTES - 6 * KIB, 2], // The root stores whole blocks.
      [SMALL_BLOCK_BYTES, SIZE - SMALL_BLOCK_BYTES, undefined],
    ]);
    expect((await disk.extents(KIB, 2 * KIB, 1)).map(({ offset, length }) => [offset, length])).toEqual([[KIB, KIB]]);
    const since = async (link: number): Promise<unknown> =>
      (await disk.changedSince(link, 0, SIZE)).map(({ offset, length, isAllocated }) => [offset, length, isAllocated]);
    expect(await since(1)).toEqual([
      [0, 3 * KIB, false],
      [3 * KIB, KIB, true],
      [4 * KIB, SIZE - 4 * KIB, false],
    ]);
    expect(await since(2)).toEqual([
      [0, 2 * KIB, false],
      [2 * KIB, KIB, true],
      [3 * KIB, KIB, true],
      [4 * KIB, 2 * KIB, true],
      [6 * KIB, SIZE - 6 * KIB, false],
    ]);
    await disk.close();
    const links = openLinks(pathOf(2), { storage: live.storage });
    expect(links.map(({ path }) => path)).toEqual([pathOf(2), pathOf(1), pathOf(0)]);
    for (const image of links) await image.close();
  });

  test('of random programs agrees with what reads return: runs cover the range, zero runs are zero', {
    timeout: DEEP_TIMEOUT_MS,
  }, async () => {
    for (let seed = 1; seed <= 5 * TEST_DEPTH; seed++) {
      const live = await new LiveDisk(seed).start();
      for (let i = 0; i < 30; i++) {
        if (i % 10 === 9) await live.push();
        await live.write();
      }
      let at = 0;
      for (const extent of await live.disk.extents(0, SIZE)) {
        expect(extent.offset).toBe(at);
        at += extent.length;
        if (!extent.isZero) continue;
        const isZero = live.content.subarray(extent.offset, at).every((byte) => byte === 0);
        expect(isZero).toBe(true);
      }
      expect(at).toBe(SIZE);
      await live.disk.close();
    }
  });
});
