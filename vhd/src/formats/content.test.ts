/** What files are by their content, whatever they are called. */
import { describe, expect, test } from 'vitest';
import { VhdError } from '../errors.ts';
import { MemoryFile } from '../storage/memory-file.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { makeImage, SMALL_BLOCK_BYTES } from '../testing/images.ts';
import { contentOf, contentOfFile, formatByName, isOtherThanNamed } from './content.ts';
import { openImage } from './open.ts';

function fileOf(text: string, at = 0, bytes = 64 * 1024): MemoryFile {
  const file = new MemoryFile('file');
  file.writeSync(new Uint8Array(bytes), 0, bytes, 0);
  const written = Buffer.from(text, 'latin1');
  file.writeSync(written, 0, written.byteLength, at < 0 ? bytes + at : at);
  return file;
}

describe('contentOfFile', () => {
  test.for([
    { it: 'qcow2', text: 'QFI\xfb\0\0\0\x03' },
    { it: 'qcow', text: 'QFI\xfb\0\0\0\x01' },
    { it: 'qed', text: 'QED\0' },
    { it: 'vhdx', text: 'vhdxfile' },
    { it: 'vmdk', text: 'KDMV' },
    { it: 'vmdk', text: 'COWD' },
    { it: 'vmdk', text: '# Disk DescriptorFile\nversion=1\n' },
    { it: 'vmdk', text: '\n# made by hand\n# Disk DescriptorFile\r\nversion=1\r\n' },
    { it: 'vdi', text: '\x7f\x10\xda\xbe', at: 64 },
    { it: 'parallels', text: 'WithoutFreeSpace' },
    { it: 'parallels', text: 'WithouFreSpacExt' },
    { it: 'luks', text: 'LUKS\xba\xbe\0\x02' },
    { it: 'iso', text: 'CD001', at: 32_769 },
    { it: 'dmg', text: 'koly\0\0\0\x04', at: -512 },
    { it: 'gzip', text: '\x1f\x8b\x08' },
    { it: 'tar', text: 'ustar', at: 257 },
    { it: 'vhd', text: 'conectix' },
    { it: 'vhd', text: 'conectix', at: -512 },
    { it: 'vhd', text: 'conectix', at: -511 },
    { it: 'vhd', text: 'cxsparse', at: 512 },
    { it: 'raw', text: '' },
    { it: 'raw', text: 'conectix', at: 1000 },
    { it: 'raw', text: '# a script of somebody\necho\n' },
    { it: 'raw', text: '\x55\xaa', at: 510 },
  ])('$it: $text at $at', ({ it, text, at }) => {
    expect(contentOfFile(fileOf(text, at))).toBe(it);
  });

  test('short files are raw', () => {
    for (const bytes of [0, 1, 7, 511, 512]) expect(contentOfFile(fileOf('', 0, bytes))).toBe('raw');
  });

  test('what a guest wrote to the start of a fixed VHD does not make it something else', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, '/d/a.img', { sizeBytes: 1 << 20, type: 'fixed' });
    storage.open('/d/a.img', 'write').writeSync(Buffer.from('QFI\xfb\0\0\0\x03', 'latin1'), 0, 8, 0);
    expect(contentOf('/d/a.img', storage)).toBe('vhd');
  });

  test('quirk 22: a fixed VHD that something was put behind is one, opens, and says so', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, '/d/a.img', { sizeBytes: 1 << 20, type: 'fixed' });
    await storage.open('/d/a.img', 'write').truncate(2 << 20);
    expect(contentOf('/d/a.img', storage)).toBe('vhd');
    const image = openImage('/d/a.img', { storage });
    expect([image.sizeBytes, image.findings.map(({ code }) => code)]).toEqual([1 << 20, ['FOOTER_PADDED']]);
  });

  test('a VHD with only its footer copy, or only its header, is never raw', async () => {
    const storage = new MemoryStorage();
    await makeImage(storage, '/d/a', { sizeBytes: 2 * SMALL_BLOCK_BYTES });
    const file = storage.open('/d/a', 'write');
    await file.truncate(file.sizeBytes - 512);
    expect(contentOf('/d/a', storage)).toBe('vhd');
    file.writeSync(new Uint8Array(512), 0, 512, 0);
    expect(contentOf('/d/a', storage)).toBe('vhd');
    expect(() => openImage('/d/a', { storage })).toThrow(VhdError);
  });
});

test.for([
  ['a.vhd', 'vhd'],
  ['a.AVHDX', 'vhdx'],
  ['a.qcow2', 'qcow2'],
  ['a-flat.vmdk', undefined],
  ['a.img', undefined],
  ['a', undefined],
] as const)('the name %s stands for %s', ([name, format]) => {
  expect(formatByName(name)).toBe(format);
});

test('a name disagrees only where it says something', () => {
  expect(isOtherThanNamed('a.img', 'qcow2')).toBe(true);
  expect(isOtherThanNamed('a.vhd', 'vhdx')).toBe(true);
  expect(isOtherThanNamed('a', 'vhd')).toBe(false);
  expect(isOtherThanNamed('a.img', 'raw')).toBe(false);
});
