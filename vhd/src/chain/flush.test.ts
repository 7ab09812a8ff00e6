/** How flushes share syncs, what they cost, and what they say after a failure. */
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { FaultyStorage } from '../testing/faulty-storage.ts';
import { makeChild, makeImage, SMALL_BLOCK_BYTES } from '../testing/images.ts';
import { replayPowerCuts } from '../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS } from '../testing/random.ts';
import { RecordingStorage } from '../testing/recording-storage.ts';
import { SectorHistory } from '../testing/sector-history.ts';
import { SECTOR_BYTES } from '../units.ts';
import type { ChainDisk } from './chain-disk.ts';
import { openChain } from './open.ts';

const BASE = '/disks/base.vhd';
const LEAF = '/disks/leaf.vhd';
const BLOCK_SECTORS = SMALL_BLOCK_BYTES / SECTOR_BYTES;

/** A child of an image whose first blocks are written, recorded from here on. */
async function makePair(): Promise<RecordingStorage> {
  const recording = new RecordingStorage(new MemoryStorage());
  await makeImage(recording, BASE, { sizeBytes: 6 * SMALL_BLOCK_BYTES });
  const base = await openChain(BASE, { storage: recording, isReadOnly: false });
  await base.write(new Uint8Array(6 * SMALL_BLOCK_BYTES).fill(7), 0);
  await base.close();
  await makeChild(recording, LEAF, BASE);
  recording.start();
  return recording;
}

const open = (storage: Storage): Promise<ChainDisk> =>
  openChain(LEAF, { storage, isReadOnly: false, limits: { dirtyBlocks: 8 } });
const syncsOf = (recording: RecordingStorage): number => recording.log.filter(({ kind }) => kind === 'sync').length;
const ONE_SECTOR = new Uint8Array(SECTOR_BYTES).fill(1);

describe('a flush', () => {
  test('costs two syncs however much was written and allocated, one where nothing has to be shown, none where nothing was written', async () => {
    const recording = await makePair();
    const disk = await open(recording);
    for (let i = 0; i < 30; i++) await disk.write(ONE_SECTOR, (i % 3) * SMALL_BLOCK_BYTES + i * 4 * SECTOR_BYTES);
    expect(syncsOf(recording)).toBe(0); // None in between.
    await disk.flush();
    expect(syncsOf(recording)).toBe(2);
    await disk.write(ONE_SECTOR, 0);
    await disk.flush();
    expect(syncsOf(recording)).toBe(3);
    await disk.flush();
    expect(syncsOf(recording)).toBe(3);
    await disk.close();
  });

  test('is shared by those who ask before it begins, and by those who ask while another runs', async () => {
    const recording = await makePair();
    const disk = await open(recording);
    await disk.write(ONE_SECTOR, 0);
    const first = [disk.flush(), disk.flush(), disk.flush()];
    await new Promise((resolve) => setImmediate(resolve));
    await disk.write(ONE_SECTOR, SMALL_BLOCK_BYTES);
    const second = [disk.flush(), disk.flush()];
    await Promise.all([...first, ...second]);
    expect(syncsOf(recording)).toBe(4);
    await disk.close();
  });

  test('covers what a process before left in the page cache: the first one syncs, also when nothing was written', async () => {
    const recording = await makePair();
    const disk = await open(recording);
    await disk.flush();
    expect(syncsOf(recording)).toBe(1);
    await disk.close();
  });

  test('BOUNDED: metadata is written out when too much of it waits, and nobody has to ask', async () => {
    const recording = await makePair();
    const disk = await open(recording);
    for (let i = 0; i < 6; i++) await disk.write(ONE_SECTOR, i * SMALL_BLOCK_BYTES); // Entry and bitmap each: twelve.
    expect(disk.links[0]?.dirtyBlocks).toBeLessThanOrEqual(16);
    await new Promise<void>((resolve) => {
      const look = (): void => (syncsOf(recording) === 2 ? resolve() : void setImmediate(look));
      look();
    });
    await disk.close();
  });

  test('BOUNDED: metadata is written out after a while', async () => {
    const recording = await makePair();
    const disk = await openChain(LEAF, { storage: recording, isReadOnly: false, limits: { writeOutMs: 1 } });
    await disk.write(ONE_SECTOR, 0);
    await new Promise<void>((resolve) => {
      const look = (): void => (syncsOf(recording) === 2 ? resolve() : void setTimeout(look, 1));
      look();
    });
    await disk.close();
  });
});

describe('FLUSHED-IS-SAFE after a failure', () => {
  test('a sync that failed is never made good by one that succeeds later', async () => {
    const recording = await makePair();
    const faulty = new FaultyStorage(recording);
    const disk = await open(faulty);
    await disk.write(ONE_SECTOR, 0);
    await disk.flush();
    await disk.write(ONE_SECTOR, 0); // No metadata: the next call is the sync.
    faulty.failAt(faulty.calls);
    await expect(disk.flush()).rejects.toMatchObject({ code: 'IO' });
    expect(faulty.failed).toBe(`sync ${LEAF}`);
    await expect(disk.flush()).rejects.toMatchObject({ code: 'IO', message: expect.stringContaining('may be lost') });
    await expect(disk.close()).rejects.toMatchObject({ code: 'IO' });
    const again = await open(recording);
    await again.flush();
    await again.close();
  });

  test('a bitmap is not shown early because a flush failed between the table and the bitmaps', {
    timeout: DEEP_TIMEOUT_MS,
  }, async () => {
    // Fails each call of the second flush in turn.
    for (let at = 0; at < 14; at++) {
      const recording = await makePair();
      const history = new SectorHistory();
      const faulty = new FaultyStorage(recording);
      const disk = await open(faulty);
      const write = async (sector: number): Promise<void> => {
        const issued = history.stamp(sector, 1, recording.log.length);
        recording.mark('write');
        await disk.write(issued.bytes, sector * SECTOR_BYTES);
        issued.answered(recording.log.length);
      };
      await write(0);
      await disk.flush();
      await write(9); // A new bit in a block that is shown.
      await write(BLOCK_SECTORS); // A new block.
      faulty.failAt(faulty.calls + at);
      await disk.flush().catch(() => undefined);
      faulty.failAt(Number.POSITIVE_INFINITY);
      await write(BLOCK_SECTORS + 20); // A new bit in a block that may or may not be shown.
      await disk.flush().catch(() => undefined);
      await replayPowerCuts(recording, {
        seed: at,
        states: 400,
        check: async (storage, cut) => {
          const after = await open(storage);
          const bytes = new Uint8Array(SECTOR_BYTES);
          for (const sector of history.sectors) {
            await after.read(bytes, sector * SECTOR_BYTES);
            const first = bytes[0];
            if (bytes.every((byte) => byte === first)) bytes.fill(first === 7 ? 0 : 0xff); // 7: the parent's, the old content.
            history.verify(sector, bytes, cut.index, cut.isTornWithin);
          }
          await after.close();
        },
      });
      await disk.close().catch(() => undefined);
    }
  });
});
