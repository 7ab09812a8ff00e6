/**
 * S9 (CVE-2021-41767, CVE-2020-11997): every route, as everybody. The cases are drawn from the route table, so a new route
 * is in here before it is reviewed; the real gateway with all its features answers.
 */
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listAudit } from '../../gateway/api/audit.ts';
import { createToken } from '../../gateway/api/auth.ts';
import type { Client } from '../../gateway/api/client.ts';
import { listDesktops } from '../../gateway/api/desktop.ts';
import { createAssignment, createUser, linkUser } from '../../gateway/api/people.ts';
import type { Role } from '../../gateway/api/rights.ts';
import type { Route } from '../../gateway/api/route.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Caller, expected, ROUTES } from './route-table.ts';

let gateway: TestGateway;
let admin: Client;
let desktopId: string;
let ownerId: string;
let callers: Record<
  'anonymous' | 'other' | 'owner' | 'operator' | 'backup' | 'admin' | 'token' | 'ownersToken',
  Caller
>;
/** The ids that stand in paths: the owner's things where there are such. */
let ids: Record<string, string>;

beforeAll(async () => {
  gateway = await startGateway();
  const signedIn = await gateway.signIn();
  admin = signedIn.client;
  desktopId = (await admin.call(listDesktops, {})).items[0]?.id ?? '';
  const person = async (name: string, role: Role): Promise<Caller & { readonly id: string }> => {
    const user = await admin.call(createUser, { body: { name, roles: [role] } });
    return { id: user.id, name, roles: [role], headers: await signIn(user.id) };
  };
  const owner = await person('owner', 'user');
  ownerId = owner.id;
  await admin.call(createAssignment, { body: { desktopId, userId: owner.id, rights: ['open', 'power'] } });
  const { token } = await admin.call(createToken, { body: { name: 'weak', scopes: ['see'] } });
  callers = {
    anonymous: { name: 'anonymous', headers: { origin: gateway.origin }, roles: undefined },
    other: await person('other', 'user'),
    owner: { ...owner, desktops: { [desktopId]: ['open', 'power'] } },
    operator: await person('operator', 'operator'),
    backup: await person('backup', 'backup'),
    admin: { name: 'admin', headers: { cookie: signedIn.cookie, origin: gateway.origin }, roles: ['admin'] },
    token: {
      name: 'token of an admin with the scope "see"',
      headers: { authorization: `Bearer ${token}` },
      roles: ['admin'],
      scopes: ['see'],
    },
    ownersToken: {
      name: 'token of the owner with the scope "see"',
      headers: { authorization: `Bearer ${await weakTokenOf(owner)}` },
      roles: ['user'],
      scopes: ['see'],
      desktops: { [desktopId]: ['open', 'power'] },
    },
  };
  ids = await makeThings();
  callers = { ...callers, owner: { ...callers.owner, owns: new Set(Object.values(ids)) } };
});
afterAll(() => gateway.stop());

/** By a one-time link: a password costs a tenth of a second of hashing each time. */
async function signIn(userId: string): Promise<Record<string, string>> {
  const { url } = await admin.call(linkUser, { params: { userId } });
  const link = url.split('#link=')[1];
  const answer = await request(gateway.origin)
    .post('/api/v1/sign-in/link')
    .set('origin', gateway.origin)
    .send({ link });
  expect(answer.status).toBe(200);
  return { cookie: String(answer.headers['set-cookie']?.[0]).split(';')[0] ?? '', origin: gateway.origin };
}

async function weakTokenOf({ headers }: Caller): Promise<string> {
  const made = await request(gateway.origin)
    .post('/api/v1/me/tokens')
    .set(headers)
    .send({ name: 'w', scopes: ['see'] });
  return String((made.body as { token: string }).token);
}

/** One of each kind of thing that belongs to the owner. */
async function makeThings(): Promise<Record<string, string>> {
  const { headers } = callers.owner;
  const post = async (path: string, body: object): Promise<Record<string, unknown>> =>
    (await request(gateway.origin).post(`/api/v1${path}`).set(headers).send(body)).body as Record<string, unknown>;
  const token = await post('/me/tokens', { name: 't', scopes: ['see'] });
  const ticket = await post(`/desktops/${desktopId}/tickets`, {});
  const elsewhere = await signIn(ownerId);
  const list = await request(gateway.origin).get('/api/v1/me/browser-sessions').set(elsewhere);
  const session = (list.body as { items: { id: string; isThis: boolean }[] }).items.find((item) => item.isThis);
  return {
    desktopId,
    vmId: desktopId,
    tokenId: String(token['id']),
    sessionId: String(ticket['sessionId']),
    browserSessionId: String(session?.id),
  };
}

const ANY_TOKEN = { name: 'any', scopes: ['see'] };

/** Not sent for real by who may: it would end what the next cases stand on. */
const ENDS = new Set(['sign-out', 'vm.delete']);

async function call(route: Route, caller: Caller): Promise<{ readonly status: number; readonly text: string }> {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'nosuchthing');
  const sent = request(gateway.origin)[route.method](`/api/v1${path}`).set(caller.headers).redirects(0);
  if (route.id === 'event.follow') return headOf(path, caller);
  // An array is no body of ours: who is let in is told 400, and nothing happens.
  const answer = await (route.body === undefined ? sent : sent.send([]));
  return { status: answer.status, text: answer.text };
}

/** A stream does not end: its head is the answer. */
async function headOf(path: string, caller: Caller): Promise<{ status: number; text: string }> {
  const stop = new AbortController();
  const answer = await fetch(`${gateway.origin}/api/v1${path}`, { headers: caller.headers, signal: stop.signal });
  stop.abort();
  return { status: answer.status, text: '' };
}

const idOf = (route: Route): string | undefined =>
  typeof route.access === 'object' && 'on' in route.access ? ids[route.access.by] : undefined;

describe('S9 the matrix of routes and people', () => {
  test('covers exactly what is served', async () => {
    const api = (await request(gateway.origin).get('/api/v1/openapi.json')).body as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const served = Object.values(api.paths).flatMap((methods) =>
      Object.values(methods).map((operation) => operation.operationId),
    );
    expect(served.toSorted()).toEqual(ROUTES.map((route) => route.id).toSorted());
  });

  test('every route says what it needs, takes and gives', () => {
    for (const route of ROUTES) {
      expect(route.access, route.id).toBeDefined();
      const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      const shape = (route.params as { shape?: Record<string, unknown> } | undefined)?.shape ?? {};
      expect(Object.keys(shape).toSorted(), route.id).toEqual(names.toSorted());
      const saysWhatItGives =
        route.reply !== undefined || route.produces !== undefined || (route.status ?? 204) === 204;
      expect(saysWhatItGives, route.id).toBe(true);
      if (typeof route.access === 'object' && 'on' in route.access) expect(names, route.id).toContain(route.access.by);
    }
  });

  // Seen to fail with the sink of refusals left out of the route handler.
  test('ANSWERABLE: what changes something leaves a line, and so does who was refused', async () => {
    const silent = ROUTES.filter(({ method, audited }) => method !== 'get' && audited === false).map(({ id }) => id);
    // They begin a sign-in, which its end tells of; nothing has changed yet.
    expect(silent).toEqual(['sign-in.passkey-options', 'passkey.options']);
    const refused = ['vm.start', 'user.create', 'host.list'].map((id) => ROUTES.find((route) => route.id === id));
    for (const route of refused) expect((await call(route as Route, callers.other)).status).toBeGreaterThanOrEqual(403);
    const made = await request(gateway.origin).post('/api/v1/me/tokens').set(callers.other.headers).send(ANY_TOKEN);
    expect(made.status).toBe(201);
    const { items } = await admin.call(listAudit, { query: { limit: 20 } });
    const told = items.filter(({ actor }) => actor.name === 'other').map(({ action, outcome }) => [action, outcome]);
    expect(told.slice(0, 4).toReversed()).toEqual([
      ['vm.start', 'refused'],
      ['user.create', 'refused'],
      ['host.list', 'refused'],
      ['token.create', 'ok'],
    ]);
  });

  // Seen to fail with checkAccess letting in whoever is signed in, with everybody taken for the owner, and with a token's
  // scopes not applied (to its roles, and to its assignments).
  test('who may not is refused, everywhere', async () => {
    const wrong: string[] = [];
    for (const route of ROUTES) {
      for (const caller of Object.values(callers)) {
        const outcome = expected(route, caller, idOf(route), desktopId);
        if (outcome === 'open') continue;
        const { status, text } = await call(route, caller);
        const isRight = outcome === 'sign in' ? status === 401 : status === 403 || status === 404;
        if (!isRight) wrong.push(`${route.id} as ${caller.name}: ${status} ${text}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  // A mere sign-in would leave the object to each handler's memory: `join.create` once told strangers that a session is there.
  test('every route that names an object says which right on it is needed', () => {
    const bare = ROUTES.filter((route) => route.access === 'signed-in' && route.path.includes('{')).map(
      (route) => route.id,
    );
    // Its handler only ever looks among the caller's own passkeys.
    expect(bare).toEqual(['passkey.delete']);
  });

  test('a list shows nothing of others', async () => {
    const lists = ROUTES.filter(
      (route) => route.access === 'signed-in' && route.method === 'get' && !route.path.includes('{'),
    );
    for (const route of lists) {
      if (route.produces !== undefined) continue;
      const { status, text } = await call(route, callers.other);
      expect([route.id, status]).toEqual([route.id, 200]);
      for (const id of Object.values(ids)) expect([route.id, text.includes(id)]).toEqual([route.id, false]);
    }
  });

  test('who may is let in, everywhere', async () => {
    const wrong: string[] = [];
    for (const route of ROUTES.filter(({ id }) => !ENDS.has(id))) {
      for (const caller of Object.values(callers)) {
        if (expected(route, caller, idOf(route), desktopId) !== 'open') continue;
        const { status, text } = await call(route, caller);
        if (status === 401 || status === 403 || 500 <= status)
          wrong.push(`${route.id} as ${caller.name}: ${status} ${text}`);
        if (route.method === 'delete' && status === 204) ids = { ...ids, ...(await makeThings()) };
        if (route.method === 'delete')
          callers = { ...callers, owner: { ...callers.owner, owns: new Set(Object.values(ids)) } };
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);
});
