/**
 * S10 (CVE-2021-43999): what the single sign-on says is verified. A provider that lies in one thing at a time; each lie is
 * refused. The flow itself is tested against a real provider beside its source.
 */
import { createHash, createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Ceremonies } from '../../gateway/src/identity/credentials/ceremonies.ts';
import { Oidc } from '../../gateway/src/identity/sign-in/oidc.ts';
import { openStore, type Store } from '../../gateway/src/platform/store/store.ts';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const others = generateKeyPairSync('rsa', { modulusLength: 2048 });
const folder = mkdtempSync(path.join(tmpdir(), 'oriel-s10-'));
let store: Store;
let server: http.Server;
let issuer: string;
/** What the next answer of the token endpoint is made of. */
let idToken: (nonce: string) => string;
let nonce = '';
let challenge = '';
let verifierMatches = false;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = (): number => Math.floor(Date.now() / 1000);
interface Lie {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: KeyObject;
  readonly sign?: (text: string) => string;
}
function tokenWith({ header, claims, key, sign }: Lie): (nonce: string) => string {
  return (given) => {
    const all = { iss: issuer, aud: 'oriel', sub: 'ann', nonce: given, iat: now(), exp: now() + 60, ...claims };
    const text = `${encode({ alg: 'RS256', kid: 'k', ...header })}.${encode(all)}`;
    const rsa = (): string =>
      createSign('sha256')
        .update(text)
        .sign(key ?? keys.privateKey)
        .toString('base64url');
    return `${text}.${sign === undefined ? rsa() : sign(text)}`;
  };
}

beforeAll(async () => {
  store = await openStore({ folder });
  server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () =>
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(answer(request.url ?? '', new URLSearchParams(body)))),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await store.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function answer(url: string, form: URLSearchParams): unknown {
  if (url.endsWith('/openid-configuration')) {
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    };
  }
  if (url === '/jwks')
    return { keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] };
  verifierMatches =
    createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url') === challenge;
  return { access_token: 'x', token_type: 'bearer', id_token: idToken(nonce) };
}

async function signIn(lie: Lie, change: (query: URLSearchParams) => void = () => undefined): Promise<unknown> {
  const oidc = new Oidc(
    { issuer, clientId: 'oriel', clientSecretFile: undefined, name: 'x' },
    new Ceremonies(store, Date.now),
    Date.now,
  );
  const { url, tie } = await oidc.begin({
    publicOrigin: 'https://oriel.example',
    source: '192.0.2.1',
    next: '/desktops',
  });
  const asked = new URL(url).searchParams;
  nonce = asked.get('nonce') ?? '';
  challenge = asked.get('code_challenge') ?? '';
  idToken = tokenWith(lie);
  const query = new URLSearchParams({ code: 'c', state: asked.get('state') ?? '', iss: issuer });
  change(query);
  return oidc.finish(tie, query.toString());
}

describe('S10 an ID token', () => {
  test('that is right is taken, with the verifier of our challenge', async () => {
    expect(await signIn({ claims: { name: 'Ann', groups: ['a', 1] } })).toMatchObject({
      profile: { subject: 'ann', displayName: 'Ann', groups: ['a'] },
      next: '/desktops',
    });
    expect(verifierMatches).toBe(true);
  });

  // Seen to fail without `enableNonRepudiationChecks` (three of them taken) and without `expectedNonce`.
  test.for([
    ['of another issuer', { claims: { iss: 'https://evil.test' } }],
    ['for another client', { claims: { aud: 'other' } }],
    ['for several, of whom we are not the one who asked', { claims: { aud: ['oriel', 'other'], azp: 'other' } }],
    ['that has run out', { claims: { exp: now() - 120 } }],
    ['with the nonce of another trip', { claims: { nonce: 'x' } }],
    ['without a nonce', { claims: { nonce: undefined } }],
    ['without a subject', { claims: { sub: undefined } }],
    ['without an end', { claims: { exp: undefined } }],
    ['signed by another key', { key: others.privateKey }],
    ['with an unknown key', { header: { kid: 'other' }, key: others.privateKey }],
    ['without a signature', { header: { alg: 'none' }, sign: () => '' }],
    [
      'signed with our public key as a shared secret',
      {
        header: { alg: 'HS256' },
        sign: (text: string) =>
          createHmac('sha256', keys.publicKey.export({ type: 'spki', format: 'pem' }))
            .update(text)
            .digest('base64url'),
      },
    ],
    [
      'changed after it was signed',
      { sign: (text: string) => createSign('sha256').update(`${text}x`).sign(keys.privateKey).toString('base64url') },
    ],
  ] satisfies [string, Lie][])('%s is refused', async ([, lie]) => {
    await expect(signIn(lie)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
  });

  test.for([
    ['another state', (query: URLSearchParams) => query.set('state', 'x')],
    ['no state', (query: URLSearchParams) => query.delete('state')],
    ['the answer of another issuer', (query: URLSearchParams) => query.set('iss', 'https://evil.test')],
    ['an error', (query: URLSearchParams) => query.set('error', 'access_denied')],
    ['the state twice', (query: URLSearchParams) => query.append('state', 'x')],
  ] satisfies [string, (query: URLSearchParams) => void][])('that comes with %s is refused', async ([, change]) => {
    await expect(signIn({}, change)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
  });
});
