/** Footer codec: the fields of the specification, and the quirks of its writers. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GIB, LIMITS } from '../../../units.ts';
import { checksumOf, viewOf } from './checksum.ts';
import {
  decodeFooter,
  decodeTailFooter,
  encodeFooter,
  type Footer,
  hasBatmap,
  hasLittleEndianBitmaps,
  isSameFooter,
  qemuSizeBytes,
} from './footer.ts';
import { MAX_GEOMETRY } from './geometry.ts';
import { newFooter } from './image.ts';
import { uuidOf } from './uuid.ts';

const UUID = '01234567-89ab-cdef-0123-456789abcdef';
const base: Footer = newFooter(
  { diskType: 'dynamic', currentSizeBytes: 8 * GIB, uuid: UUID, headerOffset: 512 },
  new Date('2026-11-21T00:00:00Z'),
);

/** The encoded footer with bytes replaced and, unless told otherwise, the sum made right again. */
function patched(footer: Footer, patches: Readonly<Record<number, readonly number[]>>, isSummed = true): Uint8Array {
  const bytes = encodeFooter(footer);
  for (const [at, values] of Object.entries(patches)) bytes.set(values, Number(at));
  if (isSummed) viewOf(bytes).setUint32(64, checksumOf(bytes, 64));
  return bytes;
}

export const footers: fc.Arbitrary<Footer> = fc
  .record({
    diskType: fc.constantFrom('fixed', 'dynamic', 'differencing'),
    currentSizeBytes: fc.integer({ min: 1, max: 2 ** 32 - 1 }).map((n) => n * 512),
    originalSizeBytes: fc.maxSafeNat(),
    headerOffset: fc.integer({ min: 0, max: 2 ** 40 }),
    uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidOf),
    timestampSeconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    creatorApp: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((b) => Buffer.from(b).toString('latin1')),
    creatorVersion: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    creatorHostOs: fc.constantFrom('Wi2k', 'Mac '),
    geometry: fc.record({ cylinders: fc.nat(65_535), heads: fc.nat(255), sectorsPerTrack: fc.nat(255) }),
    isTemporary: fc.boolean(),
    savedState: fc.constantFrom(0, 1),
    hidden: fc.nat(255),
    isPoisoned: fc.boolean(),
    isShort: fc.constant(false),
  })
  .map((f) => (f.diskType === 'fixed' ? { ...f, headerOffset: undefined } : f)) as fc.Arbitrary<Footer>;

test('decode undoes encode', () => {
  fc.assert(
    fc.property(footers, (footer) => {
      expect(decodeFooter(encodeFooter(footer))).toEqual(footer);
    }),
  );
});

test('any 512 bytes decode or fail with a code', () => {
  const cookie = fc.constantFrom('conectix', 'v_poison', 'conectiy').map((c) => Buffer.from(c, 'latin1'));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), cookie, (bytes, start) => {
      bytes.set(start);
      viewOf(bytes).setUint32(64, checksumOf(bytes, 64));
      viewOf(bytes).setUint32(12, 0x10000);
      try {
        decodeFooter(bytes);
      } catch (error) {
        expect(error).toMatchObject({ name: 'VhdError', code: expect.stringMatching(/^(FOOTER_|TOO_LARGE)/) });
      }
    }),
  );
});

test('the bytes are those of the specification', () => {
  const bytes = Buffer.from(encodeFooter(base));
  expect(bytes.subarray(0, 8).toString('latin1')).toBe('conectix');
  expect(bytes.readUInt32BE(8)).toBe(2);
  expect(bytes.readUInt32BE(12)).toBe(0x10000);
  expect(bytes.readBigUInt64BE(16)).toBe(512n);
  expect(bytes.readBigUInt64BE(48)).toBe(BigInt(8 * GIB));
  expect(bytes.readUInt32BE(60)).toBe(3);
  expect(bytes.subarray(68, 84).toString('hex')).toBe(UUID.replaceAll('-', ''));
  expect(bytes.subarray(86).every((b) => b === 0)).toBe(true);
});

test.for([
  { it: 'is empty', bytes: new Uint8Array(0), code: 'FOOTER_TRUNCATED' },
  { it: 'is two bytes short', bytes: encodeFooter(base).subarray(0, 510), code: 'FOOTER_TRUNCATED' },
  { it: 'has another cookie', bytes: patched(base, { 0: [0x43] }), code: 'FOOTER_COOKIE' },
  { it: 'has a wrong sum', bytes: patched(base, { 64: [1, 2, 3, 4] }, false), code: 'FOOTER_CHECKSUM' },
  { it: 'has a changed reserved byte', bytes: patched(base, { 500: [1] }, false), code: 'FOOTER_CHECKSUM' },
  { it: 'is of version 2', bytes: patched(base, { 12: [0, 2, 0, 0] }), code: 'FOOTER_FIELD' },
  { it: 'has no disk type', bytes: patched(base, { 60: [0, 0, 0, 0] }), code: 'FOOTER_FIELD' },
  { it: 'has a retired disk type', bytes: patched(base, { 60: [0, 0, 0, 6] }), code: 'FOOTER_FIELD' },
  { it: 'has a size of all ones', bytes: patched(base, { 48: Array<number>(8).fill(0xff) }), code: 'TOO_LARGE' },
  { it: 'has a size that is no multiple of 512', bytes: patched(base, { 55: [1] }), code: 'FOOTER_FIELD' },
  {
    it: 'points its header beyond 2 TiB',
    bytes: patched(base, { 16: Array<number>(8).fill(0xff) }),
    code: 'FOOTER_FIELD',
  },
])('a footer that $it is refused', ({ bytes, code }) => {
  expect(() => decodeFooter(bytes)).toThrow(expect.objectContaining({ code }));
});

describe('quirk 1: Virtual PC before 2004 wrote 511 bytes', () => {
  const old = encodeFooter(base).subarray(0, 511);
  test('a footer of 511 bytes decodes', () => expect(decodeFooter(old)).toEqual({ ...base, isShort: true }));
  test('it is found in the last 512 bytes of a file, one byte in', () => {
    expect(decodeTailFooter(Buffer.concat([Buffer.from([0xaa]), old]))).toEqual({ ...base, isShort: true });
  });
  test('a whole footer comes first', () => expect(decodeTailFooter(encodeFooter(base)).isShort).toBe(false));
  test('it is written back whole', () => expect(encodeFooter(decodeFooter(old)).byteLength).toBe(512));
});

describe('quirk 4: old tapdisk set the hidden mark without a new sum', () => {
  for (const creatorVersion of [0x0000_0001, 0x0001_0001]) {
    const tap = { ...base, creatorApp: 'tap\0', creatorVersion };
    test(`version 0x${creatorVersion.toString(16)} is read`, () => {
      expect(decodeFooter(patched(tap, { 85: [1] }, false)).hidden).toBe(1);
    });
  }
  test('another creator is not forgiven', () => {
    expect(() => decodeFooter(patched(base, { 85: [1] }, false))).toThrow(
      expect.objectContaining({ code: 'FOOTER_CHECKSUM' }),
    );
  });
  test('the mark in the head copy only is no difference', () => {
    expect(isSameFooter(base, { ...base, hidden: 1 })).toBe(true);
    expect(isSameFooter(base, { ...base, currentSizeBytes: 512 })).toBe(false);
  });
});

describe('quirk 5: who takes the size from where', () => {
  const small = {
    ...base,
    currentSizeBytes: 1_000_000_512,
    geometry: { cylinders: 100, heads: 4, sectorsPerTrack: 17 },
  };
  test.for([
    ['vpc ', false],
    ['qemu', false],
    ['vs  ', false],
    ['\0\0\0\0', false],
    ['d2v\0', false], // what disk2vhd really writes
    ['win ', true],
    ['qem2', true],
    ['d2v ', true],
    ['tap\0', true],
    ['CTXS', true],
  ] as const)('qemu reads %j: exact %j', ([creatorApp, isExact]) => {
    const footer = { ...small, creatorApp };
    expect(qemuSizeBytes(footer)).toBe(isExact ? 1_000_000_512 : 100 * 4 * 17 * 512);
    expect(decodeFooter(encodeFooter(footer)).currentSizeBytes).toBe(1_000_000_512); // We always read the exact size.
  });
  test('the largest geometry means the exact size', () => {
    expect(qemuSizeBytes({ ...small, creatorApp: 'vpc ', geometry: MAX_GEOMETRY })).toBe(1_000_000_512);
  });
});

test('quirk 6: what we write has its exact size in qemu', () => {
  const sizes = fc.integer({ min: 1, max: LIMITS.dynamicDiskBytes / 512 }).map((n) => n * 512);
  fc.assert(
    fc.property(sizes, (currentSizeBytes) => {
      const footer = newFooter({ diskType: 'dynamic', currentSizeBytes, uuid: UUID, headerOffset: 512 }, new Date());
      expect(qemuSizeBytes(footer)).toBe(currentSizeBytes);
    }),
  );
});

test('quirk 9: the header offset of a fixed image is 64 bits of ones', () => {
  const fixed = newFooter(
    { diskType: 'fixed', currentSizeBytes: 512, uuid: UUID, headerOffset: undefined },
    new Date(),
  );
  expect(Buffer.from(encodeFooter(fixed)).subarray(16, 24).toString('hex')).toBe('ffffffffffffffff');
});

test('quirk 12: bitmaps of tapdisk 0.1 are recognised', () => {
  expect(hasLittleEndianBitmaps({ ...base, creatorApp: 'tap\0', creatorVersion: 1 })).toBe(true);
  expect(hasLittleEndianBitmaps({ ...base, creatorApp: 'tap\0', creatorVersion: 0x10001 })).toBe(false);
  expect(hasLittleEndianBitmaps(base)).toBe(false);
});

test('quirk 16: a tdbatmap is expected from tapdisk 1.2 on', () => {
  expect(hasBatmap({ ...base, creatorApp: 'tap\0', creatorVersion: 0x10002 })).toBe(true);
  expect(hasBatmap({ ...base, creatorApp: 'tap\0', creatorVersion: 0x10001 })).toBe(false);
  expect(hasBatmap(base)).toBe(false); // What we write has none.
});

describe('quirk 18: bytes that must have one value', () => {
  test('the reserved feature is always written', () => {
    expect(viewOf(encodeFooter(base)).getUint32(8)).toBe(2);
    expect(viewOf(encodeFooter({ ...base, isTemporary: true })).getUint32(8)).toBe(3);
  });
  test('an image without it opens all the same', () =>
    expect(decodeFooter(patched(base, { 8: [0, 0, 0, 0] })).diskType).toBe('dynamic'));
  test('an odd saved state is kept for check to report', () =>
    expect(decodeFooter(patched(base, { 84: [7] })).savedState).toBe(7));
  test('a poisoned image is told apart', () =>
    expect(decodeFooter(encodeFooter({ ...base, isPoisoned: true })).isPoisoned).toBe(true));
});
