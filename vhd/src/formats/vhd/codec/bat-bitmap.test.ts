/** Block allocation table and sector bitmaps, against the obvious slow way. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GIB, MIB } from '../../../units.ts';
import { BAT_UNUSED, batBytes, batEntriesFor, decodeBat, encodeBat } from './bat.ts';
import { bitmapBytes, hasAllSectors, hasNoSectors, hasSector, markSectors, runLength, sectorRuns } from './bitmap.ts';

describe('block allocation table', () => {
  test('decode undoes encode, at any offset in memory', () => {
    fc.assert(
      fc.property(fc.uint32Array({ maxLength: 300 }), fc.nat(3), (bat, shift) => {
        const bytes = encodeBat(bat);
        const moved = new Uint8Array(bytes.byteLength + shift);
        moved.set(bytes, shift);
        expect(decodeBat(moved.subarray(shift), bat.length)).toEqual(bat);
      }),
    );
  });
  test('entries are big-endian', () => expect(Buffer.from(encodeBat(Uint32Array.of(1))).readUInt32BE(0)).toBe(1));
  test('quirk 8: entries beyond 1 TiB are unsigned', () => {
    expect(decodeBat(Buffer.from('80000001', 'hex'), 1)[0]).toBe(0x8000_0001);
  });
  test('quirk 10: the padding is ones, and one entry more than needed is no harm', () => {
    const bytes = encodeBat(Uint32Array.of(7, 8));
    expect(bytes.byteLength).toBe(512);
    expect(bytes.subarray(8).every((b) => b === 0xff)).toBe(true);
    expect(decodeBat(bytes, 3)[2]).toBe(BAT_UNUSED);
  });
  test('a table shorter than its entries is refused', () => {
    expect(() => decodeBat(new Uint8Array(512), 129)).toThrow(expect.objectContaining({ code: 'BAT_TRUNCATED' }));
  });
  test('sizes', () => {
    expect(batEntriesFor(2040 * GIB, 2 * MIB)).toBe(1_044_480);
    expect(batEntriesFor(2 * MIB + 512, 2 * MIB)).toBe(2);
    expect(batBytes(128)).toBe(512);
    expect(batBytes(129)).toBe(1024);
  });
});

describe('sector bitmap', () => {
  test('quirk 12: the first sector is the highest bit of the first byte', () => {
    const bitmap = new Uint8Array(512);
    markSectors(bitmap, 0, 1);
    expect(bitmap[0]).toBe(0x80);
    markSectors(bitmap, 8, 3);
    expect(bitmap[1]).toBe(0xe0);
  });
  test('takes whole sectors', () => {
    expect([512 << 10, 2 * MIB, 4 * MIB, 16 * MIB].map(bitmapBytes)).toEqual([512, 512, 1024, 4096]);
  });
  test('marks and runs agree with a plain array of booleans', () => {
    const sectors = 200;
    const marks = fc.array(fc.tuple(fc.nat(sectors - 1), fc.nat(sectors), fc.boolean()), { maxLength: 12 });
    fc.assert(
      fc.property(marks, fc.nat(sectors - 1), fc.nat(sectors), (list, first, count) => {
        const model = Array<boolean>(sectors).fill(false);
        const bitmap = new Uint8Array(sectors / 8);
        for (const [at, length, isPresent] of list) {
          const n = Math.min(length, sectors - at);
          model.fill(isPresent, at, at + n);
          markSectors(bitmap, at, n, isPresent);
        }
        expect(model.every((bit, i) => bit === hasSector(bitmap, i))).toBe(true);
        const n = Math.min(count, sectors - first);
        const slice = model.slice(first, first + n);
        expect(hasAllSectors(bitmap, first, n)).toBe(slice.every((bit) => bit));
        expect(hasNoSectors(bitmap, first, n)).toBe(slice.every((bit) => !bit));
        const unrolled = [...sectorRuns(bitmap, first, n)].flatMap((run) =>
          Array<boolean>(run.count).fill(run.isPresent),
        );
        expect(unrolled).toEqual(slice);
        if (0 < n)
          expect(runLength(bitmap, first, first + n)).toBe(
            slice.findIndex((bit) => bit !== slice[0]) >>> 0 < n ? slice.findIndex((bit) => bit !== slice[0]) : n,
          );
      }),
    );
  });
});
