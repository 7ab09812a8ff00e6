/** Creating images and children: what is in the file, what is refused, what is left behind by a failure. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeFooter } from '../formats/vhd/codec/footer.ts';
import { decodeHeader } from '../formats/vhd/codec/header.ts';
import { fileSystem } from '../storage/storage.ts';
import { GIB, MIB } from '../units.ts';
import { createChild, createImage } from './create.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-create-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

describe('createImage', () => {
  test('dynamic: a small file that holds the whole size', async () => {
    await createImage(at('a.vhd'), { sizeBytes: 40 * GIB });
    const bytes = fs.readFileSync(at('a.vhd'));
    expect(decodeFooter(bytes.subarray(-512))).toMatchObject({ diskType: 'dynamic', currentSizeBytes: 40 * GIB });
    expect(fs.statSync(at('a.vhd')).blocks * 512).toBeLessThan(MIB);
  });
  test('fixed: the size and a footer', async () => {
    await createImage(at('a.vhd'), { sizeBytes: 10 * MIB, type: 'fixed' });
    expect(fs.statSync(at('a.vhd')).size).toBe(10 * MIB + 512);
  });
  test('a file that is there is EXISTS, and stays', async () => {
    fs.writeFileSync(at('a.vhd'), 'precious');
    await expect(createImage(at('a.vhd'), { sizeBytes: MIB })).rejects.toMatchObject({ code: 'EXISTS' });
    expect(fs.readFileSync(at('a.vhd'), 'utf8')).toBe('precious');
    await createImage(at('a.vhd'), { sizeBytes: MIB, isReplacing: true });
    expect(fs.statSync(at('a.vhd')).size).toBeGreaterThan(512);
  });
  test('quirk 8: an image too large is refused, and no file of no bytes is left (qemu leaves one)', async () => {
    await expect(createImage(at('a.vhd'), { sizeBytes: 2041 * GIB })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(fs.readdirSync(folder)).toEqual([]);
  });
  test('a folder that is not there is NOT_FOUND', async () => {
    await expect(createImage(at('no/a.vhd'), { sizeBytes: MIB })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
  test('a failing storage leaves no file', async () => {
    const storage = {
      ...fileSystem,
      open: (name: string) => ({ ...fileSystem.open(name, 'create'), write: () => Promise.reject(new Error('EIO')) }),
    };
    await expect(createImage(at('a.vhd'), { sizeBytes: MIB, storage: storage as never })).rejects.toThrow();
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe('createChild', () => {
  test('SEALED-STAYS: the parent can no longer be written to', async () => {
    await createImage(at('base.vhd'), { sizeBytes: 10 * MIB });
    await createChild(at('child.vhd'), { parent: at('base.vhd') });
    expect(fs.statSync(at('base.vhd')).mode & 0o222).toBe(0);
  });
  test('it names the parent by identity and by path', async () => {
    fs.mkdirSync(at('templates'));
    const base = await createImage(at('templates/base.vhd'), { sizeBytes: 10 * MIB });
    await createChild(at('child.vhd'), { parent: at('templates/base.vhd') });
    const bytes = fs.readFileSync(at('child.vhd'));
    const header = decodeHeader(bytes.subarray(512, 1536));
    expect(header).toMatchObject({ parentUuid: base.uuid, parentName: 'base.vhd' });
    const relative = header.locators.find((entry) => entry.code === 'W2ru');
    const start = relative?.offsetBytes ?? 0;
    expect(bytes.subarray(start, start + (relative?.lengthBytes ?? 0)).toString('utf16le')).toBe(
      '.\\templates\\base.vhd',
    );
  });
  test('it may be larger than the parent, not smaller', async () => {
    await createImage(at('base.vhd'), { sizeBytes: 10 * MIB });
    expect((await createChild(at('big.vhd'), { parent: at('base.vhd'), sizeBytes: GIB })).sizeBytes).toBe(GIB);
    await expect(createChild(at('x.vhd'), { parent: at('base.vhd'), sizeBytes: MIB })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
  test('a parent that is no VHD is NOT_VHD', async () => {
    fs.writeFileSync(at('base.img'), Buffer.alloc(4096));
    await expect(createChild(at('x.vhd'), { parent: at('base.img') })).rejects.toMatchObject({ code: 'NOT_VHD' });
  });
});
