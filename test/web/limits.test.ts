/** Limits that an admin sets on a desktop, as the person in front of it meets them: warned before, told after. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { endSession, listSessions } from '../../gateway/api/session.ts';
import type { SessionRules } from '../../gateway/api/session-rules.ts';
import { editVm, getVm } from '../../gateway/api/vm.ts';
import { untilSerial } from '../support/live.ts';
import { demoDesktop, openWeb, untilStatus, type Web } from './support.ts';

let web: Web;
let desktop: { readonly id: string; readonly name: string };
let page: Page;

beforeAll(async () => {
  web = await openWeb();
  desktop = await demoDesktop(web.client);
});
afterAll(() => web?.close());
beforeEach(async () => {
  page = await web.context.newPage();
  page.setDefaultTimeout(15_000);
});
afterEach(async () => {
  await page.close();
  // A session that was left keeps the rules that it began with.
  for (const { id } of (await web.client.call(listSessions, { query: {} })).items) {
    await web.client.call(endSession, { params: { sessionId: id } });
  }
});

async function openWith(sessionRules: SessionRules): Promise<void> {
  await web.client.call(editVm, { params: { vmId: desktop.id }, body: { sessionRules } });
  await page.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(page, 'Connected');
}
const warning = () => page.getByText(/^Warning alert:This session ends in \d+ s/);
const canvas = () => page.getByTestId('screen').locator('canvas');

test('before the idle limit the page warns; Stay and a key both take the warning back; then it ends and opens again', async () => {
  await openWith({ idleMs: 3_000, warnMs: 2_000, graceMs: 1_000 });
  await warning().waitFor();
  await page.getByText('Nothing was typed or moved for a long time.').waitFor();
  await page.getByRole('button', { name: 'Stay' }).click();
  await warning().waitFor({ state: 'detached' });

  await warning().waitFor();
  await canvas().focus();
  await page.keyboard.type('x');
  await warning().waitFor({ state: 'detached' });

  await untilStatus(page, 'Disconnected');
  await page.getByText('The session ended because nothing was typed or moved for a long time.').first().waitFor();
  expect(await warning().count()).toBe(0);
  await page.getByRole('button', { name: 'Open again' }).click();
  await untilStatus(page, 'Connected');
});

test('who only looks can stay too', async () => {
  await openWith({ idleMs: 3_000, warnMs: 2_000 });
  await page.goto(`${web.gateway.origin}/desktops/${desktop.id}?mode=view`);
  await untilStatus(page, 'Connected to toy, view only');
  await warning().waitFor();
  await page.getByRole('button', { name: 'Stay' }).click();
  await warning().waitFor({ state: 'detached' });
  await untilStatus(page, 'Connected to toy, view only');
});

test('the absolute limit warns without offering to stay, whatever is typed, and says why it ended', async () => {
  await openWith({ absoluteMs: 4_000, warnMs: 3_000 });
  await warning().waitFor();
  await page.getByText('It has reached its time limit. Save your work.').waitFor();
  expect(await page.getByRole('button', { name: 'Stay' }).count()).toBe(0);
  await canvas().focus();
  await page.keyboard.type('x');
  await untilStatus(page, 'Disconnected');
  await page.getByText('The session has reached its time limit.').first().waitFor();
});

test('an admin sets the rules in the console: the next session has no clipboard, and its keys are refused', async () => {
  await page.goto(`${web.gateway.origin}/console/vms`);
  await page.getByRole('button', { name: 'Actions for toy' }).click();
  await page.getByRole('menuitem', { name: 'Session rules…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'Clipboard' }).selectOption('off');
  await dialog.getByRole('spinbutton', { name: 'Idle limit in minutes' }).fill('0');
  await dialog.getByRole('textbox', { name: 'Refused keys' }).fill('Control+Alt+Delete, Nonsense');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText('Danger alert:').waitFor();
  await dialog.getByRole('textbox', { name: 'Refused keys' }).fill('Control+Alt+Delete');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached' });

  await page.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(page, 'Connected');
  await page.getByRole('button', { name: 'Clipboard', exact: true }).waitFor({ state: 'detached' });
  const { boots } = await web.client.call(getVm, { params: { vmId: desktop.id } });
  await page.getByRole('button', { name: 'Ctrl-Alt-Del' }).click();
  await canvas().focus();
  await page.keyboard.type('still up');
  await untilSerial(web.gateway.dataDir, desktop.id, /still up/);
  expect((await web.client.call(getVm, { params: { vmId: desktop.id } })).boots).toBe(boots);
});
