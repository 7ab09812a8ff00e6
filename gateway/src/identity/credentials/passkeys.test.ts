/** Passkeys with Chromium's virtual authenticator, against the real server. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { getMe, listPasskeys } from '../../../api/auth.ts';
import { startTestGateway, type TestGateway, type TestPerson } from '../../edge/testing/gateway.ts';

let browser: Browser;
let gateway: TestGateway;
let ann: TestPerson;
let page: Page;
let authenticatorId: string;
let origin: string;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env['ORIEL_TEST_CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
});
afterAll(() => browser.close());
beforeEach(async () => {
  gateway = await startTestGateway();
  ann = await gateway.person('ann');
  // WebAuthn wants a name: the address 127.0.0.1 cannot have passkeys.
  origin = `http://localhost:${gateway.server.port}`;
  const context = await browser.newContext();
  page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
  } as const;
  ({ authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options }));
  verified = (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  await page.goto(`${origin}/healthz`);
});
afterEach(async () => {
  await page.context().close();
  await gateway.close();
});
let verified: (isUserVerified: boolean) => Promise<unknown>;

async function asAnn(): Promise<void> {
  const [name = '', value = ''] = ann.headers.cookie.split('=');
  await page.context().addCookies([{ name, value, url: origin }]);
}
interface Result {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** What the page's own code does, without its libraries. */
function ceremony(kind: 'add' | 'sign-in', change: Record<string, unknown> = {}): Promise<Result> {
  return page.evaluate(
    async ([what, changed]) => {
      const post = async (path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }> => {
        const init: RequestInit = { method: 'POST' };
        if (body !== undefined)
          Object.assign(init, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
        const answer = await fetch(`/api/v1${path}`, init);
        return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
      };
      const base = what === 'add' ? '/me/passkeys' : '/sign-in/passkey';
      const begun = await post(`${base}/options`);
      if (begun.status !== 200) return begun;
      // biome-ignore lint: the types of this file are node's, the code runs in the browser.
      const web = globalThis as never as {
        PublicKeyCredential: Record<string, (json: unknown) => unknown>;
        navigator: { credentials: Record<string, (options: unknown) => Promise<{ toJSON(): unknown }>> };
      };
      const parse = what === 'add' ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON';
      const publicKey = web.PublicKeyCredential[parse]?.(begun.body['options']);
      const credential = await web.navigator.credentials[what === 'add' ? 'create' : 'get']?.({ publicKey });
      return post(base, {
        ceremonyId: begun.body['ceremonyId'],
        name: 'laptop',
        response: credential?.toJSON(),
        ...changed,
      });
    },
    [kind, change] as const,
  );
}

describe('a passkey', () => {
  test('is added and then signs in without a name or a password', async () => {
    await asAnn();
    expect(await ceremony('add')).toMatchObject({ status: 201, body: { name: 'laptop' } });
    await page.context().clearCookies();
    expect(await ceremony('sign-in')).toMatchObject({
      status: 200,
      body: { name: 'ann', session: { method: 'passkey' } },
    });
    const cookie = (await page.context().cookies()).find((one) => one.name === 'oriel-session');
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(await page.evaluate(async () => (await fetch('/api/v1/me')).status)).toBe(200);
    const { items } = await ann.client.call(listPasskeys, {});
    expect(items[0]?.usedAt).not.toBeNull();
    expect(await ann.client.call(getMe, {})).toMatchObject({ passkeys: 1 });
  });

  test('is refused without the check of its user, and where it is not known', async () => {
    await asAnn();
    await ceremony('add');
    await gateway.auth.passkeys.remove(ann.userId, (await gateway.auth.passkeys.list(ann.userId))[0]?.id ?? '');
    await page.context().clearCookies();
    expect(await ceremony('sign-in')).toMatchObject({ status: 401, body: { code: 'SIGN_IN_FAILED' } });
    await verified(false);
    await asAnn();
    await expect(ceremony('add')).rejects.toThrow(/NotAllowed|not allowed/i);
  });

  test('signs one ceremony, not another: an answer to a finished challenge is refused', async () => {
    await asAnn();
    await ceremony('add');
    const { ceremonyId } = await gateway.auth.passkeys.beginSignIn(origin, '127.0.0.1');
    expect(await ceremony('sign-in', { ceremonyId })).toMatchObject({ status: 401 });
    expect(await ceremony('sign-in', { ceremonyId: 'x'.repeat(43) })).toMatchObject({ status: 401 });
  });

  test('cannot be had on an address without a name', async () => {
    await page.goto(`${gateway.origin}/healthz`);
    expect(await ceremony('sign-in')).toMatchObject({ status: 422, body: { code: 'UNPROCESSABLE' } });
  });
});
