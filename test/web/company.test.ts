/** Several people on one desktop, each in a browser of their own: consent, who is here, and the passing of control. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { untilSerial } from '../support/live.ts';
import { demoDesktop, enter, invite, openWeb, untilStatus, type Web } from './support.ts';

let web: Web;
let desktop: { readonly id: string; readonly name: string };
/** Owns the session. */
let ann: Page;
/** May look at the desktop, no more. */
let bob: Page;

beforeAll(async () => {
  web = await openWeb();
  desktop = await demoDesktop(web.client);
  ann = await enter(web, await invite(web.client, 'ann', { desktopId: desktop.id, rights: ['open', 'power'] }));
  bob = await enter(web, await invite(web.client, 'bob', { desktopId: desktop.id, rights: ['view'] }), {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
});
afterAll(() => web?.close());
beforeEach(async () => {
  await ann.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(ann, 'Connected');
});
afterEach(async () => {
  for (const page of [ann, bob]) await page.goto('about:blank');
});

const banner = (page: Page, text: string | RegExp) => page.locator('.oriel-banners').getByText(text).first();
const here = (page: Page) => page.getByRole('complementary', { name: 'Who is here' });
const line = (page: Page, name: string | RegExp) => here(page).getByRole('listitem').filter({ hasText: name });

async function typeInto(page: Page, text: string): Promise<void> {
  await page.getByTestId('screen').locator('canvas').focus();
  await page.keyboard.type(text);
}
const arrives = (text: string) => untilSerial(web.gateway.dataDir, desktop.id, new RegExp(text));

/** Bob looks, asks to type, and stands before Ann's door. */
async function bobAsks(): Promise<void> {
  await bob.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(bob, 'Connected to toy, view only');
  await bob.getByRole('button', { name: 'Who is here' }).click();
  await line(bob, 'ann').getByRole('link', { name: 'Ask to type' }).click();
  await bob.getByText('Waiting for the owner of the session to let you in').waitFor();
  await banner(ann, 'bob asks to work with you').waitFor();
}

test('who may only look sees the screen and types nothing; the other one is told who looks', async () => {
  await bob.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
  await untilStatus(bob, 'Connected to toy, view only');
  await bob.getByText('View only', { exact: true }).waitFor();
  await banner(ann, 'bob is watching').waitFor();
  await banner(bob, 'ann is here too').waitFor();
  expect(await bob.getByRole('button', { name: 'On-screen keys' }).getAttribute('aria-disabled')).toBe('true');
  await typeInto(bob, 'bob-cannot');
  await typeInto(ann, 'ann-can');
  const said = await arrives('ann-can');
  expect(said.input).not.toContain('bob-cannot');
});

test('the owner lets somebody in; control is shared, taken, given and held as the panel says', async () => {
  await bobAsks();
  await ann.getByRole('button', { name: 'Allow' }).click();
  await untilStatus(bob, 'Connected');
  await banner(ann, 'bob has joined').waitFor();
  await ann.getByRole('button', { name: 'Who is here' }).click();
  await bob.getByRole('button', { name: 'Who is here' }).click();
  for (const page of [ann, bob]) {
    await line(page, /ann.*Has control/).waitFor();
    await line(page, /bob.*Has control/).waitFor();
  }
  await typeInto(bob, 'bob-shares');
  await arrives('bob-shares');

  await here(ann).getByRole('button', { name: 'Take control' }).click();
  await line(bob, /bob.*Waiting/).waitFor();
  await typeInto(bob, 'bob-waits');
  await typeInto(ann, 'ann-steers');
  expect((await arrives('ann-steers')).input).not.toContain('bob-waits');

  await line(ann, 'bob').getByRole('button', { name: 'Give control' }).click();
  await line(bob, /bob.*Has control/).waitFor();
  await line(bob, /ann.*Waiting/).waitFor();
  await typeInto(ann, 'ann-waits');
  await typeInto(bob, 'bob-steers');
  expect((await arrives('bob-steers')).input).not.toContain('ann-waits');
  // Only to whoever lent it, and nothing that the gateway would refuse.
  await line(bob, 'ann').getByRole('button', { name: 'Give control' }).waitFor();
  expect(
    await here(bob)
      .getByRole('button', { name: /^(Let everybody type|Take control)$/ })
      .count(),
  ).toBe(0);

  // A guest by consent takes nothing and decides nothing; the owner takes control back at any time.
  await here(ann).getByRole('button', { name: 'Take control' }).click();
  await line(ann, /ann.*Has control/).waitFor();
  expect(await here(bob).getByRole('button', { name: 'Take control' }).count()).toBe(0);
  await typeInto(ann, 'ann-again');
  await arrives('ann-again');

  await bob.goto('about:blank');
  await line(ann, 'bob').waitFor({ state: 'detached' });
});

test('the owner lets somebody only look', async () => {
  await bobAsks();
  await ann.getByRole('button', { name: 'Only watching' }).click();
  await untilStatus(bob, 'Connected to toy, view only');
});

test('the owner refuses, and nobody comes in', async () => {
  await bobAsks();
  await ann.getByRole('button', { name: 'Refuse' }).click();
  await untilStatus(bob, 'Disconnected');
  await bob.getByText('The owner of the session refused').first().waitFor();
  await ann.getByRole('button', { name: 'Who is here' }).click();
  await line(ann, 'ann (this window)').waitFor();
  expect(await line(ann, 'bob').count()).toBe(0);
});

test('an invitation is an address; whoever opens it still waits for the owner', async () => {
  await ann.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: web.gateway.origin });
  await ann.getByRole('button', { name: 'Who is here' }).click();
  await here(ann).getByRole('button', { name: 'Copy invitation' }).click();
  await ann.getByText('The invitation is on your clipboard').waitFor();
  const address = await ann.evaluate<string>('navigator.clipboard.readText()');
  await bob.goto(address);
  await banner(ann, 'bob asks to work with you').waitFor();
  // Nobody asks themselves: to its owner the address is that of the desktop.
  await ann.goto(address);
  await untilStatus(ann, 'Connected to toy');
  expect(new URL(ann.url()).pathname).toBe(`/desktops/${desktop.id}`);
});
