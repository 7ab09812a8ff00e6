/**
 * The main job, end to end, on real parts: template VHD, differencing child, disk service, NBD, QEMU, RFB, relay,
 * WebSocket, noVNC in Chromium. What the guest draws and counts says whether all of it works.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { openChain } from '@oriel/vhd';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { oriel, startGateway, type TestGateway } from '../support/gateway.ts';
import type { ToyScreen } from '../support/toy-screen.ts';
import { screenOf } from '../web/support.ts';

/** The sector in which the toy guest counts its boots: "ORIELTOY", then a little-endian u32. */
const COUNTER_OFFSET = 15 * 512;
const SCREEN_MS = 20_000;

let gateway: TestGateway;
let browser: Browser;
let page: Page;
let templateHash: string;

const templatePath = (): string => path.join(gateway.dataDir, 'disks/images/toy.vhd');
const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const screenWhen = (isAwaited: (screen: ToyScreen) => boolean): Promise<ToyScreen> => screenOf(page, isAwaited);

describe('the main job', () => {
  beforeAll(async () => {
    gateway = await startGateway();
    templateHash = sha256(templatePath());
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.stop();
  });

  test('the one-time link signs in, and the desktop is there with a live thumbnail', async () => {
    await page.goto(gateway.link ?? '');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    const thumbnail = page.getByRole('listitem').filter({ hasText: 'toy' }).locator('img');
    await thumbnail.waitFor();
    await expect
      .poll(() => thumbnail.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth))
      .toBeGreaterThan(0);
  });

  test('a click opens the session and the guest’s picture is recognised', async () => {
    await page.getByRole('link', { name: /toy/ }).first().click();
    const screen = await screenWhen(() => true);
    expect(screen.bootCount).toBe(1);
  });

  test('keys typed in the browser arrive in the guest, on its screen and its serial port', async () => {
    await page.getByRole('button', { name: 'Serial console' }).click();
    const serial = page.getByTestId('serial');
    await serial.locator('.xterm-screen').waitFor();
    const before = await screenWhen(() => true);
    await page
      .getByTestId('screen')
      .locator('canvas')
      .click({ position: { x: 20, y: 20 } });
    await page.keyboard.type('hello oriel');
    await expect.poll(() => serial.locator('.xterm-rows').innerText(), { timeout: SCREEN_MS }).toContain('hello oriel');
    await screenWhen((screen) => before.textPixels < screen.textPixels);
  });

  test('the guest notices the mouse', async () => {
    const serial = page.getByTestId('serial');
    await page
      .getByTestId('screen')
      .locator('canvas')
      .click({ position: { x: 200, y: 150 } });
    await expect
      .poll(() => serial.locator('.xterm-rows').innerText(), { timeout: SCREEN_MS })
      .toMatch(/\[click 7\d 5\d 4/);
  });

  test('after a restart of the VM the counter is one higher', async () => {
    await page.getByRole('button', { name: 'Ctrl-Alt-Del' }).click();
    const screen = await screenWhen(({ bootCount }) => bootCount === 2);
    expect(screen.bootCount).toBe(2);
  });

  test('so it is after a reset by the command line', async () => {
    expect(await oriel(gateway.dataDir, ['vm', 'reset', 'toy'])).toMatchObject({ status: 0 });
    const screen = await screenWhen(({ bootCount }) => bootCount === 3);
    expect(screen.bootCount).toBe(3);
  });

  test('OUTLIVE: the gateway is killed and started again; the page comes back by itself to the same guest', async () => {
    const { host } = new URL(gateway.origin);
    await gateway.end('SIGKILL');
    const status = page.getByRole('status');
    await status.filter({ hasText: 'Reconnecting to toy' }).waitFor();
    gateway = await startGateway({ dataDir: gateway.dataDir, listen: host });
    await status.filter({ hasText: 'Connected to toy' }).waitFor();
    await page
      .getByTestId('screen')
      .locator('canvas')
      .click({ position: { x: 20, y: 20 } });
    const before = await screenWhen(() => true);
    await page.keyboard.type('still here');
    const after = await screenWhen((screen) => before.textPixels < screen.textPixels);
    expect(after.bootCount).toBe(3);
  }, 60_000);

  test('SEALED-STAYS: the template has not changed, and the child holds the counter', async () => {
    await browser.close();
    const stopped = await oriel(gateway.dataDir, ['stop', '--all', '--force']);
    expect(stopped).toMatchObject({ status: 0 });
    expect(sha256(templatePath())).toBe(templateHash);
    const folder = path.join(gateway.dataDir, 'disks/disks/toy-demo');
    const leaf = readdirSync(folder).find((name) => name.endsWith('.vhd')) ?? '';
    const counterIn = async (file: string): Promise<number> => {
      const disk = await openChain(file, { policy: { folders: [path.dirname(templatePath())] } });
      try {
        const sector = Buffer.alloc(512);
        await disk.read(sector, COUNTER_OFFSET);
        return sector.toString('latin1', 0, 8) === 'ORIELTOY' ? sector.readUInt32LE(8) : 0;
      } finally {
        await disk.close();
      }
    };
    expect(await counterIn(path.join(folder, leaf))).toBe(3);
    expect(await counterIn(templatePath())).toBe(0);
  });
});
