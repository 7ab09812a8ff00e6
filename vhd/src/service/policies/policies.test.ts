/** The wrappers over an open disk, each alone. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Disk, MaybeAsync } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { MemoryDisk } from '../../nbd/memory-disk.ts';
import { Ceiling } from './ceiling.ts';
import { FaultWatch } from './fault-watch.ts';
import { Fence } from './fence.ts';
import { Hold } from './hold.ts';

const MIB = 1 << 20;
const bytes = (length: number): Buffer => Buffer.alloc(length, 1);

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1000); // So that a ceiling has its credit.
});
afterEach(() => void vi.useRealTimers());

/** A disk whose requests fail where and while a test says so. */
class FailingDisk extends MemoryDisk {
  failing: ((at: number) => string | undefined) | undefined;
  override write(from: Uint8Array, offset: number, start?: number, length?: number): MaybeAsync {
    const code = this.failing?.(offset);
    if (code !== undefined) throw new VhdError(code as 'IO', `write at ${offset} failed`);
    return super.write(from, offset, start, length);
  }
}

describe('FaultWatch', () => {
  const setup = (): { inner: FailingDisk; watch: FaultWatch; changes: (string | undefined)[] } => {
    const inner = new FailingDisk(MIB);
    const changes: (string | undefined)[] = [];
    const watch: FaultWatch = new FaultWatch(inner, () => changes.push(watch.fault?.code));
    return { inner, watch, changes };
  };
  const fail = (watch: Disk, at: number): void => expect(() => void watch.write(bytes(512), at)).toThrow('failed');

  test('a fault lasts until the request that failed succeeds, whatever succeeds beside it', async () => {
    const { inner, watch, changes } = setup();
    inner.failing = (at) => (at === 4096 ? 'NO_SPACE' : undefined);
    fail(watch, 4096);
    fail(watch, 4096);
    expect(watch.fault).toMatchObject({ code: 'NO_SPACE', count: 2, message: 'write at 4096 failed' });
    await watch.flush();
    await watch.write(bytes(512), 0);
    await watch.read(bytes(8192), 0);
    await watch.trim(4608, 512);
    expect(watch.fault?.code).toBe('NO_SPACE');
    inner.failing = undefined;
    await watch.write(bytes(512), 4096);
    expect(watch.fault).toBeUndefined();
    expect(changes).toEqual(['NO_SPACE', undefined]);
  });

  test('a client that never tries again: half a minute of other successes ends the fault', async () => {
    const { inner, watch } = setup();
    inner.failing = (at) => (at === 4096 ? 'IO' : undefined);
    fail(watch, 4096);
    vi.advanceTimersByTime(29_000);
    await watch.write(bytes(512), 0);
    expect(watch.fault?.code).toBe('IO');
    vi.advanceTimersByTime(1_000);
    await watch.write(bytes(512), 0);
    expect(watch.fault).toBeUndefined();
  });

  test('another reason is another fault; what a client asks wrongly is none', () => {
    const { inner, watch, changes } = setup();
    inner.failing = () => 'NO_SPACE';
    fail(watch, 0);
    inner.failing = () => 'IO';
    fail(watch, 0);
    inner.failing = () => 'READ_ONLY'; // A file system that made itself read-only. What may not be written is the fence's.
    fail(watch, 0);
    inner.failing = () => 'OUT_OF_RANGE';
    fail(watch, 0);
    expect(changes).toEqual(['NO_SPACE', 'IO', 'READ_ONLY']);
  });
});

describe('Ceiling', () => {
  /** How many of the requests are through after so many milliseconds. */
  async function through(requests: readonly MaybeAsync[], afterMs: number): Promise<number> {
    let count = 0;
    for (const request of requests) void Promise.resolve(request).then(() => (count += 1));
    await vi.advanceTimersByTimeAsync(afterMs);
    return count;
  }
  const many = (count: number, request: () => MaybeAsync): readonly MaybeAsync[] =>
    Array.from({ length: count }, request);

  test.for([
    { it: 'reads', ask: (disk: Disk) => disk.read(bytes(512), 0) },
    { it: 'writes', ask: (disk: Disk) => disk.write(bytes(512), 0) },
    { it: 'zeroes', ask: (disk: Disk) => disk.writeZeroes(0, 512) },
    { it: 'trims', ask: (disk: Disk) => disk.trim(0, 512) },
  ])('BOUNDED: $it are at most so many a second, with a tenth of a second of credit', async ({ ask }) => {
    const disk = new Ceiling(new MemoryDisk(MIB), { iops: 100 });
    const requests = many(500, () => ask(disk));
    expect(await through(requests, 0)).toBe(10);
    expect(await through(requests, 1000)).toBe(110);
  });

  test.for([
    { it: 'reads', ask: (disk: Disk) => disk.read(bytes(10_000), 0) },
    { it: 'writes', ask: (disk: Disk) => disk.write(bytes(10_000), 0) },
  ])('BOUNDED: the bytes of $it are at most so many a second', async ({ ask }) => {
    const disk = new Ceiling(new MemoryDisk(MIB), { bytesPerSecond: 1_000_000 });
    const requests = many(500, () => ask(disk));
    expect(await through(requests, 0)).toBe(10);
    expect(await through(requests, 1000)).toBe(110);
  });

  test('reads and writes share the ceiling; without one nothing waits; a new one holds from then on', async () => {
    const disk = new Ceiling(new MemoryDisk(MIB), { iops: 100 });
    const requests = many(50, () => disk.read(bytes(1), 0)).concat(many(50, () => disk.write(bytes(1), 0)));
    expect(await through(requests, 500)).toBe(60);
    disk.rates = {};
    expect(disk.read(bytes(512), 0)).toBeUndefined();
    disk.rates = { bytesPerSecond: 1000 };
    expect(
      await through(
        many(20, () => disk.write(bytes(100), 0)),
        1000,
      ),
    ).toBe(11);
  });
});

describe('Fence', () => {
  test('ONE-WRITER: nothing of a lost lease reaches the disk, not even what a ceiling held back', async () => {
    const inner = new MemoryDisk(MIB);
    const fence = new Fence(inner, 7, 'write');
    const disk = new Ceiling(fence, { iops: 10 });
    const writes = Array.from({ length: 5 }, (_, i) => Promise.resolve(disk.write(bytes(512), i * 512)));
    const ends = Promise.allSettled(writes);
    fence.revoke();
    await vi.advanceTimersByTimeAsync(1000);
    expect((await ends).map(({ status }) => status)).toEqual(['fulfilled', ...Array(4).fill('rejected')]);
    const seen = Buffer.alloc(2560);
    void inner.read(seen, 0);
    expect(seen.equals(Buffer.concat([bytes(512), Buffer.alloc(2048)]))).toBe(true);
    await expect(Promise.resolve(fence.read(seen, 0))).rejects.toMatchObject({ code: 'LEASE_LOST' });
    await expect(fence.flush()).rejects.toMatchObject({ code: 'LEASE_LOST' });
  });
});

describe('Hold', () => {
  test('holds new requests until it is released, and waits for those that run', async () => {
    let finish: () => void = () => {};
    class SlowDisk extends MemoryDisk {
      override flush(): Promise<void> {
        return new Promise((resolve) => (finish = resolve));
      }
    }
    const inner = new SlowDisk(MIB);
    const gate = new Hold(inner);
    const running = gate.flush();
    let isHeld = false;
    const held = gate.hold().then(() => (isHeld = true));
    await vi.advanceTimersByTimeAsync(10);
    expect(isHeld).toBe(false);
    finish();
    await Promise.all([running, held]);
    const later = Promise.resolve(gate.write(bytes(512), 0));
    const seen = Buffer.alloc(512);
    void inner.read(seen, 0);
    expect(seen[0]).toBe(0);
    gate.release();
    await later;
    void inner.read(seen, 0);
    expect(seen[0]).toBe(1);
  });
});
