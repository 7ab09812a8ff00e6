/** Every page, light and dark, at a desk and on a phone: no violation of any rule that axe knows. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createToken } from '../../gateway/api/auth.ts';
import { createDisk } from '../../gateway/api/disk.ts';
import { createAssignment, createGroup, createUser } from '../../gateway/api/people.ts';
import { endSession, listSessions } from '../../gateway/api/session.ts';
import { createVm } from '../../gateway/api/vm.ts';
import { demoDesktop, openWeb, untilStatus, type Web } from './support.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let web: Web;
let desktopId: string;
let stoppedId: string;
let page: Page;

beforeEach(async () => {
  page = await web.context.newPage();
  page.setDefaultTimeout(10_000);
});
afterEach(() => page.close());
beforeAll(async () => {
  web = await openWeb();
  desktopId = (await demoDesktop(web.client)).id;
  const { client } = web;
  const user = await client.call(createUser, { body: { name: 'grace', displayName: 'Grace Hopper' } });
  await client.call(createGroup, { body: { name: 'engineering' } });
  await client.call(createAssignment, { body: { desktopId, userId: user.id } });
  await client.call(createToken, { body: { name: 'backup job', scopes: ['see'] } });
  await client.call(createDisk, { body: { name: 'spare', source: { from: 'blank', sizeBytes: 1 << 20 } } });
  stoppedId = (await client.call(createVm, { body: { name: 'empty', source: { from: 'none' } } })).id;
});
afterAll(() => web?.close());

/** Two frames on, and no colour on its way to another. */
const SETTLED = `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => Promise.allSettled(document.getAnimations().map((each) => each.finished)))
  .then(() => undefined)`;

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

async function violations(page: Page, rules?: readonly string[], inside = 'document'): Promise<readonly string[]> {
  const options = JSON.stringify({ resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) });
  await page.evaluate(axe);
  const found = await page.evaluate<readonly Violation[]>(
    `axe.run(${inside}, ${options}).then((result) => result.violations)`,
  );
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
  );
}

const IS_DEEP = 1 < Number(process.env['ORIEL_TEST_DEPTH'] ?? 1);
/** What a theme or a width can break; names, roles and order are the same in all of them. */
const LOOKS = ['color-contrast', 'target-size', 'scrollable-region-focusable', 'link-in-text-block', 'region'];
/** Every rule at a desk in light, what looks can break on a phone in dark; every rule in all four in the deep run. */
const VARIANTS = (
  [
    { width: 1280, colorScheme: 'light', rules: undefined },
    { width: 390, colorScheme: 'dark', rules: IS_DEEP ? undefined : LOOKS },
    { width: 1280, colorScheme: 'dark', rules: undefined },
    { width: 390, colorScheme: 'light', rules: undefined },
  ] as const
).slice(0, IS_DEEP ? 4 : 2);

/** Axe on the page as it stands, in both themes and both widths. */
async function expectClean(page: Page, inside?: string): Promise<void> {
  await page.locator('.pf-v6-c-skeleton, .pf-v6-c-spinner').first().waitFor({ state: 'detached' });
  for (const { width, colorScheme, rules } of VARIANTS) {
    await page.setViewportSize({ width, height: 844 });
    await page.emulateMedia({ colorScheme });
    await page.evaluate(SETTLED);
    expect(await violations(page, rules, inside), `${width} ${colorScheme}`).toEqual([]);
  }
}

test.for([
  { path: '/desktops', heading: 'Desktops' },
  { path: '/console/vms', heading: 'Virtual machines' },
  { path: '/console/images', heading: 'Disks and images' },
  { path: '/console/hosts', heading: 'Hosts' },
  { path: '/console/sessions', heading: 'Sessions' },
  { path: '/console/people', heading: 'People' },
  { path: '/console/people/groups', heading: 'People' },
  { path: '/console/people/assignments', heading: 'People' },
  { path: '/console/audit', heading: 'Audit log' },
  { path: '/console/tasks', heading: 'Tasks' },
  { path: '/console/storages', heading: 'Storages' },
  { path: '/account', heading: 'Administrator' },
  { path: '/no/such/page', heading: 'There is no such page' },
])('$path has no violation', async ({ path, heading }) => {
  await page.goto(web.gateway.origin + path);
  await page.getByRole('heading', { level: 1, name: heading }).waitFor();
  await expectClean(page);
});

test('the page of a VM and its dialogs have no violation', async () => {
  await page.goto(`${web.gateway.origin}/console/vms/${desktopId}`);
  await page.getByRole('list', { name: /^Chain of/ }).waitFor();
  await expectClean(page);
  for (const name of ['Snapshot', 'Grow…']) {
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await expectClean(page, "'.pf-v6-c-modal-box'");
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }
  await page.goto(`${web.gateway.origin}/console/vms`);
  await page.getByRole('button', { name: 'New virtual machine' }).click();
  await page.getByRole('dialog').waitFor();
  await expectClean(page);
  await page.keyboard.press('Escape');
  await page
    .getByRole('button', { name: /^Actions for/ })
    .first()
    .click();
  await page.getByRole('menu').waitFor();
  await expectClean(page);
});

/** Every dialog of the console and the account: what is pressed to open it, on which page. */
const DIALOGS: Readonly<Record<string, readonly { readonly title: RegExp; readonly press: readonly RegExp[] }[]>> = {
  '/console/vms': [
    { title: /^Change toy/, press: [/^Actions for toy/, /^Change…/] },
    { title: /^CD drive of toy/, press: [/^Actions for toy/, /^CD drive…/] },
    { title: /^New virtual machine/, press: [/^New virtual machine/] },
    { title: /^Rules for sessions on toy/, press: [/^Actions for toy/, /^Session rules…/] },
    { title: /Delete toy/, press: [/^Actions for toy/, /^Delete…/] },
    { title: /Power off: toy/, press: [/^Actions for toy/, /^Power off/] },
  ],
  '/console/images': [
    { title: /^Import an image/, press: [/^Import an image/] },
    { title: /^Upload a file/, press: [/^Upload a file/] },
    { title: /^Who stands on what: toy/, press: [/^Actions for toy/, /^Who stands on what…/] },
    { title: /^Check toy/, press: [/^Actions for toy/, /^Check…/] },
    { title: /^Download toy/, press: [/^Actions for toy/, /^Convert and download…/] },
    { title: /^Copy toy/, press: [/^Actions for toy/, /^Copy as an image…/] },
    { title: /^Rename or describe toy/, press: [/^Actions for toy/, /^Rename, describe…/] },
    { title: /^Compact toy/, press: [/^Actions for toy/, /^Compact…/] },
    { title: /^Put toy on/, press: [/^Actions for toy/, /^Put on another image…/] },
    { title: /Delete spare/, press: [/^Actions for spare/, /^Delete…/] },
  ],
  '/console/people/users': [
    { title: /^New user/, press: [/^New user/] },
    { title: /^Sign-in link for grace/, press: [/^Actions for grace/, /sign-in link/] },
    { title: /^Roles of grace/, press: [/^Actions for grace/, /^Roles…/] },
    { title: /Delete grace/, press: [/^Actions for grace/, /^Delete…/] },
  ],
  '/console/people/groups': [
    { title: /^New group/, press: [/^New group/] },
    { title: /^Members of engineering/, press: [/^Actions for engineering/, /Members/] },
    { title: /^Session policy of engineering/, press: [/^Actions for engineering/, /^Session policy/] },
  ],
  '/console/sessions': [{ title: /^Session policy of everybody/, press: [/^Session policy/] }],
  '/console/people/assignments': [{ title: /^Assign/, press: [/^Assign a desktop/] }],
  '/console/audit': [{ title: /^Line \d+/, press: [/^Details of line/] }],
  '/account': [
    { title: /^Set up one-time codes/, press: [/^Set up/] },
    { title: /^Add a passkey/, press: [/^Add a passkey/] },
    { title: /^Make a token/, press: [/^Make a token/] },
  ],
};

test.for(Object.entries(DIALOGS))(
  'no dialog of %s has a violation, and Escape closes each',
  async ([path, dialogs]) => {
    await page.goto(web.gateway.origin + path);
    for (const { title, press } of dialogs) {
      await page.setViewportSize({ width: 1280, height: 844 });
      const [button = /./, item] = press;
      await page.getByRole('button', { name: button }).first().click();
      if (item !== undefined) await page.getByRole('menuitem', { name: item }).click();
      const dialog = page.getByRole('dialog', { name: title });
      await dialog.waitFor();
      await expectClean(page, "'.pf-v6-c-modal-box'");
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
    }
  },
);

test('the session page with all that it can open has no violation', async () => {
  await page.goto(`${web.gateway.origin}/desktops/${desktopId}`);
  await untilStatus(page, 'Connected');
  await expectClean(page);
  await page.getByRole('button', { name: 'Serial console', exact: true }).click();
  await page.getByTestId('serial').locator('.xterm-rows').waitFor();
  await page.getByRole('button', { name: 'On-screen keys' }).click();
  await page.getByRole('button', { name: 'Who is here' }).click();
  await expectClean(page);
  await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
  await page.getByRole('button', { name: 'Fit' }).click();
  await page.getByRole('menu').waitFor();
  await expectClean(page, "document.querySelector('.pf-v6-c-menu')"); // It lies over the tools of the bar, on a phone.
});

test('a session that has ended, and a desktop that does not run, have no violation', async () => {
  await page.goto(`${web.gateway.origin}/desktops/${desktopId}`);
  await untilStatus(page, 'Connected');
  for (const { id } of (await web.client.call(listSessions, { query: {} })).items) {
    await web.client.call(endSession, { params: { sessionId: id } });
  }
  await page.getByRole('button', { name: 'Open again' }).waitFor();
  await expectClean(page);
  await page.goto(`${web.gateway.origin}/desktops/${stoppedId}`);
  await page.getByRole('button', { name: 'Start it' }).waitFor();
  await expectClean(page);
});

test('the sign-in page has no violation', async () => {
  const context = await web.browser.newContext({ reducedMotion: 'reduce' });
  await page.close();
  page = await context.newPage();
  await page.goto(`${web.gateway.origin}/sign-in`);
  await page.getByRole('heading', { name: 'Oriel' }).waitFor();
  await page.getByText('First time here?').waitFor();
  await expectClean(page);
  await context.close();
});
