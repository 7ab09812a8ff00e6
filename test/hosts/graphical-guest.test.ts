// The graphical guest: built by one command, comes up as a desktop with a terminal at a key and a clipboard that it shares.
// Heavy (a minute to build, up to a minute to boot under TCG), so vitest.config.ts takes it in only where
// ORIEL_TEST_GRAPHICAL=1 asks for it.
import { copyFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buildGraphicalGuest, type HostDriver, vmId, vmSpec } from '@oriel/hosts';
import { waitUntil } from '@oriel/hosts/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStage, type Stage } from '../web/stage.ts';
import { guestSays, Scratch } from './harness.ts';

const BOOT_MS = 400_000;

describe('the graphical guest', () => {
  const id = vmId('gui');
  let scratch: Scratch;
  let driver: HostDriver;
  let imageBytes: number;

  beforeAll(async () => {
    const image = await buildGraphicalGuest(
      join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oriel', 'guests'),
    );
    imageBytes = (await stat(image)).size;
    scratch = await Scratch.create();
    await copyFile(image, join(scratch.folder, 'gui.raw'));
    const disk = await scratch.serve('gui', join(scratch.folder, 'gui.raw'));
    driver = scratch.driver();
    await driver.connect();
    await driver.apply(vmSpec({ id, memoryMiB: 384, vcpus: 2, disks: [{ id: 'system', uri: disk.uri }] })).done;
    await driver.power(id, 'start').done;
    await guestSays(driver, id, 'oriel-graphical boot 1', 300_000);
  }, BOOT_MS);
  afterAll(async () => {
    await driver.power(id, 'kill').done.catch(() => undefined);
    await scratch.removeAll(driver);
    await driver.close();
    await scratch.close();
  }, 60_000);

  test('it is small enough to keep, and what is typed reaches a terminal without a click', {
    timeout: 120_000,
  }, async () => {
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
    await driver.screen?.keys(id, [['ctrl', 'alt', 't']]);
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
    expect(imageBytes).toBeLessThan(400e6);
  });

  describe('its clipboard, by spice-vdagent and QEMU’s own vdagent', () => {
    let stage: Stage;
    let serial: Duplex;
    beforeAll(async () => {
      stage = await openStage(() => driver.display(id, { kind: 'rfb' }));
      serial = await (await driver.display(id, { kind: 'serial' })).dial();
      serial.resume();
    });
    afterAll(async () => {
      serial?.destroy();
      await stage?.close();
    });

    test('goes both ways between a browser and the guest, whatever the letters', { timeout: 180_000 }, async () => {
      const page = await stage.open({ permissions: ['clipboard-read', 'clipboard-write'] });
      const run = (command: string): void => void serial.write(`export DISPLAY=:0; ${command}\n`);
      const base64 = (text: string): string => Buffer.from(text).toString('base64');

      const there = 'copied in the guest: Grüße, 你好';
      const isHere = waitUntil(async () => {
        run(`echo ${base64(there)} | base64 -d | xclip -i -selection clipboard >/dev/null 2>&1`);
        await page.waitForTimeout(2_000);
        return (await page.evaluate<string>('navigator.clipboard.readText()')) === there;
      }, 90_000);
      expect(await isHere).toBe(true);

      const here = 'copied here: naïve, 中文';
      await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(here)})`);
      await page.evaluate("window.dispatchEvent(new Event('focus'))");
      const isThere = waitUntil(async () => {
        run('xclip -o -selection clipboard | base64');
        return guestSays(driver, id, base64(here), 3_000).then(
          () => true,
          () => false,
        );
      }, 60_000);
      expect(await isThere).toBe(true);
    });
  });

  test('its shutdown is its own', { timeout: 60_000 }, async () => {
    const stopped = await driver.power(id, 'stop', { graceMs: 30_000 }).done;
    expect(stopped.state).toMatchObject({ state: 'stopped', reason: 'requested' });
  });
});
