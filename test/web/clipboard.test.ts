/** The clipboard both ways between Chromium and a real X desktop, by itself and by hand, and what a policy lets through. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStage, type Stage, startXServer, type XServer } from './stage.ts';

const TEXT = 'Grüße, 你好 👋\nsecond line';
let x: XServer;
beforeAll(async () => {
  x = await startXServer();
});
afterAll(() => x?.close());

/** An X client takes the clipboard there; it stays until somebody else does. */
const copyThere = (text: string) => x.client('xclip', ['-selection', 'clipboard', '-quiet'], text);
const pasteThere = () => x.client('xclip', ['-selection', 'clipboard', '-out']).ended;
const copyHere = (page: Page, text: string) => page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
const pasteHere = (page: Page) => page.evaluate<string>('navigator.clipboard.readText()');
const ALLOWED = { permissions: ['clipboard-read', 'clipboard-write'] };

describe('both ways', () => {
  let stage: Stage;
  let page: Page;
  beforeAll(async () => {
    stage = await openStage(x.endpoint);
    page = await stage.open(ALLOWED);
  });
  afterAll(() => stage?.close());

  test('what is copied on the desktop is on this device, by itself', async () => {
    copyThere(TEXT);
    await expect.poll(() => pasteHere(page)).toBe(TEXT);
  });

  test('what is copied on this device is on the desktop when the window is looked at again', async () => {
    await copyHere(page, `here: ${TEXT}`);
    await page.evaluate("window.dispatchEvent(new Event('focus'))");
    await expect.poll(pasteThere).toBe(`here: ${TEXT}`);
  });

  test('by hand, both ways, in the panel', async () => {
    await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
    await page.getByRole('textbox', { name: 'To the desktop' }).fill('by hand');
    await page.getByRole('button', { name: 'Send to the desktop' }).click();
    await expect.poll(pasteThere).toBe('by hand');
    copyThere('from there');
    const field = page.getByRole('textbox', { name: 'From the desktop' });
    await expect.poll(() => field.inputValue()).toBe('from there');
    await copyHere(page, 'something else');
    await page.getByRole('button', { name: 'Copy to this device' }).click();
    await expect.poll(() => pasteHere(page)).toBe('from there');
  });
});

test.for([
  { clipboard: 'in', toDesktop: true, toDevice: false },
  { clipboard: 'out', toDesktop: false, toDevice: true },
] as const)('a desktop whose clipboard goes only "$clipboard"', async ({ clipboard, toDesktop, toDevice }) => {
  const stage = await openStage(x.endpoint, { clipboard });
  try {
    const page = await stage.open(ALLOWED);
    await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
    const panel = page.getByRole('complementary', { name: 'Clipboard' });
    const offered = async (name: string): Promise<boolean> => 0 < (await panel.getByRole('textbox', { name }).count());
    await expect.poll(() => offered('To the desktop')).toBe(toDesktop);
    await expect.poll(() => offered('From the desktop')).toBe(toDevice);
    if (toDesktop) {
      await panel.getByRole('textbox', { name: 'To the desktop' }).fill(`goes ${clipboard}`);
      await panel.getByRole('button', { name: 'Send to the desktop' }).click();
      await expect.poll(pasteThere).toBe(`goes ${clipboard}`);
    } else {
      copyThere(`comes ${clipboard}`);
      await expect.poll(() => panel.getByRole('textbox').inputValue()).toBe(`comes ${clipboard}`);
    }
  } finally {
    await stage.close();
  }
});
