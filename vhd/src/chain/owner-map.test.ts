/** Owners as runs against owners as an array; tables in chunks against tables in one piece. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockTable } from '../formats/vhd/block-table.ts';
import { BAT_UNUSED, encodeBat } from '../formats/vhd/codec/bat.ts';
import { MemoryFile } from '../storage/memory-file.ts';
import { DEEP_TIMEOUT_MS, TEST_DEPTH } from '../testing/random.ts';
import { OWNER, OwnerMap } from './owner-map.ts';
import { SectorRuns } from './sector-runs.ts';

const SECTORS = 64;

/** The owner of each sector, one by one. */
function flatten(map: OwnerMap): Uint8Array {
  const value = map.blocks[0] ?? OWNER.unknown;
  const runs = (value === OWNER.mixed ? map.sectorsOf(0) : undefined) ?? SectorRuns.sole(value);
  const owners = new Uint8Array(SECTORS);
  for (let sector = 0; sector < SECTORS; sector++) {
    const run = runs.indexAt(sector);
    expect(sector).toBeLessThan(runs.endOf(run, SECTORS));
    owners[sector] = runs.ownerOf(run);
  }
  // Neighbours of one owner are one run; the last may lie behind the disk.
  for (let run = 1; run < runs.length; run++) expect(runs.ownerOf(run)).not.toBe(runs.ownerOf(run - 1));
  return owners;
}

describe('the owner map', () => {
  test('agrees with an array of owners under claims and moves', { timeout: DEEP_TIMEOUT_MS }, () => {
    const claim = fc.record({
      first: fc.nat(SECTORS - 1),
      count: fc.integer({ min: 1, max: SECTORS }),
      slot: fc.nat(5),
    });
    const move = fc.record({ from: fc.nat(5), to: fc.nat(5) });
    const start = fc.uint8Array({ minLength: SECTORS, maxLength: SECTORS, max: 3 });
    fc.assert(
      fc.property(start, fc.array(fc.oneof(claim, move), { maxLength: 30 }), (owners, steps) => {
        const expected = owners.slice();
        const map = new OwnerMap(1, 1 << 20);
        map.put(0, SectorRuns.from(owners));
        for (const step of steps) {
          if ('slot' in step) {
            const count = Math.min(step.count, SECTORS - step.first);
            expected.fill(step.slot, step.first, step.first + count);
            map.claim(0, step.first, count, step.slot);
          } else {
            for (let i = 0; i < SECTORS; i++) if (expected[i] === step.from) expected[i] = step.to;
            map.move(step.from, step.to);
          }
          expect(flatten(map)).toEqual(expected);
        }
      }),
      { numRuns: 300 * TEST_DEPTH, seed: 1 },
    );
  });

  test('BOUNDED: forgets the oldest blocks when the cache is full, and says so', () => {
    const map = new OwnerMap(100, 3000);
    const owners = Uint8Array.from({ length: SECTORS }, (_, i) => i % 2);
    for (let block = 0; block < 100; block++) map.put(block, SectorRuns.from(owners));
    const kept = Array.from({ length: 100 }, (_, block) => map.sectorsOf(block)).filter((runs) => runs !== undefined);
    expect(kept.length * 256).toBeLessThanOrEqual(3000);
    expect(map.sectorsOf(99)).toBeDefined();
    expect(map.blocks[0]).toBe(OWNER.mixed); // To be worked out anew.
  });
});

describe('the block table', () => {
  test('agrees with one in one piece', { timeout: DEEP_TIMEOUT_MS }, () => {
    const entry = fc.oneof({ weight: 3, arbitrary: fc.constant(BAT_UNUSED) }, fc.nat(BAT_UNUSED - 1));
    // Now and then more than is read or written at a time.
    const lengths = fc.oneof({ weight: 15, arbitrary: fc.integer({ min: 1, max: 5000 }) }, fc.constant(66_000));
    const changes = fc.array(fc.tuple(fc.nat(4999), entry), { maxLength: 40 });
    fc.assert(
      fc.property(lengths, changes, changes, (length, before, after) => {
        const bat = new Uint32Array(length).fill(BAT_UNUSED);
        const put = (
          list: readonly (readonly [number, number])[],
          into: (block: number, value: number) => void,
        ): void => {
          for (const [block, value] of list) if (block < length) into(block, value);
        };
        put(before, (block, value) => (bat[block] = value));
        const file = new MemoryFile('/table');
        const bytes = encodeBat(bat);
        file.writeSync(bytes, 0, bytes.byteLength, 512);
        const table = BlockTable.read(file, 512, length);
        put(after, (block, value) => {
          bat[block] = value;
          table.set(block, value);
        });
        expect(table.toArray()).toEqual(bat);
        expect(table.get(length)).toBe(BAT_UNUSED);
        const used = bat.filter((value) => value !== BAT_UNUSED).sort();
        expect(table.sortedEntries()).toEqual(used);
        expect(table.hasAny(0, length - 1)).toBe(0 < used.length);
        const half = Math.floor(length / 2);
        expect(table.hasAny(half, length - 1)).toBe(bat.subarray(half).some((value) => value !== BAT_UNUSED));
        const next = bat.findIndex((value, block) => half <= block && value !== BAT_UNUSED);
        expect(table.nextUsed(half, length - 1)).toBe(next < 0 ? length : next);
        const gap = bat.findIndex((value, block) => half <= block && value === BAT_UNUSED);
        expect(table.nextUnused(half, length - 1)).toBe(gap < 0 ? length : gap);
        expect(table.used).toBe(used.length);
        expect(Buffer.concat([...table.encode()]).equals(encodeBat(bat))).toBe(true);
      }),
      { numRuns: 100 * TEST_DEPTH, seed: 1 },
    );
  });
});
