/** Many windows of one browser, and what a session page says of a machine that stands still. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pauseVm, resumeVm } from '../../gateway/api/vm.ts';
import { demoDesktop, openWeb, untilStatus, type Web } from './support.ts';

let web: Web;
beforeAll(async () => {
  web = await openWeb();
});
afterAll(() => web?.close());

test('eight windows of one browser work, and each hears of what happens', async () => {
  const desktop = await demoDesktop(web.client);
  const address = `${web.gateway.origin}/desktops/${desktop.id}`;
  const pages = [web.page];
  while (pages.length < 8) pages.push(await web.context.newPage());
  for (const page of pages) await page.goto(`${address}?mode=view`);
  for (const page of pages) await untilStatus(page, 'Connected');
  await web.client.call(pauseVm, { params: { vmId: desktop.id } });
  for (const page of pages) await untilStatus(page, 'toy is paused');
  await web.client.call(resumeVm, { params: { vmId: desktop.id } });
  for (const page of pages) await untilStatus(page, 'Connected');
  for (const page of pages.slice(1)) await page.close();
}, 120_000);

test('a paused machine is said to be so, over its screen, and who may lets it go on', async () => {
  const { page } = web;
  const desktop = await demoDesktop(web.client);
  await page.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(page, 'Connected');
  await web.client.call(pauseVm, { params: { vmId: desktop.id } });
  await page.getByText('It takes no keys until it goes on.').waitFor();
  expect(await page.getByText('toy is paused.').first().isVisible()).toBe(true);
  await page.getByRole('button', { name: 'Let it go on' }).click();
  await untilStatus(page, 'Connected');
  await page.getByText('It takes no keys until it goes on.').waitFor({ state: 'detached' });
});
