/** Empty images as bytes: layout, limits and the quirks that concern what we write. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSize, GIB, KIB, LIMITS, MIB, parseSize } from '../../../units.ts';
import { decodeBat } from './bat.ts';
import { decodeFooter } from './footer.ts';
import { geometryBytes, geometryFor, MAX_GEOMETRY } from './geometry.ts';
import { decodeHeader } from './header.ts';
import { type NewImage, newChildImage, newDynamicImage, newFixedImage } from './image.ts';
import { blockSpanBytes, nextBlockOffset, planLayout } from './layout.ts';
import { dateOf, vhdSeconds } from './time.ts';
import { uuidBytes } from './uuid.ts';

const UUID = '01234567-89ab-cdef-0123-456789abcdef';
const now = new Date('2026-11-21T00:00:00Z');
const link = { identity: UUID, name: 'p.vhd', relativePath: './p.vhd', absolutePath: '/p.vhd', modified: now };

function bytesOf(image: NewImage): Buffer {
  const file = Buffer.alloc(image.lengthBytes);
  for (const part of image.parts) file.set(part.bytes, part.offset);
  return file;
}

test('an empty dynamic image has footer, copy, header and a table of ones', () => {
  const file = bytesOf(newDynamicImage({ sizeBytes: 40 * MIB, uuid: UUID, now, hasSlack: false }));
  const footer = decodeFooter(file.subarray(-512));
  expect(footer.currentSizeBytes).toBe(40 * MIB);
  expect(file.subarray(0, 512).equals(file.subarray(-512))).toBe(true);
  const header = decodeHeader(file.subarray(footer.headerOffset, (footer.headerOffset ?? 0) + 1024));
  expect(header.maxTableEntries).toBe(20);
  expect(decodeBat(file.subarray(header.batOffset), 20).every((entry) => entry === 0xffff_ffff)).toBe(true);
});

test('no two parts of an empty image overlap', () => {
  const sizes = fc.integer({ min: 1, max: 1 << 22 }).map((n) => n * 512);
  fc.assert(
    fc.property(sizes, fc.integer({ min: 19, max: 24 }), (sizeBytes, power) => {
      const image = newChildImage({ sizeBytes, uuid: UUID, now, blockBytes: 2 ** power }, link);
      const parts = image.parts.toSorted((a, b) => a.offset - b.offset);
      let end = 0;
      for (const part of parts) {
        expect(end).toBeLessThanOrEqual(part.offset);
        end = part.offset + part.bytes.byteLength;
      }
      expect(end).toBe(image.lengthBytes);
    }),
    { numRuns: 30 },
  );
});

describe('quirk 8: 2040 GiB is the limit, and it is told before a file is made', () => {
  const image = (sizeBytes: number): NewImage => newDynamicImage({ sizeBytes, uuid: UUID, now });
  test('2040 GiB is made', () =>
    expect(image(LIMITS.dynamicDiskBytes).footer.currentSizeBytes).toBe(0xff00_0000 * 512));
  test('one sector more is TOO_LARGE', () =>
    expect(() => image(LIMITS.dynamicDiskBytes + 512)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' })));
  test('a fixed image may be larger, up to 32 TiB', () => {
    expect(newFixedImage({ sizeBytes: 32_768 * GIB, uuid: UUID, now }).lengthBytes).toBe(32_768 * GIB + 512);
    expect(() => newFixedImage({ sizeBytes: 32_768 * GIB + 512, uuid: UUID, now })).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
  });
  test.for([0, 511, 513, 1.5, -512, Number.NaN])('a size of %j is USAGE', (sizeBytes) => {
    expect(() => image(sizeBytes)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
  test.for([0, 1000, 256 * KIB, 32 * MIB, 3 * MIB])('blocks of %j bytes are USAGE', (blockBytes) => {
    expect(() => newDynamicImage({ sizeBytes: GIB, uuid: UUID, now, blockBytes })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

test('quirk 11: block data is aligned to 4 KiB, the bitmap right in front of it', () => {
  for (const blockBytes of [512 * KIB, 2 * MIB, 16 * MIB]) {
    let end = planLayout(GIB, blockBytes).blocksOffset;
    for (let i = 0; i < 3; i++) {
      const start = nextBlockOffset(end, blockBytes);
      expect(start).toBeGreaterThanOrEqual(end);
      expect(start % 512).toBe(0);
      end = start + blockSpanBytes(blockBytes);
      expect((end - blockBytes) % 4096).toBe(0);
    }
  }
});

test('quirk 19: the table has room up to 2040 GiB, so that growing moves nothing', () => {
  for (const blockBytes of [512 * KIB, 2 * MIB, 16 * MIB]) {
    const { batReservedBytes } = planLayout(MIB, blockBytes);
    expect((batReservedBytes / 4) * blockBytes).toBeGreaterThanOrEqual(LIMITS.dynamicDiskBytes);
  }
});

describe('quirk 7: geometry is a hint', () => {
  test.for([
    // [bytes, cylinders, heads, sectors]: by the calculation of the specification, cylinders rounded down
    [8 * GIB, 16_644, 16, 63],
    [10 * MIB, 301, 4, 17],
    [200 * MIB, 825, 16, 31],
    [2040 * GIB, 65_535, 16, 255],
  ] as const)('%j bytes are %j/%j/%j', ([bytes, cylinders, heads, sectorsPerTrack]) => {
    expect(geometryFor(bytes)).toEqual({ cylinders, heads, sectorsPerTrack });
  });
  test('it never describes more than there is, and misses less than a cylinder', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (sectors) => {
        const geometry = geometryFor(sectors * 512);
        expect(geometryBytes(geometry)).toBeLessThanOrEqual(sectors * 512);
        const missing = sectors * 512 - geometryBytes(geometry);
        if (geometry.cylinders < MAX_GEOMETRY.cylinders)
          expect(missing).toBeLessThan(geometry.heads * geometry.sectorsPerTrack * 512 + 255 * 512);
      }),
    );
  });
});

describe('quirk 15: times', () => {
  test('count from 2000-01-01', () => {
    expect(vhdSeconds(new Date('2000-01-01T00:00:01Z'))).toBe(1);
    expect(dateOf(vhdSeconds(now), now)).toEqual(now);
  });
  test('of writers that forgot the epoch are read as seconds since 1970', () => {
    expect(dateOf(now.getTime() / 1000, now)).toEqual(now);
  });
  test('before 2000 and after 2136 become the nearest that fits', () => {
    expect(vhdSeconds(new Date(0))).toBe(0);
    expect(vhdSeconds(new Date('2200-01-01'))).toBe(0xffff_ffff);
  });
});

describe('sizes as people write them', () => {
  test.for([
    ['512', 512],
    ['64K', 65_536],
    ['40G', 40 * GIB],
    ['1.5T', 1.5 * 1024 * GIB],
    ['2MiB', 2 * MIB],
    ['2 gb', 2 * GIB],
  ] as const)('%j is %j', ([text, bytes]) => expect(parseSize(text)).toBe(bytes));
  test.for(['', '-1', '1X', '0x10', '1e9', '0.0001K', '9999999T'])('%j is USAGE', (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
  test('formatSize', () =>
    expect([0, 512, 1536, 40 * GIB].map(formatSize)).toEqual(['0 B', '512 B', '1.50 KiB', '40 GiB']));
});

test('a UUID that is none is USAGE', () =>
  expect(() => uuidBytes('xyz')).toThrow(expect.objectContaining({ code: 'USAGE' })));
