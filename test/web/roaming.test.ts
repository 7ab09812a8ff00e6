/** The same screen on another device, and back on this one: what was left is taken up, and how long that takes is printed. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linkUser } from '../../gateway/api/people.ts';
import { listSessions, type Session } from '../../gateway/api/session.ts';
import { untilSerial } from '../support/live.ts';
import { demoDesktop, enter, invite, openWeb, screenOf, untilStatus, type Web } from './support.ts';

let web: Web;
let desktop: { readonly id: string; readonly name: string };
let desk: Page;
let phone: Page;

beforeAll(async () => {
  web = await openWeb();
  desktop = await demoDesktop(web.client);
  const link = await invite(web.client, 'ann', { desktopId: desktop.id });
  desk = await enter(web, link);
  // The same account on a second device, by the cookie jar of the first: how she signed in there is not the matter here.
  const state = await desk.context().storageState();
  const device = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, storageState: state };
  phone = await enter(web, `${web.gateway.origin}/desktops`, device);
});
afterAll(() => web?.close());

async function sessions(): Promise<readonly Session[]> {
  const { items } = await web.client.call(listSessions, { query: {} });
  return items.filter(({ kind }) => kind === 'display');
}
async function untilParked(): Promise<Session> {
  await expect.poll(async () => (await sessions()).map(({ state }) => state)).toEqual(['parked']);
  return (await sessions())[0] as Session;
}

/** Milliseconds from the click on the desktop until its picture is on the canvas. */
const STOPWATCH = `
  globalThis.picture = new Promise((resolve) => {
    let from;
    addEventListener('click', () => (from ??= performance.now()), { capture: true });
    const look = () => {
      const canvas = document.querySelector('[data-testid=screen] canvas');
      if (canvas !== null && 0 < canvas.width) {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        if (4 < new Set(new Uint32Array(data.buffer)).size) return resolve(performance.now() - from);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  undefined;`;

async function openByClick(page: Page): Promise<number> {
  await page.evaluate(STOPWATCH);
  await page.getByRole('link', { name: desktop.name }).click();
  const ms = await page.evaluate<number>('globalThis.picture');
  await untilStatus(page, 'Connected');
  return ms;
}

test('what was left at the desk is on the phone: the same session, the same screen', async () => {
  await openByClick(desk);
  await desk.getByTestId('screen').locator('canvas').focus();
  await desk.keyboard.type('left at the desk');
  await untilSerial(web.gateway.dataDir, desktop.id, /left at the desk/);
  const before = await screenOf(desk, ({ textPixels }) => 0 < textPixels);
  await desk.getByRole('link', { name: 'All desktops' }).click();
  const { id } = await untilParked();

  const first = await openByClick(phone);
  // Its worker tells the gateway that it is live; the screen may be there before.
  await expect.poll(async () => (await sessions()).map((one) => [one.id, one.state])).toEqual([[id, 'live']]);
  expect(await screenOf(phone, ({ textPixels }) => 0 < textPixels)).toEqual(before);

  await phone.getByRole('link', { name: 'All desktops' }).click();
  await untilParked();
  const second = await openByClick(phone);
  expect((await sessions()).map((session) => session.id)).toEqual([id]);
  const figures = `${first.toFixed(0)} ms on another device, ${second.toFixed(0)} ms again`;
  process.stderr.write(`the same screen after ${figures}\n`);
});

test('a device with a sign-in of its own takes the session up, and the one that had it says so', async () => {
  await openByClick(desk);
  await expect.poll(async () => (await sessions()).map(({ state }) => state)).toContain('live');
  const before = (await sessions()).map(({ id }) => id);
  const { url } = await web.client.call(linkUser, { params: { userId: (await sessions())[0]?.userId ?? '' } });
  const tablet = await enter(web, url);
  await openByClick(tablet);
  await untilStatus(desk, 'Disconnected');
  await desk.getByText('You opened this session somewhere else.').first().waitFor();
  expect((await sessions()).map(({ id }) => id)).toEqual(before);
  expect(await tablet.getByText(/ann (has joined|is here too)/).count()).toBe(0);
  // And back: the person presses, nothing flies to and fro by itself.
  await desk.getByRole('button', { name: 'Open again' }).click();
  await untilStatus(desk, 'Connected');
  await untilStatus(tablet, 'Disconnected');
  expect((await sessions()).map(({ id }) => id)).toEqual(before);
  await tablet.context().close();
  await desk.getByRole('link', { name: 'All desktops' }).click();
});

test('a device that was left on is closed from the one in hand', async () => {
  await openByClick(desk);
  await desk.getByRole('button', { name: 'Who is here' }).click();
  // One's own other window is no news, on either side.
  for (const page of [desk, phone]) expect(await page.getByText(/ann (has joined|is here too)/).count()).toBe(0);
  await desk.getByText('ann (also you, elsewhere)').waitFor();
  await desk.getByRole('button', { name: 'Close it there' }).click();
  await untilStatus(phone, 'Disconnected');
  await untilStatus(desk, 'Connected');
  await expect.poll(async () => (await sessions()).map(({ state }) => state)).toEqual(['live']);
});
