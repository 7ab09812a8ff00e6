// The graphical guest: built by one command, comes up with a terminal that has the keyboard. Heavy (a minute to build, up to
// a minute to boot under TCG), so vitest.config.ts takes it in only where ORIEL_TEST_GRAPHICAL=1 asks for it.
import { copyFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { buildGraphicalGuest, vmId, vmSpec } from '@oriel/hosts';
import { waitUntil } from '@oriel/hosts/contract';
import { describe, expect, onTestFinished, test } from 'vitest';
import { guestSays, Scratch } from './harness.ts';

describe('the graphical guest', () => {
  test('boots to a desktop; what is typed reaches the terminal without a click', { timeout: 400_000 }, async () => {
    const id = vmId('gui');
    const image = await buildGraphicalGuest(
      join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oriel', 'guests'),
    );
    const scratch = await Scratch.create();
    await copyFile(image, join(scratch.folder, 'gui.raw'));
    const disk = await scratch.serve('gui', join(scratch.folder, 'gui.raw'));
    const driver = scratch.driver();
    await driver.connect();
    onTestFinished(async () => {
      await driver.power(id, 'kill').done.catch(() => undefined);
      await scratch.removeAll(driver);
      await driver.close();
      await scratch.close();
    }, 60_000);
    await driver.apply(vmSpec({ id, memoryMiB: 256, vcpus: 2, disks: [{ id: 'system', uri: disk.uri }] })).done;
    await driver.power(id, 'start').done;
    await guestSays(driver, id, 'oriel-graphical boot 1', 180_000);
    const typed = 'echo $'.split('').map((key) => (key === ' ' ? ['spc'] : key === '$' ? ['shift', '4'] : [key]));
    // ((6*7))>/dev/ttyS0: the answer comes out where only a shell can have put it.
    const rest = [
      ['shift', '9'],
      ['shift', '9'],
      ['6'],
      ['shift', '8'],
      ['7'],
      ['shift', '0'],
      ['shift', '0'],
      ['shift', 'dot'],
    ];
    const device = '/dev/tty'.split('').map((key) => [key === '/' ? 'slash' : key]);
    const line = [...typed, ...rest, ...device, ['shift', 's'], ['0'], ['ret']];
    // Its shell reads a moment before the window manager has given its window the keyboard; what is typed in between is lost.
    const isAnswered = waitUntil(async () => {
      await driver.screen?.keys(id, [['ctrl', 'u'], ...line]);
      return guestSays(driver, id, '42', 5_000).then(
        () => true,
        () => false,
      );
    }, 60_000);
    expect(await isAnswered).toBe(true);
    const shot = await driver.screen?.shot(id, { maxAgeMs: 0 });
    expect([shot?.width, shot?.height]).toEqual([1280, 800]);
    const stopped = await driver.power(id, 'stop', { graceMs: 30_000 }).done;
    expect(stopped.state).toMatchObject({ state: 'stopped', reason: 'requested' });
  });
});
