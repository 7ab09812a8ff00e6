// The toy guest: its binary is what its source says, and it does what toy.asm promises on every bus.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TOY_IMAGE_PATH, vmId, vmSpec } from '@oriel/hosts';
import { PNG } from 'pngjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bootsOnDisk, guestSays, run, Scratch } from './harness.ts';

const GUESTS = dirname(dirname(TOY_IMAGE_PATH));
const id = vmId('toy');
let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch.close());

test.for([
  { source: 'toy/toy.asm', binary: 'toy/toy.bin' },
  { source: 'linux/boot.asm', binary: 'linux/boot.bin' },
])('$binary is $source assembled', async ({ source, binary }) => {
  const out = join(scratch.folder, 'out.bin');
  run('/usr/bin/nasm', '-f', 'bin', '-o', out, join(GUESTS, source));
  expect((await readFile(out)).equals(await readFile(join(GUESTS, binary)))).toBe(true);
});

describe('boots, draws, counts, echoes, reboots and powers off', () => {
  test.for([
    { machine: 'q35', bus: 'virtio-blk' },
    { machine: 'q35', bus: 'virtio-scsi' },
    { machine: 'q35', bus: 'ide' },
    { machine: 'pc', bus: 'virtio-blk' },
    { machine: 'pc', bus: 'ide' },
  ] as const)('$machine, $bus', async ({ machine, bus }) => {
    const disk = await scratch.toyDisk('toy');
    const driver = scratch.driver();
    await driver.connect();
    const input = { ...scratch.bootable(id, disk), machine, disks: [{ id: 'system', uri: disk.uri, bus }] };
    await driver.apply(vmSpec(input)).done;
    await driver.power(id, 'start').done;
    await guestSays(driver, id, 'oriel-toy boot 1\r\n');
    await driver.screen?.keys(id, [['h'], ['i']]);
    await guestSays(driver, id, 'hi');
    const shot = await driver.screen?.shot(id, { maxAgeMs: 0 });
    const picture = PNG.sync.read(Buffer.from(shot?.png ?? []));
    expect([picture.width, picture.height]).toEqual([640, 400]);
    const pixel = (x: number, y: number): string =>
      picture.data.subarray((y * 640 + x) * 4, (y * 640 + x) * 4 + 3).toString('hex');
    const bars = Array.from({ length: 8 }, (_, bar) => pixel(40 + bar * 80, 40));
    expect(bars).toEqual(['ffffff', 'ffff57', '57ffff', '57ff57', 'ff57ff', 'ff5757', '5757ff', '000000']);
    const cells = Array.from({ length: 32 }, (_, cell) => (pixel(10 + cell * 20, 392) === 'ffffff' ? 1 : 0));
    expect(Number.parseInt(cells.join(''), 2)).toBe(1);
    await driver.screen?.keys(id, [['ctrl', 'alt', 'delete']]);
    await guestSays(driver, id, 'oriel-toy boot 2\r\n');
    const stopped = await driver.power(id, 'stop', { graceMs: 20_000 }).done;
    expect(stopped.state).toMatchObject({ state: 'stopped', reason: 'requested' });
    await guestSays(driver, id, 'oriel-toy power button');
    expect(await bootsOnDisk(disk.image)).toBe(2);
    await scratch.removeAll(driver);
    await driver.close();
  });
});

test('writes on ctrl-w, and what it wrote is on the disk', async () => {
  const disk = await scratch.toyDisk('toy');
  const driver = scratch.driver();
  await driver.connect();
  await driver.apply(vmSpec(scratch.bootable(id, disk))).done;
  await driver.power(id, 'start').done;
  await guestSays(driver, id, 'oriel-toy boot 1\r\n');
  await driver.screen?.keys(id, [['ctrl', 'w']]);
  await guestSays(driver, id, 'oriel-toy wrote 16\r\n');
  await driver.power(id, 'kill').done;
  const image = await readFile(disk.image);
  expect(image.readUInt32LE((64 + 16) * 512)).toBe(16);
  await scratch.removeAll(driver);
  await driver.close();
});
