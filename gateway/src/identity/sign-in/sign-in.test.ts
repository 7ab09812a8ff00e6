import { Secret, TOTP } from 'otpauth';
import { afterEach, describe, expect, test } from 'vitest';
import {
  confirmTotp,
  createToken,
  deleteToken,
  endBrowserSession,
  getMe,
  listBrowserSessions,
  listTokens,
  setPassword,
  signInWithPassword,
  signOut,
  startTotp,
  stopTotp,
} from '../../../api/auth.ts';
import { type Client, createClient } from '../../../api/client.ts';
import { createUser, editUser, linkUser, listUsers } from '../../../api/people.ts';
import { fetchAs, startTestGateway, type TestGateway } from '../../edge/testing/gateway.ts';
import { LOCKOUT } from '../credentials/lockout.ts';

const PASSWORD = 'gravel oyster violin nine';
const gateways: TestGateway[] = [];
let clock = Date.parse('2026-11-21T12:00:00Z');
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});
async function start(): Promise<TestGateway> {
  const gateway = await startTestGateway({ now: () => clock });
  gateways.push(gateway);
  return gateway;
}
/** A browser: keeps its cookie, sends its Origin. */
function browser(gateway: TestGateway): Client {
  let cookie = '';
  return createClient(gateway.origin, {
    fetch: async (url, init) => {
      const response = await fetch(url, {
        method: init.method,
        headers: { ...init.headers, origin: gateway.origin, cookie },
        ...(init.body === undefined ? {} : { body: init.body }),
      });
      const set = response.headers.getSetCookie()[0];
      if (set !== undefined) cookie = set.split(';')[0] ?? '';
      return response;
    },
  });
}
async function withPassword(gateway: TestGateway, name = 'ann'): Promise<void> {
  await gateway.auth.accounts.create({ name, roles: ['user'], password: await gateway.auth.passwords.hash(PASSWORD) });
}
const codeAt = (secret: string): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: clock });

describe('a password', () => {
  test('signs in; a wrong one and an unknown name are refused alike', async () => {
    const gateway = await start();
    await withPassword(gateway);
    const page = browser(gateway);
    const wrong = { code: 'SIGN_IN_FAILED', message: 'name, password or code is wrong' };
    await expect(page.call(signInWithPassword, { body: { name: 'ann', password: 'nope' } })).rejects.toMatchObject(
      wrong,
    );
    await expect(page.call(signInWithPassword, { body: { name: 'bob', password: PASSWORD } })).rejects.toMatchObject(
      wrong,
    );
    await page.call(signInWithPassword, { body: { name: 'Ann ', password: PASSWORD } });
    expect(await page.call(getMe, {})).toMatchObject({ name: 'ann', session: { method: 'password' } });
    await page.call(signOut, {});
    await expect(page.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });

  test('is changed only with the current one, and ends the other sign-ins', async () => {
    const gateway = await start();
    await withPassword(gateway);
    const [here, there] = [browser(gateway), browser(gateway)];
    for (const page of [here, there])
      await page.call(signInWithPassword, { body: { name: 'ann', password: PASSWORD } });
    const next = 'plum bicycle tuesday rain';
    await expect(here.call(setPassword, { body: { newPassword: next } })).rejects.toMatchObject({
      code: 'SIGN_IN_FAILED',
    });
    await expect(
      here.call(setPassword, { body: { currentPassword: PASSWORD, newPassword: 'Password1234!' } }),
    ).rejects.toMatchObject({ code: 'UNPROCESSABLE' });
    await here.call(setPassword, { body: { currentPassword: PASSWORD, newPassword: next } });
    await here.call(getMe, {});
    await expect(there.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    await there.call(signInWithPassword, { body: { name: 'ann', password: next } });
  });

  test('guessed too often locks the account for a growing time; an admin forgives', async () => {
    const gateway = await start();
    await withPassword(gateway);
    const page = browser(gateway);
    const guess = (password: string) => page.call(signInWithPassword, { body: { name: 'ann', password } });
    for (let n = 0; n < LOCKOUT.account.free; n += 1)
      await expect(guess('nope')).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
    await expect(guess(PASSWORD)).rejects.toMatchObject({ code: 'LOCKED_OUT', problem: { retryAfterSeconds: 2 } });
    clock += 2_000;
    await expect(guess('nope')).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
    await expect(guess(PASSWORD)).rejects.toMatchObject({ code: 'LOCKED_OUT', problem: { retryAfterSeconds: 4 } });
    const admin = await gateway.person('root', 'admin');
    const listed = await admin.client.call(listUsers, { query: { search: 'ann' } });
    expect(listed.items[0]?.lockedUntil).not.toBeNull();
    await gateway.auth.lockout.clear('ann');
    await guess(PASSWORD);
  });
});

describe('one-time codes', () => {
  test('are asked for after the password, work once, and recovery codes stand in', async () => {
    const gateway = await start();
    await withPassword(gateway);
    const page = browser(gateway);
    await page.call(signInWithPassword, { body: { name: 'ann', password: PASSWORD } });
    const { secret, uri } = await page.call(startTotp, {});
    expect(uri).toContain('otpauth://totp/Oriel:ann');
    await expect(page.call(confirmTotp, { body: { code: '000000' } })).rejects.toMatchObject({
      code: 'SIGN_IN_FAILED',
    });
    // The clock of a phone that is set by hand, or to another zone.
    const now = clock;
    clock -= 5 * 60_000;
    const early = codeAt(secret);
    clock = now;
    await expect(page.call(confirmTotp, { body: { code: early } })).rejects.toThrow(
      'the code is that of 5 min ago: set the clock of the device that made it',
    );
    const { recoveryCodes } = await page.call(confirmTotp, { body: { code: codeAt(secret) } });
    expect(recoveryCodes).toHaveLength(10);

    const other = browser(gateway);
    const sign = (code?: string) =>
      other.call(signInWithPassword, { body: { name: 'ann', password: PASSWORD, ...(code && { code }) } });
    await expect(sign()).rejects.toMatchObject({ code: 'SECOND_FACTOR_NEEDED' });
    // The code that turned it on is used up.
    await expect(sign(codeAt(secret))).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
    clock += 30_000;
    await sign(codeAt(secret));
    await expect(sign(codeAt(secret))).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
    await sign(recoveryCodes[0]?.toUpperCase());
    await expect(sign(recoveryCodes[0])).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
    expect((await other.call(getMe, {})).recoveryCodesLeft).toBe(9);
    await other.call(stopTotp, { body: { code: recoveryCodes[1] ?? '' } });
    await sign();
  });
});

describe('browser sessions', () => {
  test('are listed and ended from elsewhere', async () => {
    const gateway = await start();
    await withPassword(gateway);
    const [here, there] = [browser(gateway), browser(gateway)];
    for (const page of [here, there])
      await page.call(signInWithPassword, { body: { name: 'ann', password: PASSWORD } });
    const { items } = await here.call(listBrowserSessions, {});
    const other = items.find((item) => !item.isThis);
    expect(items).toHaveLength(2);
    await here.call(endBrowserSession, { params: { browserSessionId: other?.id ?? '' } });
    await expect(there.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    await here.call(getMe, {});
    const eve = await gateway.person('eve');
    const own = items.find((item) => item.isThis);
    await expect(
      eve.client.call(endBrowserSession, { params: { browserSessionId: own?.id ?? '' } }),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('end when idle and at the absolute limit', async () => {
    const gateway = await start();
    const ann = await gateway.person('ann');
    const ended: string[] = [];
    gateway.auth.revocations.subscribe((revocation) => ended.push(revocation.kind));
    clock += 7 * 3_600_000;
    await ann.client.call(getMe, {});
    clock += 7 * 3_600_000;
    await ann.client.call(getMe, {});
    clock += 9 * 3_600_000;
    await gateway.auth.sweep();
    expect(ended).toEqual(['browser-session']);
    await expect(ann.client.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    const bob = await gateway.person('bob');
    for (let hour = 0; hour < 7 * 24; hour += 7) {
      await bob.client.call(getMe, {});
      clock += 7 * 3_600_000;
    }
    await expect(bob.client.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });
});

describe('API tokens', () => {
  test('have no more than their scopes, cannot manage the account, expire and are revoked', async () => {
    const gateway = await start();
    const root = await gateway.person('root', 'admin');
    const made = await root.client.call(createToken, { body: { name: 'ci', scopes: ['backup'], expiresInDays: 1 } });
    const robot = createClient(gateway.origin, { fetch: fetchAs({}), token: made.token });
    expect(await robot.call(getMe, {})).toMatchObject({ name: 'root', rights: ['see', 'backup'] });
    await expect(robot.call(listUsers, {})).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(robot.call(createToken, { body: { name: 'more', scopes: ['people'] } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    clock += 86_400_000;
    await expect(robot.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
    const root2 = await gateway.person('root2', 'admin');
    const second = await root2.client.call(createToken, { body: { name: 'x', scopes: ['see'] } });
    await root2.client.call(deleteToken, { params: { tokenId: second.id } });
    expect((await root2.client.call(listTokens, {})).items).toEqual([]);
    const gone = createClient(gateway.origin, { fetch: fetchAs({}), token: second.token });
    await expect(gone.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });
});

describe('people', () => {
  test('are made without a password and come in by a link; disabling ends their sign-ins', async () => {
    const gateway = await start();
    const root = await gateway.person('root', 'admin');
    const bob = await root.client.call(createUser, { body: { name: 'bob' }, idempotencyKey: 'k1' });
    expect(await root.client.call(createUser, { body: { name: 'bob' }, idempotencyKey: 'k1' })).toEqual(bob);
    await expect(root.client.call(createUser, { body: { name: 'bob' } })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    const { url } = await root.client.call(linkUser, { params: { userId: bob.id } });
    expect(url).toMatch(/\/sign-in#link=[A-Za-z0-9_-]{43}$/);
    const kinds: string[] = [];
    gateway.auth.revocations.subscribe((revocation) => kinds.push(revocation.kind));
    await root.client.call(editUser, { params: { userId: bob.id }, body: { isDisabled: true } });
    expect(kinds).toEqual(['user']);
  });

  test('changed twice from the same state: the second is told', async () => {
    const gateway = await start();
    const root = await gateway.person('root', 'admin');
    const { id } = await root.client.call(createUser, { body: { name: 'bob' } });
    await root.client.send(editUser, { params: { userId: id }, body: { displayName: 'Bob' }, ifMatch: '"1"' });
    await expect(
      root.client.send(editUser, { params: { userId: id }, body: { displayName: 'B.' }, ifMatch: '"1"' }),
    ).rejects.toMatchObject({ code: 'CHANGED_MEANWHILE' });
  });

  test('the last admin stays', async () => {
    const gateway = await start();
    const root = await gateway.person('root', 'admin');
    await expect(
      root.client.call(editUser, { params: { userId: root.userId }, body: { roles: ['user'] } }),
    ).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});
