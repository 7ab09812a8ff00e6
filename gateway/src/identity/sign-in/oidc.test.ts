/** Single sign-on against a real provider library (oidc-provider), which the test runs. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestGateway, type TestGateway } from '../../edge/testing/gateway.ts';
import { freePort } from '../../platform/store/testing/postgres.ts';

let issuer: string;
let providerServer: http.Server;
let gateway: TestGateway;
let gatewayPort: number;

beforeAll(async () => {
  gatewayPort = await freePort();
  providerServer = http.createServer();
  await new Promise<void>((resolve) => providerServer.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(providerServer.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'oriel',
        token_endpoint_auth_method: 'none',
        redirect_uris: [`http://127.0.0.1:${gatewayPort}/api/v1/sign-in/oidc/callback`],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'groups'],
    // Claims in the ID token itself: we ask for no other endpoint.
    conformIdTokenClaims: false,
    findAccount: async (_context, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, name: `Full ${id}`, preferred_username: id, groups: ['staff'] }),
    }),
    cookies: { keys: ['test'] },
  });
  gateway = await startTestGateway({
    env: { ORIEL_LISTEN: `127.0.0.1:${gatewayPort}` },
    auth: { oidc: { issuer, clientId: 'oriel', clientSecretFile: undefined, name: 'Test' } },
  });
  providerServer.on('request', (...args) => void provider.callback()(...args));
});
afterAll(async () => {
  await gateway.close();
  providerServer.closeAllConnections();
  await new Promise((resolve) => providerServer.close(resolve));
});

/** A browser's cookie jar and its way through the provider's forms. */
class Visitor {
  readonly #jars = new Map<string, Map<string, string>>();

  async visit(url: string, form?: Record<string, string>): Promise<{ response: Response; text: string }> {
    const jar = this.#jars.get(new URL(url).origin) ?? new Map<string, string>();
    this.#jars.set(new URL(url).origin, jar);
    const response = await fetch(url, {
      redirect: 'manual',
      headers: {
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        'sec-fetch-site': 'cross-site',
      },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const set of response.headers.getSetCookie()) {
      const [name = '', value = ''] = set.split(';')[0]?.split(/=(.*)/s) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    return { response, text: await response.text() };
  }

  cookie(origin: string, name: string): string | undefined {
    return this.#jars.get(origin)?.get(name);
  }

  /** Signs in at the provider as `login`, and stops before the callback is visited. */
  async toCallback(login: string): Promise<URL> {
    let url = `${gateway.origin}/api/v1/sign-in/oidc`;
    for (let step = 0; step < 12; step += 1) {
      const { response, text } = await this.visit(url);
      const location = response.headers.get('location');
      if (location !== null) {
        url = new URL(location, url).href;
        if (url.startsWith(gateway.origin)) return new URL(url);
        continue;
      }
      const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1] ?? '';
      const action = /action="([^"]+)"/.exec(text)?.[1] ?? '';
      const answered = await this.visit(new URL(action, url).href, { prompt, login, password: 'x' });
      url = new URL(answered.response.headers.get('location') ?? '', url).href;
    }
    throw new Error('the provider does not come to an end');
  }
}

describe('single sign-on', () => {
  test('makes the account at the first time, finds it at the second, and fills its groups', async () => {
    const staff = await gateway.auth.groups.create('Staff', 'staff');
    const ids: string[] = [];
    for (let time = 0; time < 2; time += 1) {
      const visitor = new Visitor();
      const callback = await visitor.toCallback('ann');
      const { response } = await visitor.visit(callback.href);
      expect([response.status, response.headers.get('location')]).toEqual([303, '/']);
      const cookie = `oriel-session=${visitor.cookie(gateway.origin, 'oriel-session')}`;
      const me = (await (await fetch(`${gateway.origin}/api/v1/me`, { headers: { cookie } })).json()) as Record<
        string,
        string
      >;
      expect(me).toMatchObject({ name: 'ann', displayName: 'Full ann', source: 'oidc', session: { method: 'oidc' } });
      ids.push(me['id'] ?? '');
    }
    expect(ids[0]).toBe(ids[1]);
    expect(await gateway.auth.groups.members(staff.id)).toEqual([ids[0]]);
  });

  test('never takes over a local account of the same name', async () => {
    const local = await gateway.auth.accounts.create({ name: 'root', roles: ['admin'] });
    const visitor = new Visitor();
    await visitor.visit((await visitor.toCallback('root')).href);
    const made = await gateway.auth.accounts.findBySubject(`oidc:${issuer}`, 'root');
    expect(made).toMatchObject({ name: 'root-2', roles: ['user'] });
    expect(made?.id).not.toBe(local.id);
  });

  // Seen to fail with `client.skipStateCheck`, and (another browser) with a trip that is found without its cookie. The ID token itself: test/security/s10-oidc.test.ts.
  test.for([
    ['another browser', async (callback: URL) => new Visitor().visit(callback.href)],
    [
      'a second use',
      async (callback: URL, visitor: Visitor) => (await visitor.visit(callback.href), visitor.visit(callback.href)),
    ],
    [
      'another state',
      async (callback: URL, visitor: Visitor) => (
        callback.searchParams.set('state', 'x'), visitor.visit(callback.href)
      ),
    ],
    [
      'another code',
      async (callback: URL, visitor: Visitor) => (callback.searchParams.set('code', 'x'), visitor.visit(callback.href)),
    ],
    [
      'another issuer',
      async (callback: URL, visitor: Visitor) => (
        callback.searchParams.set('iss', 'https://evil.test'), visitor.visit(callback.href)
      ),
    ],
  ] as const)('S10 refuses %s', async ([, attack]) => {
    const visitor = new Visitor();
    const { response } = await attack(await visitor.toCallback('ann'), visitor);
    expect([response.status, response.headers.get('location')]).toEqual([303, '/sign-in#error=SIGN_IN_FAILED']);
    const [newest] = await gateway.audit.list({ action: 'sign-in.oidc-callback' }, 1);
    expect(newest).toMatchObject({ outcome: 'refused', code: 'SIGN_IN_FAILED' });
  });

  test('is not there where it is not set up', async () => {
    const other = await startTestGateway();
    const answer = await fetch(`${other.origin}/api/v1/sign-in/oidc`, { redirect: 'manual' });
    expect(answer.status).toBe(404);
    await other.close();
  });
});
