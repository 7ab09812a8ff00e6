/**
 * qemu-img against us: fixed and dynamic images are read alike both ways. And the guard that says why we serve chains
 * ourselves: qemu on a child is wrong, and says nothing.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertDisk, createImage, imageInfo, openChain, openSource } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { makeChain, readOurs, seeded, testFolder } from './chains.ts';

const folder = testFolder('qemu-img');
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function readQemu(file: string): Buffer {
  qemuImg('convert', '-f', 'vpc', '-O', 'raw', '--', file, `${file}.raw`);
  return readFileSync(`${file}.raw`);
}

function rawFile(name: string, sizeBytes: number, seed: number): Buffer {
  const random = seeded(seed);
  const bytes = Buffer.alloc(sizeBytes);
  for (let i = 0; i < 12; i++) {
    const at = random(sizeBytes - 70_000);
    bytes.fill(1 + random(255), at, at + 1 + random(70_000));
  }
  writeFileSync(join(folder, name), bytes);
  return bytes;
}

describe('qemu-img reads what we write', () => {
  for (const [seed, sizeBytes, rootType] of [
    [1, 5 * MIB + 512, 'dynamic'],
    [2, 9 * MIB, 'fixed'],
    [3, 30 * MIB + 512 * 77, 'dynamic'],
  ] as const) {
    test(`${rootType}, ${sizeBytes} bytes`, async () => {
      const { files, contents } = await makeChain(folder, { seed, depth: 1, sizeBytes, rootType });
      expect(readQemu(files[0] ?? '').equals(contents[0] ?? Buffer.alloc(0))).toBe(true);
    });
  }
  test.for([20 * MIB, 8 * GIB, 127 * GIB + 512, 2040 * GIB])(
    'quirk 6: %j bytes are exactly that in qemu',
    async (sizeBytes) => {
      const file = join(folder, `exact-${sizeBytes}.vhd`);
      await createImage(file, { sizeBytes });
      expect(
        (JSON.parse(qemuImg('info', '--output=json', '-f', 'vpc', '--', file)) as { 'virtual-size': number })[
          'virtual-size'
        ],
      ).toBe(sizeBytes);
    },
  );
  test('a flattened chain', async () => {
    const { files, contents } = await makeChain(folder, { seed: 9, depth: 3, sizeBytes: 7 * MIB });
    const disk = await openSource(files[2] ?? '');
    for (const to of ['fixed', 'dynamic'] as const) {
      await convertDisk(disk, join(folder, `flat-${to}.vhd`), { to });
      expect(readQemu(join(folder, `flat-${to}.vhd`)).equals(contents[2] ?? Buffer.alloc(0))).toBe(true);
    }
    await disk.close();
  });
});

describe('we read what qemu-img writes', () => {
  for (const [i, options] of [
    'subformat=dynamic',
    'subformat=fixed',
    'subformat=dynamic,force_size=on',
    'subformat=fixed,force_size=on',
  ].entries()) {
    test(options, async () => {
      const bytes = rawFile(`r${i}.raw`, 23 * MIB, 30 + i);
      const file = join(folder, `q${i}.vhd`);
      qemuImg('convert', '-f', 'raw', '-O', 'vpc', '-o', options, '--', join(folder, `r${i}.raw`), file);
      const ours = await readOurs(file);
      // Quirk 6: without force_size qemu rounds the size up to its geometry.
      expect(ours.length).toBeGreaterThanOrEqual(bytes.length);
      expect(ours.subarray(0, bytes.length).equals(bytes)).toBe(true);
      expect(ours.subarray(bytes.length).every((byte) => byte === 0)).toBe(true);
      expect(imageInfo(file).findings).toEqual([]);
    });
  }
  test('and go on writing to it', async () => {
    const file = join(folder, 'written.vhd');
    qemuImg('create', '-f', 'vpc', '-o', 'force_size=on', '--', file, '64M');
    const disk = await openChain(file, { isReadOnly: false });
    await disk.write(Buffer.alloc(100_000, 7), 5_000_000);
    await disk.close();
    const seen = readQemu(file);
    expect(seen.equals(await readOurs(file))).toBe(true);
    expect(seen[5_000_001]).toBe(7);
  });
});

describe('the guard: never hand a child to qemu', () => {
  test('qemu-img opens a child without a word and reads something else', async () => {
    const { files, contents } = await makeChain(folder, { seed: 40, depth: 2, sizeBytes: 4 * MIB });
    const content = contents[1] ?? Buffer.alloc(0);
    const seen = readQemu(files[1] ?? '').subarray(0, content.length);
    expect(seen.equals(content)).toBe(false); // The day this fails, qemu has learned to refuse or to follow parents.
    expect((await readOurs(files[1] ?? '')).equals(content)).toBe(true);
  });
});
