/** My account in Chromium: password, one-time codes, passkeys (virtual authenticator), signing out elsewhere. */
import * as OTPAuth from 'otpauth';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getMe } from '../../gateway/api/auth.ts';
import { withoutCookies } from '../support/browser.ts';
import { clientOf, invite, openLink, openWeb, type Web } from './support.ts';

const PASSWORD = 'four quiet herons wade';
let web: Web;
let page: Page;
let recoveryCodes: readonly string[];

beforeAll(async () => {
  web = await openWeb();
  page = web.page;
  page.setDefaultTimeout(15_000);
});
afterAll(() => web?.close());

async function elsewhere(): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const context = await web.browser.newContext({ reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const other = await context.newPage();
  await other.goto(`${web.gateway.origin}/sign-in`);
  return { context, page: other };
}

async function typePassword(where: Page, password: string): Promise<void> {
  await where.getByRole('textbox', { name: 'Name' }).fill('admin');
  await where.getByRole('textbox', { name: 'Password' }).fill(password);
  await where.getByRole('button', { name: 'Sign in', exact: true }).click();
}

test('whoever came by a link is told to set a password, and does', async () => {
  await page.goto(`${web.gateway.origin}/account`);
  await page.getByText('You came by a one-time link').waitFor();
  await page.getByRole('textbox', { name: 'New password' }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Set a password' }).click();
  await page.getByText('The password is set').waitFor();
  await page.getByText('You came by a one-time link').waitFor({ state: 'detached' });
});

test('the password signs in elsewhere and leads to the page that was asked for; a wrong one says so', async () => {
  const { context, page: other } = await elsewhere();
  await other.goto(`${web.gateway.origin}/console/audit`);
  await typePassword(other, 'not the password at all');
  await other.getByText(/Alert:|Danger alert/).waitFor({ state: 'attached' });
  await typePassword(other, PASSWORD);
  await other.getByRole('heading', { name: 'Audit log' }).waitFor();

  await page.goto(`${web.gateway.origin}/account`);
  await page.getByRole('button', { name: /^Sign out there/ }).click();
  await page.getByText('Signed out there').waitFor();
  await other.reload();
  await other.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
  await context.close();
});

test('one-time codes: set up by the key, recovery codes shown once, one of them signs in', async () => {
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.getByRole('img', { name: /^QR code/ }).waitFor();
  const secret = await page.getByRole('textbox', { name: 'Key' }).inputValue();
  await page.getByRole('textbox', { name: 'Code' }).fill(new OTPAuth.TOTP({ secret }).generate());
  await page.getByRole('button', { name: 'Turn on' }).click();
  recoveryCodes = (await page.locator('pre').innerText()).split('\n');
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.getByText(/Recovery codes left/).waitFor();

  const { context, page: other } = await elsewhere();
  await typePassword(other, PASSWORD);
  await other.getByRole('textbox', { name: /One-time code/ }).fill(recoveryCodes[0] ?? '');
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await other.getByRole('heading', { name: 'Desktops' }).waitFor();
  await context.close();
});

test('a passkey is added, signs in without a name, and is removed', async () => {
  // WebAuthn wants a name: an address of digits is no relying party.
  const origin = web.gateway.origin.replace('127.0.0.1', 'localhost');
  const context = await web.browser.newContext({ reducedMotion: 'reduce' });
  context.setDefaultTimeout(15_000);
  const other = await context.newPage();
  const cdp = await context.newCDPSession(other);
  await cdp.send('WebAuthn.enable');
  await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await other.goto(`${origin}/account`);
  await typePassword(other, PASSWORD);
  await other.getByRole('textbox', { name: /One-time code/ }).fill(recoveryCodes[1] ?? '');
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await other.getByRole('button', { name: 'Add a passkey' }).click();
  await other.getByRole('textbox', { name: 'Name' }).fill('test key');
  await other.getByRole('button', { name: 'Add', exact: true }).click();
  await other.getByRole('button', { name: 'Remove the passkey test key' }).waitFor();

  await other.getByRole('button', { name: /^Account of/ }).click();
  await other.getByRole('menuitem', { name: 'Sign out' }).click();
  await other.getByRole('button', { name: 'Use a passkey' }).click();
  await other.getByRole('heading', { name: 'Desktops' }).waitFor();
  expect((await (await clientOf(context, origin)).call(getMe, {})).session?.method).toBe('passkey');

  await other.goto(`${origin}/account`);
  await other.getByRole('button', { name: 'Remove the passkey test key' }).click();
  await other.getByText('No passkeys yet').waitFor();
  await context.close();
});

test('a token is shown once, works, and works no more when it is revoked', async () => {
  await page.goto(`${web.gateway.origin}/account`);
  await page.getByRole('button', { name: 'Make a token' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Name' }).fill('nightly job');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  const token = await dialog.getByRole('textbox', { name: 'Token' }).inputValue();
  await dialog.getByRole('button', { name: 'Done' }).click();
  const status = async (): Promise<number> =>
    (await fetch(`${web.gateway.origin}/api/v1/desktops`, { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await status()).toBe(200);
  await page.reload();
  await page.getByRole('button', { name: 'Revoke the token nightly job' }).click();
  await page.getByText('The token is revoked').waitFor();
  expect(await status()).toBe(401);
});

test('a link that is looked at, or opened where cookies are blocked, is not used up; pressed, it works once', async () => {
  const link = await invite(web.client, 'eve');
  const opened = async (): Promise<Page> => {
    const { page: other } = await elsewhere();
    await other.goto(link);
    await other.getByText('It works once').waitFor();
    return other;
  };
  // A scanner of mail opens what it finds in a real browser, and looks.
  const scanner = await opened();
  expect(scanner.url()).toBe(`${web.gateway.origin}/sign-in`);
  await scanner.context().close();

  await withoutCookies(async (context) => {
    context.setDefaultTimeout(15_000);
    const blocked = await context.newPage();
    await blocked.goto(link);
    await blocked.getByText('Your link is not used up').first().waitFor();
    await blocked.getByRole('button', { name: 'Sign in', exact: true }).click();
    await blocked.getByText('Your link is not used up').first().waitFor();
    // Nor is anybody signed in by a password only to stand at the sign-in again, without a word.
    await blocked.goto(`${web.gateway.origin}/sign-in`);
    await typePassword(blocked, PASSWORD);
    await blocked.getByText('Allow cookies for it').first().waitFor();
  });

  const hers = await opened();
  await hers.getByRole('button', { name: 'Sign in', exact: true }).click();
  await hers.getByText('Nothing is assigned to you so far').waitFor();
  await hers.context().close();
  const late = await opened();
  await late.getByRole('button', { name: 'Sign in', exact: true }).click();
  await late.getByText('The sign-in link did not work').first().waitFor();
  // A refusal of single sign-on is said, too, when its provider sends the browser back.
  await late.goto(`${web.gateway.origin}/sign-in#error=SIGN_IN_FAILED`);
  await late.reload();
  await late.getByText('Single sign-on did not work: Sign-in refused.').first().waitFor();
  await late.context().close();
});

test('where a code is asked for, the clock is spoken of, and more plainly where it is wrong', async () => {
  const { context, page: other } = await elsewhere();
  await typePassword(other, PASSWORD);
  await other.getByText('let the phone set its clock by itself').waitFor();
  await context.clock.install({ time: Date.now() - 7 * 60_000 });
  await other.goto(`${web.gateway.origin}/sign-in`);
  await typePassword(other, PASSWORD);
  await other.getByText('this device’s is 7 minutes away from the gateway’s').waitFor();
  await context.close();
});

test('after some wrong passwords the page says how long to wait, and a link still lets in', async () => {
  const link = await invite(web.client, 'ann');
  const { context, page: other } = await elsewhere();
  const wrong = async (): Promise<void> => {
    await other.getByRole('textbox', { name: 'Name' }).fill('ann');
    await other.getByRole('textbox', { name: 'Password' }).fill('not the password at all');
    const answered = other.waitForResponse((response) => response.url().endsWith('/sign-in/password'));
    await other.getByRole('button', { name: 'Sign in', exact: true }).click();
    await answered;
  };
  for (let i = 0; i < 6; i++) await wrong();
  await other.getByText(/Too many failed sign-ins, try again in \d+ s\./).waitFor();
  await openLink(other, link);
  await other.getByText('Nothing is assigned to you so far').waitFor();
  await context.close();
});
