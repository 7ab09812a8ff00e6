/** A phone: what fingers do on the screen arrives as a mouse in the guest, and keys that phones lack are on the page. */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { untilSerial } from '../support/live.ts';
import { demoDesktop, enter, invite, openWeb, screenOf, untilStatus, type Web } from './support.ts';

let web: Web;
let desktop: { readonly id: string; readonly name: string };
let phone: Page;
let cdp: CDPSession;

beforeAll(async () => {
  web = await openWeb();
  desktop = await demoDesktop(web.client);
  const link = await invite(web.client, 'ann', { desktopId: desktop.id, rights: ['open', 'power'] });
  const device = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 3 };
  phone = await enter(web, link, device);
  await phone.getByRole('link', { name: desktop.name }).tap();
  await untilStatus(phone, 'Connected');
  await screenOf(phone, () => true);
  cdp = await phone.context().newCDPSession(phone);
});
afterAll(() => web?.close());

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Where a place of the guest's 320 by 200 picture is on the phone. */
async function at(x: number, y: number): Promise<Point> {
  const box = await phone.getByTestId('screen').locator('canvas').boundingBox();
  if (box === null) throw new Error('there is no screen');
  return { x: box.x + (x / 320) * box.width, y: box.y + (y / 200) * box.height };
}
const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...touchPoints: Point[]) =>
  cdp.send('Input.dispatchTouchEvent', { type, touchPoints });
const says = (pattern: RegExp) => untilSerial(web.gateway.dataDir, desktop.id, pattern);

test('nothing of the page is wider than the phone', async () => {
  expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(390);
});

test('a tap is a click where the finger was', async () => {
  await touch('touchStart', await at(160, 140));
  await touch('touchEnd');
  await says(/\[click 1[56]\d 1[34]\d 4\]/);
});

test('a long press is the right button', async () => {
  await touch('touchStart', await at(80, 150));
  await says(/\[click [78]\d 1[45]\d 2\]/);
  await touch('touchEnd');
});

test('a tap with two fingers is the right button, with three the middle one', async () => {
  await touch('touchStart', await at(200, 150), await at(220, 150));
  await touch('touchEnd');
  await says(/\[click 2[01]\d 1[45]\d 2\]/);
  await touch('touchStart', await at(240, 140), await at(260, 140), await at(280, 140));
  await touch('touchEnd');
  await says(/\[click 2[4-7]\d 1[34]\d 1\]/);
});

test('a finger that draws holds the left button', async () => {
  await touch('touchStart', await at(40, 130));
  for (let x = 50; x <= 150; x += 10) await touch('touchMove', await at(x, 130));
  await says(/\[click (3|4|5)\d 1[23]\d 4\]/);
  await touch('touchEnd');
});

test('the field types, and a modifier stays down for the next key: Ctrl-R restarts the guest', async () => {
  const { bootCount } = await screenOf(phone, () => true);
  await phone.getByRole('button', { name: 'On-screen keys' }).tap();
  const field = phone.getByRole('textbox', { name: 'Type to the desktop' });
  await field.tap();
  await phone.keyboard.insertText('by thumb');
  await says(/by thumb/);
  await phone.keyboard.press('Backspace');
  await phone.keyboard.insertText('p');
  await phone.getByRole('button', { name: 'Ctrl', exact: true }).tap();
  expect(await phone.getByRole('button', { name: 'Ctrl', exact: true }).getAttribute('aria-pressed')).toBe('true');
  await field.tap();
  await phone.keyboard.insertText('r');
  await screenOf(phone, (screen) => screen.bootCount === bootCount + 1);
  expect(await phone.getByRole('button', { name: 'Ctrl', exact: true }).getAttribute('aria-pressed')).toBe('false');
});
