// Takes the README's pictures anew: a first start with the demo desktop, work in it in a real browser, and the same on a
// phone. About five minutes; needs what `npm test` needs, and Debian for the desktop.
//   node tools/pictures.mjs [folder]        docs/images without it
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { encodeApng } from './apng.mjs';
import { composer } from './pictures-stage.mjs';

const ORIEL = fileURLToPath(new URL('../gateway/bin/oriel.mjs', import.meta.url));
const FOLDER = process.argv[2] ?? fileURLToPath(new URL('../docs/images', import.meta.url));
const CHROMIUM = process.env['ORIEL_TEST_CHROMIUM_SHELL'] ?? '/usr/bin/chromium-headless-shell';
const DESK = { viewport: { width: 1280, height: 848 }, reducedMotion: 'reduce' };
const PHONE = { hasTouch: true, isMobile: true, deviceScaleFactor: 2, reducedMotion: 'reduce' };
const UPRIGHT = { width: 390, height: 844 };
const LYING = { width: 844, height: 390 };
/** The guest's screen, in pixels. */
const GUEST = { width: 1280, height: 800 };
const BOOT_MS = 300_000;
/** Signs that are not called as the key that makes them. */
const KEYS = { '*': 'Shift+Digit8', ':': 'Shift+Semicolon', '\n': 'Enter' };

const dataFolder = mkdtempSync(join(tmpdir(), 'oriel-pictures-'));
const env = { ...process.env, ORIEL_DATA: dataFolder, ORIEL_LISTEN: '127.0.0.1:0', ORIEL_DEMO: 'desktop' };
try {
  await takeAll();
} finally {
  spawnSync(process.execPath, [ORIEL, 'stop', '--all', '--force'], { env, stdio: 'inherit' });
  rmSync(dataFolder, { recursive: true, force: true });
}

async function takeAll() {
  const link = await startGateway();
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const desk = await (await browser.newContext(DESK)).newPage();
    await desk.goto(link);
    await desk.getByRole('button', { name: 'Sign in', exact: true }).click();
    await desk.getByRole('heading', { name: 'Desktops', exact: true }).waitFor();
    const api = apiOf(desk);
    await furnish(api);

    await open(desk, 'Harbour office');
    await openIcon(desk, 60, 40); // Documents
    await openIcon(desk, 674, 268); // Regatta.html
    await untilStill(desk);
    await leave(desk);
    await open(desk, 'Boathouse');
    await desk.keyboard.press('Control+Alt+t');
    await untilStill(desk);
    await desk.waitForTimeout(5_000); // Its shell reads a while after its window is there.
    await type(desk, 'ls -l Documents; cat Documents/Boat*\n');
    await untilStill(desk);
    await leave(desk);

    const frames = [];
    const compose = await composer(browser);
    const take = async (scene) => frames.push({ png: await compose(scene), ms: scene.ms });
    await roam(browser, desk, take);
    writeFileSync(join(FOLDER, 'roaming.png'), encodeApng(frames));
  } finally {
    await browser.close();
  }
}

/** Click, work, drop, come back on the phone; the still pictures are taken on the way. */
async function roam(browser, desk, take) {
  const portal = await desk.screenshot();
  writeFileSync(join(FOLDER, 'desktops.png'), portal);
  const card = await desk.getByRole('link', { name: 'Regatta', exact: true }).boundingBox();
  const pointer = { x: card.x + card.width / 2, y: card.y + card.height / 2 };
  await take({ desk: portal, pointer: { x: 700, y: 700 }, step: 0, ms: 1_200 });
  await take({ desk: portal, pointer, step: 0, ms: 900 });

  await open(desk, 'Regatta');
  await take({ desk: await desk.screenshot(), step: 1, ms: 900 });
  await openIcon(desk, 60, 40); // Documents
  await drag(desk, [640, 143], [540, 80]);
  await take({ desk: await desk.screenshot(), step: 1, ms: 900 });
  await openIcon(desk, 470, 205); // Briefing.txt
  await untilStill(desk);
  await desk.keyboard.press('Control+End');
  for (const words of [' - Ana asks the harbour master', ' for the tide tables\n', ' - Mei orders the sandwiches:']) {
    await type(desk, words);
    await untilStill(desk);
    await take({ desk: await desk.screenshot(), step: 1, ms: 700 });
  }
  const last = await desk.screenshot();
  writeFileSync(join(FOLDER, 'session.png'), last);
  const storageState = await desk.context().storageState();
  const origin = new URL(desk.url()).origin;
  await desk.context().close();
  await take({ desk: last, isShut: true, step: 2, ms: 1_800 });

  const phone = await (await browser.newContext({ ...PHONE, viewport: UPRIGHT, storageState })).newPage();
  await phone.goto(`${origin}/desktops`);
  const mine = phone.getByRole('link', { name: 'Regatta', exact: true });
  await mine.waitFor();
  await phone.waitForLoadState('networkidle').catch(() => undefined);
  const upright = await phone.screenshot();
  await take({ phone: upright, isUpright: true, step: 3, ms: 1_300 });
  await phone.setViewportSize(LYING);
  await open(phone, 'Regatta');
  await take({ phone: await phone.screenshot(), step: 3, ms: 1_200 });
  for (const words of [' forty', ', half of them', ' with cheese']) {
    await type(phone, words);
    await untilStill(phone);
    await take({ phone: await phone.screenshot(), step: 3, ms: words.endsWith('cheese') ? 3_000 : 600 });
  }
  const compose = await composer(browser);
  const phones = await compose({ phones: [upright, await phone.screenshot()] });
  writeFileSync(join(FOLDER, 'phone.png'), phones);
}

// ---- the gateway -----------------------------------------------------------------------------------------------------

/** Starts one that nobody has used, and gives the first sign-in link. */
function startGateway() {
  const child = spawn(process.execPath, [ORIEL, 'start'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (status) => reject(new Error(`oriel start ended with ${status}`)));
    child.stdout.on('data', (some) => {
      text += some;
      if (text.includes('Ctrl-C')) resolve(/^\S+\/sign-in#link=\S+$/m.exec(text)[0]);
    });
  });
}

/** The API as the person of this page. */
function apiOf(page) {
  const { origin } = new URL(page.url());
  return async (method, path, data) => {
    const headers = { origin, 'idempotency-key': crypto.randomUUID() };
    const answer = await page.request.fetch(`${origin}/api/v1${path}`, { method, headers, data });
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
    return await answer.json();
  };
}

/** The demo desktop under a name of its own, and two clones beside it, all of them up. */
async function furnish(api) {
  const all = async () => (await api('GET', '/vms')).items;
  const named = async (name) => (await all()).find((vm) => vm.name === name);
  const first = await until('the demo desktop', () => named('desktop'));
  await until('its desktop', () => isUp(api, first.id));
  await api('PATCH', `/vms/${first.id}`, { name: 'Regatta', description: 'Briefing, standings, boats' });
  const toy = await named('toy');
  await api('POST', `/vms/${toy.id}/stop`, { force: true });
  await until('the end of the toy', async () => (await named('toy')).state === 'stopped');
  await api('DELETE', `/vms/${toy.id}?disks=delete`);
  const source = { from: 'template', templateId: 'desktop' };
  const more = { 'Harbour office': 'The page that hangs in the window', Boathouse: 'A terminal on the boat list' };
  for (const [name, description] of Object.entries(more)) {
    const asked = { name, description, source, hardware: { memoryMiB: 384 }, wanted: 'running' };
    const { id } = await api('POST', '/vms', asked);
    await until(name, () => isUp(api, id));
  }
}

/** Before it runs there is no log to ask for. */
async function isUp(api, id) {
  const log = await api('GET', `/vms/${id}/serial-log`).catch(() => ({ text: '' }));
  return log.text.includes('oriel-graphical boot');
}

async function until(what, look) {
  for (const end = Date.now() + BOOT_MS; Date.now() < end; ) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error(`waited in vain for ${what}`);
}

// ---- a screen ----------------------------------------------------------------------------------------------------------

async function open(page, name) {
  await page.getByRole('link', { name, exact: true }).click();
  await page.getByRole('status').filter({ hasText: 'Connected' }).waitFor();
  await untilStill(page);
  await canvasOf(page).focus();
}

/** Back to the list, once the pictures on it are those of now. */
async function leave(page) {
  await page.getByRole('link', { name: 'All desktops' }).click();
  await page.getByRole('heading', { name: 'Desktops', exact: true }).waitFor();
  await page.waitForTimeout(8_000);
}

function canvasOf(page) {
  return page.getByTestId('screen').locator('canvas');
}

/** Where a place of the guest's screen is on the page. */
async function at(page, x, y) {
  const box = await canvasOf(page).boundingBox();
  return [box.x + (x / GUEST.width) * box.width, box.y + (y / GUEST.height) * box.height];
}

/** By a click and Enter: an emulated guest may take the clicks of a double one for two. */
async function openIcon(page, x, y) {
  await page.mouse.move(...(await at(page, x, y)));
  await page.waitForTimeout(300);
  await page.mouse.click(...(await at(page, x, y)), { delay: 60 });
  await untilStill(page);
  await page.keyboard.press('Enter', { delay: 60 });
  await untilStill(page);
}

/** As fingers do it, with Shift held: what arrives is scancodes. */
async function type(page, words) {
  for (const sign of words) {
    const key = KEYS[sign] ?? (/[A-Z]/.test(sign) ? `Shift+Key${sign}` : sign);
    await page.keyboard.press(key, { delay: 30 });
  }
}

async function drag(page, from, to) {
  await page.mouse.move(...(await at(page, ...from)));
  await page.mouse.down();
  await page.mouse.move(...(await at(page, ...to)), { steps: 8 });
  await page.mouse.up();
  await untilStill(page);
}

/** A guest under emulation takes its time: its screen is still when four looks in a row see the same. */
async function untilStill(page) {
  let [before, same] = ['', 0];
  for (let looks = 0; same < 4 && looks < 60; looks += 1) {
    await page.waitForTimeout(700);
    const now = await canvasOf(page).evaluate((canvas) => canvas.toDataURL());
    same = now === before ? same + 1 : 0;
    before = now;
  }
}
