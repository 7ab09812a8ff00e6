/** Dynamic disk header and parent locators. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NIL_IDENTITY } from '../../../image/identity.ts';
import { localPath } from '../../../image/parent-link.ts';
import { checksumOf, viewOf } from './checksum.ts';
import { decodeHeader, encodeHeader, type Header, locatorSpaceBytes, plainHeader } from './header.ts';
import { linkHeader } from './image.ts';
import { decodeLocatorPath, decodeParentName, encodeLocatorPath, encodeParentName } from './locator.ts';
import { uuidOf } from './uuid.ts';

const plain = plainHeader({ batOffset: 1536, maxTableEntries: 4096, blockBytes: 2 << 20 });
const parent = {
  identity: '01234567-89ab-cdef-0123-456789abcdef',
  name: 'base.vhd',
  relativePath: '../templates/base.vhd',
  absolutePath: '/srv/templates/base.vhd',
  modified: new Date('2026-11-21T00:00:00Z'),
};

function patched(patches: Readonly<Record<number, readonly number[]>>, isSummed = true): Uint8Array {
  const bytes = encodeHeader(plain);
  for (const [at, values] of Object.entries(patches)) bytes.set(values, Number(at));
  if (isSummed) viewOf(bytes).setUint32(36, checksumOf(bytes, 36));
  return bytes;
}

const headers: fc.Arbitrary<Header> = fc.record({
  batOffset: fc.integer({ min: 0, max: 2 ** 40 }),
  maxTableEntries: fc.integer({ min: 0, max: 2 ** 22 }),
  blockBytes: fc.integer({ min: 19, max: 24 }).map((n) => 2 ** n),
  parentUuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidOf),
  parentTimestampSeconds: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  parentName: fc.string({ maxLength: 255, unit: 'binary' }).map((s) => s.replaceAll('\0', '').slice(0, 255)),
  locators: fc.array(
    fc.record({
      code: fc.constantFrom('W2ku', 'W2ru', 'MacX', 'Wi2k', 'Zzzz'),
      spaceBytes: fc.integer({ min: 1, max: 128 }).map((n) => n * 512),
      lengthBytes: fc.nat(65_536),
      offsetBytes: fc.nat(2 ** 40),
    }),
    { maxLength: 8 },
  ),
});

test('decode undoes encode', () => {
  fc.assert(
    fc.property(headers, (header) => {
      expect(decodeHeader(encodeHeader(header))).toEqual(header);
    }),
  );
});

test.for([
  { it: 'is short', bytes: encodeHeader(plain).subarray(1), code: 'HEADER_TRUNCATED' },
  { it: 'has another cookie', bytes: patched({ 0: [0] }), code: 'HEADER_COOKIE' },
  { it: 'has a wrong sum', bytes: patched({ 36: [0, 0, 0, 0] }, false), code: 'HEADER_CHECKSUM' },
  { it: 'is of version 2', bytes: patched({ 24: [0, 2] }), code: 'HEADER_FIELD' },
  { it: 'puts the BAT beyond 2 TiB', bytes: patched({ 16: [0xff] }), code: 'HEADER_FIELD' },
  { it: 'has a BAT of 4 Gi entries', bytes: patched({ 28: [0xff, 0xff, 0xff, 0xff] }), code: 'TOO_LARGE' },
  { it: 'has blocks of no bytes', bytes: patched({ 32: [0, 0, 0, 0] }), code: 'HEADER_FIELD' },
  { it: 'has blocks of 3 MiB', bytes: patched({ 32: [0, 0x30, 0, 0] }), code: 'HEADER_FIELD' },
  { it: 'has blocks of 512 bytes', bytes: patched({ 32: [0, 0, 2, 0] }), code: 'UNSUPPORTED' },
  { it: 'has blocks of 2 GiB', bytes: patched({ 32: [0x80, 0, 0, 0] }), code: 'UNSUPPORTED' },
])('a header that $it is refused', ({ bytes, code }) => {
  expect(() => decodeHeader(bytes)).toThrow(expect.objectContaining({ code }));
});

test('any 1024 bytes decode or fail with a code', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1024, maxLength: 1024 }),
      fc.integer({ min: 17, max: 26 }),
      (bytes, power) => {
        bytes.set(Buffer.from('cxsparse'));
        const view = viewOf(bytes);
        view.setUint32(24, 0x10000);
        view.setUint32(16, 0);
        view.setUint32(28, view.getUint32(28) >>> 9);
        view.setUint32(32, 2 ** power);
        view.setUint32(36, checksumOf(bytes, 36));
        try {
          for (const entry of decodeHeader(bytes).locators) expect(Number.isSafeInteger(entry.offsetBytes)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ name: 'VhdError' });
        }
      },
    ),
  );
});

test('quirk 9: the unused data offset of a header is 64 bits of ones', () => {
  expect(Buffer.from(encodeHeader(plain)).subarray(8, 16).toString('hex')).toBe('ffffffffffffffff');
});

describe('quirk 13: parent locators', () => {
  test.for([
    [0, 0],
    [1, 512],
    [511, 511 * 512],
    [512, 512],
    [1024, 1024],
    [513, 0],
    [0xffff_fe00, 0xffff_fe00],
  ] as const)('a space of %j means %j bytes', ([field, bytes]) => expect(locatorSpaceBytes(field)).toBe(bytes));

  test('slots are read wherever they are used', () => {
    const bytes = patched({
      [576 + 7 * 24]: [...Buffer.from('W2ku'), 0, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0],
    });
    expect(decodeHeader(bytes).locators).toEqual([
      { code: 'W2ku', spaceBytes: 512, lengthBytes: 8, offsetBytes: 4096 },
    ]);
  });
  test('an offset that no file has does not keep the image from opening', () => {
    const bytes = patched({
      576: [...Buffer.from('W2ku'), 0, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0, 0, ...Array<number>(8).fill(0xff)],
    });
    expect(decodeHeader(bytes).locators[0]?.offsetBytes).toBe(Number.MAX_SAFE_INTEGER);
  });
  test('we write all three notations, relative and absolute', () => {
    const { header, paths } = linkHeader(plain, parent);
    const written = header.locators.map((entry, i) => [
      entry.code,
      decodeLocatorPath(entry.code, paths[i]?.bytes ?? new Uint8Array()),
    ]);
    expect(written).toEqual([
      ['MacX', '../templates/base.vhd'],
      ['W2ku', '\\srv\\templates\\base.vhd'],
      ['W2ru', '..\\templates\\base.vhd'],
    ]);
    expect(header.parentName).toBe('base.vhd');
    expect(decodeHeader(encodeHeader(header))).toEqual(header);
  });
  test('locator paths are UTF-16LE, the parent name UTF-16BE', () => {
    expect(Buffer.from(encodeLocatorPath('W2ru', 'é')).toString('hex')).toBe('e900');
    expect(Buffer.from(encodeParentName('é')).subarray(0, 2).toString('hex')).toBe('00e9');
  });
  test('unpaired surrogates stay', () => {
    const bytes = Buffer.alloc(512);
    bytes.writeUInt16BE(0xd800, 0);
    bytes.writeUInt16BE(0x61, 2);
    expect(decodeParentName(bytes)).toBe('\ud800a');
    expect(decodeLocatorPath('W2ru', Buffer.from([0x00, 0xdc, 0x61, 0x00]))).toBe('\udc00a');
  });
  test('a name too long for the field is cut, not refused', () => {
    expect(decodeParentName(encodeParentName('x'.repeat(400)))).toBe('x'.repeat(255));
  });
  test.for([
    ['.\\x.vhd', 'relative', 'x.vhd'],
    ['./x.vhd', 'relative', 'x.vhd'],
    ['..\\a\\x.vhd', 'relative', '../a/x.vhd'],
    ['c:x.vhd', 'relative', 'x.vhd'],
    ['C:\\vm\\x.vhd', 'absolute', '/vm/x.vhd'],
    ['/srv/x.vhd', 'absolute', '/srv/x.vhd'],
    ['\\\\server\\share\\x.vhd', 'unc', '//server/share/x.vhd'],
    ['-rf.vhd', 'relative', '-rf.vhd'],
  ] as const)('the path %j is %s %j', ([text, kind, path]) => expect(localPath(text)).toEqual({ kind, path }));
  test.for([
    ['file://./x.vhd', './x.vhd'],
    ['file:///srv/x.vhd', '/srv/x.vhd'],
    ['file://localhost/srv/x.vhd', '/srv/x.vhd'],
    ['file:///srv/x.vhd\0\0', '/srv/x.vhd'],
  ] as const)('the file URL %j is %j', ([url, path]) => expect(decodeLocatorPath('MacX', Buffer.from(url))).toBe(path));
  test('retired codes hold no path', () => expect(decodeLocatorPath('Wi2k', Buffer.from('x'))).toBeUndefined());
  test('an odd length does not break UTF-16', () =>
    expect(decodeLocatorPath('W2ku', Buffer.from('61006200ff', 'hex'))).toBe('ab'));
  test('a locator of 65 KiB is refused', () => {
    expect(() => decodeLocatorPath('W2ku', new Uint8Array(65 << 10))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
  });
});

test('quirk 14: the identity of no parent is nil, and a raw parent has the same', () => {
  expect(decodeHeader(encodeHeader(plain)).parentUuid).toBe(NIL_IDENTITY);
});
