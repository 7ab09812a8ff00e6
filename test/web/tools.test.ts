/** The tools of the session page: what is measured and shown, quality by bandwidth and by hand, full screen, a lost network. */
import type { Socket } from 'node:net';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fakeVm, rfbServerHandshake, unixEndpoint } from '../display/support.ts';
import { openStage, type Stage, startXServer, type XServer } from './stage.ts';
import { untilStatus } from './support.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function opened(stage: Stage): Promise<Page> {
  undo.push(() => stage.close());
  return await stage.open();
}

/** The JPEG quality of each SetEncodings (RFC 6143 7.5.2; -32 to -23) that the page sends from now on. */
function qualities(page: Page): number[] {
  const seen: number[] = [];
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      const bytes = Buffer.from(payload);
      if (bytes[0] !== 2) return;
      for (let i = 4; i + 4 <= bytes.length; i += 4) {
        const encoding = bytes.readInt32BE(i);
        if (-32 <= encoding && encoding <= -23) seen.push(encoding + 32);
      }
    }),
  );
  return seen;
}

test('round trip and frame rate are shown and follow what happens; quality is set by hand', async () => {
  const x = await startXServer();
  undo.push(() => x.close());
  const page = await opened(await openStage(x.endpoint));
  const figures = page.getByRole('note', { name: 'Connection' });
  await expect.poll(() => figures.innerText(), { timeout: 10_000 }).toMatch(/\d+ ms/);
  await expect.poll(() => figures.innerText(), { timeout: 10_000 }).toMatch(/\b0 fps/);
  const seen = qualities(page);
  await page.reload();
  await untilStatus(page, 'Connected');
  for (const [name, quality] of [
    ['Sharp', 9],
    ['Fast', 2],
    ['Balanced', 6],
  ] as const) {
    await page.getByRole('button', { name: 'Picture quality' }).click();
    await page.getByRole('menuitem', { name: new RegExp(`^${name}`) }).click();
    await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe(quality);
  }
  // The choice is kept for the next visit.
  await page.reload();
  await untilStatus(page, 'Connected');
  await page.getByRole('button', { name: 'Picture quality' }).click();
  await page.getByRole('menuitem', { name: /^Balanced.*\(chosen\)/ }).waitFor();
});

/** A desktop that draws without end: 640 by 480 raw pixels whenever it is asked. */
const floodingVm = (): Promise<string> => fakeVm((socket) => void flood(socket).catch(() => undefined)); // It has gone.

async function flood(socket: Socket): Promise<void> {
  const reader = await rfbServerHandshake(socket, { width: 640, height: 480 });
  const frame = Buffer.alloc(16 + 640 * 480 * 4, 0x5a);
  frame.set([0, 0, 0, 1, 0, 0, 0, 0, 640 >> 8, 640 & 255, 480 >> 8, 480 & 255, 0, 0, 0, 0]);
  const lengths: Readonly<Record<number, number>> = { 0: 19, 3: 9, 4: 7, 5: 5 };
  for (;;) {
    const [type = 0] = await reader.read(1);
    if (type === 2) await reader.read(4 * (await reader.read(3)).readUInt16BE(1));
    else await reader.read(lengths[type] ?? 0);
    if (type === 3) socket.write(frame);
  }
}

test.for([
  { it: 'a connection that carries much', rules: {}, from: 9, to: 9 },
  { it: 'a narrow connection', rules: { bandwidthBytesPerSecond: 400_000 }, from: 2, to: 4 },
])('the picture follows the bandwidth by itself: $it', async ({ rules, from, to }) => {
  const vm = await floodingVm();
  const page = await opened(await openStage(() => unixEndpoint(vm), rules));
  const seen = qualities(page);
  await page.reload();
  await untilStatus(page, 'Connected');
  await expect.poll(() => from <= (seen.at(-1) ?? -1) && (seen.at(-1) ?? 10) <= to, { timeout: 20_000 }).toBe(true);
});

test('frames are counted while the desktop draws', async () => {
  const vm = await floodingVm();
  const page = await opened(await openStage(() => unixEndpoint(vm)));
  const figures = page.getByRole('note', { name: 'Connection' });
  await expect.poll(() => figures.innerText(), { timeout: 10_000 }).toMatch(/\b[1-9]\d* fps/);
});

test('full screen is the whole page, bar included, and the way back is the same button', async () => {
  const x = await startXServer();
  undo.push(() => x.close());
  const page = await opened(await openStage(x.endpoint));
  const button = page.getByRole('button', { name: 'Full screen' });
  const isFull = () => page.evaluate<boolean>('document.fullscreenElement === document.documentElement');
  await button.click();
  await expect.poll(isFull).toBe(true);
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
  await button.click();
  await expect.poll(isFull).toBe(false);
});

test('a desktop takes the size of the window where that is asked for, and is scaled where not', async () => {
  const x = await startXServer();
  undo.push(() => x.close());
  const page = await opened(await openStage(x.endpoint));
  const sizes = () =>
    page.evaluate<readonly number[]>(`{
      const canvas = document.querySelector('[data-testid=screen] canvas');
      const stage = document.querySelector('[data-testid=screen]').getBoundingClientRect();
      [canvas.width, canvas.height, Math.round(stage.width), Math.round(stage.height)];
    }`);
  expect((await sizes()).slice(0, 2)).toEqual([640, 400]);
  await page.getByRole('button', { name: 'Fit' }).click();
  await page.getByRole('menuitem', { name: /^Resize the desktop/ }).click();
  await expect
    .poll(async () => {
      const [width, height, roomX, roomY] = await sizes();
      return width === roomX && height === roomY;
    })
    .toBe(true);
});

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
async function boxOf(page: Page, what: 'canvas' | 'panel'): Promise<Box> {
  const canvas = page.getByTestId('screen').locator('canvas');
  const box = await (what === 'canvas'
    ? canvas
    : page.getByRole('complementary', { name: 'Who is here' })
  ).boundingBox();
  if (box === null) throw new Error(`there is no ${what}`);
  return box;
}

describe('the bar and its panels', () => {
  let x: XServer;
  let stage: Stage;
  beforeAll(async () => {
    x = await startXServer();
    stage = await openStage(x.endpoint);
  });
  afterAll(async () => {
    await stage?.close();
    await x?.close();
  });

  test.for([
    { it: 'beside it', viewport: { width: 1280, height: 800 } },
    { it: 'on a phone below it, where no tool is off the edge', viewport: { width: 390, height: 844 } },
  ])('a panel covers nothing of the desktop, which makes room: $it', async ({ viewport }) => {
    const page = await stage.open({ viewport });
    const button = page.getByRole('button', { name: 'Who is here', exact: true });
    await button.click();
    const isApart = async (): Promise<boolean> => {
      const [canvas, panel] = [await boxOf(page, 'canvas'), await boxOf(page, 'panel')];
      return canvas.x + canvas.width <= panel.x || canvas.y + canvas.height <= panel.y;
    };
    await expect.poll(isApart).toBe(true);
    const panel = await boxOf(page, 'panel');
    expect(panel.x + panel.width).toBe(viewport.width);
    for (const tool of await page.getByRole('toolbar').getByRole('button').all()) {
      const box = await tool.boundingBox();
      expect(0 <= (box?.x ?? -1) && (box?.x ?? 0) + (box?.width ?? 0) <= viewport.width).toBe(true);
    }
    await button.click();
    await page.getByRole('complementary', { name: 'Who is here' }).waitFor({ state: 'detached' });
    await page.context().close();
  });

  test('every tool says its name where the mouse rests on it, and stands in a menu by that name', async () => {
    const page = await stage.open();
    const bar = page.getByRole('toolbar');
    await bar.getByRole('button', { name: 'Keyboard of the desktop' }).waitFor(); // It comes with the connection.
    const names = await bar.getByRole('button').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')));
    await bar.getByRole('button', { name: 'Screenshot' }).hover();
    await page.getByRole('tooltip').filter({ hasText: 'Screenshot' }).waitFor();
    const all = bar.getByRole('button', { name: 'All tools' });
    await all.click();
    const lines = page.getByRole('menu', { name: 'All tools' }).getByRole('menuitem');
    expect(await lines.allInnerTexts()).toEqual(names.filter((name) => name !== 'All tools'));
    // A button does what it does; a menu opens, and the keyboard is in it.
    await lines.filter({ hasText: 'Who is here' }).click();
    await page.getByRole('complementary', { name: 'Who is here' }).waitFor();
    await all.click();
    expect(await lines.filter({ hasText: 'Who is here' }).innerText()).toContain('On');
    await lines.filter({ hasText: 'Picture quality' }).click();
    await page.getByRole('menuitem', { name: /^Automatic/ }).waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.innerText')).toContain('Automatic');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await bar.getByRole('button', { name: 'Picture quality' }).click();
    await page.getByRole('menuitem', { name: /^Sharp.*\(chosen\)/ }).waitFor();
    await page.context().close();
  });
});

test('a network that goes and comes back: the page says so and is back without a reload', async () => {
  const x = await startXServer();
  undo.push(() => x.close());
  const page = await opened(await openStage(x.endpoint));
  await page.evaluate('globalThis.isSamePage = true');
  await page.context().setOffline(true);
  await untilStatus(page, 'Reconnecting');
  await page.context().setOffline(false);
  await untilStatus(page, 'Connected');
  expect(await page.evaluate('globalThis.isSamePage')).toBe(true);
});
