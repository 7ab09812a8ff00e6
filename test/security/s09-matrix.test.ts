/**
 * S9 (CVE-2021-41767, CVE-2020-11997): every route, as everybody. The cases are drawn from the route table, so a new route
 * is in here before it is reviewed; the real gateway with all its features answers. What each caller obtains is compared
 * with `who-obtains-what.txt`, which a person reads: `npx vitest run test/security/s09-matrix -u` writes it anew, and each
 * line that changes is to be looked at as somebody would who wants what is not theirs.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listAudit } from '../../gateway/api/audit.ts';
import type { Route } from '../../gateway/api/route.ts';
import { AS_A_WHOLE, CALLS, type Call, NOT_SENT } from './obtained/calls.ts';
import { admitted, heard } from './obtained/live.ts';
import { shownTo } from './obtained/pages.ts';
import { type Answer, type Said, saidOf, section } from './obtained/said.ts';
import { asked, makeWorld, named, type Reply, type TableCaller, type World } from './obtained/world.ts';
import { type Caller, expected, holdsThere, ROUTES } from './route-table.ts';

const TABLE = fileURLToPath(new URL('who-obtains-what.txt', import.meta.url));
const HEAD = `Who obtains what: each route, as each caller. Written by s09-matrix.test.ts; read and judged by people.

A, B and C are VMs. Accounts "on A and C" have the one right that is named there; one more has "open" on B and nothing
else. "admin's tokens: see" is an API token of an admin with that one scope. The opener ("open" on A and C) has a session on
A and API tokens, the manager ("manage" there) has made a checkpoint of A. "all of A + B" is each field that anybody got,
with things of A and B in them; "without" names those that were missing or empty, "only" those that were not. "let in" with
a code is who may ask, and was told that the request itself will not do. Of accounts
and tokens that are alike for a route the first may stand for all: nobody else is asked there.
`;

let world: World;
beforeAll(async () => {
  world = await makeWorld();
}, 120_000);
afterAll(() => world.close());

async function send(route: Route, caller: Caller, call: Call, ids: Readonly<Record<string, string>>): Promise<Answer> {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? 'nosuchthing');
  const where = `${path}${call.query === undefined ? '' : `?${call.query}`}`;
  // An array is no body of ours: who is let in is told 400, and nothing happens.
  const body = call.body === undefined ? [] : filled(call.body, world.ids);
  const { origin } = world.gateway;
  const answer = await asked(origin, caller.headers, route.method, where, route.body === undefined ? undefined : body);
  const type = answer.headers.get('content-type') ?? '';
  return { status: answer.status, text: type.startsWith('image/') ? '' : await answer.text(), type };
}

function filled(body: object, ids: Readonly<Record<string, string>>): object {
  return JSON.parse(JSON.stringify(body).replaceAll(/"\{(\w+)\}"/g, (_, key: string) => `"${ids[key]}"`)) as object;
}

/** Every caller, and what came of it. `wrong` gets what the description of the route does not say. */
async function outcomesOf(route: Route, call: Call, wrong: string[]): Promise<Map<string, Said>> {
  let ids: Readonly<Record<string, string>> = { ...world.ids, ...(await call.ids?.(world)) };
  const outcomes = new Map<string, Said>();
  const one = async (caller: TableCaller): Promise<void> => {
    const answer = await send(route, caller, call, ids);
    const said = saidOf(route, answer, namesFor(caller));
    const isDone = answer.status < 300;
    const isWhole = isDone && (call.isVerb === true || AS_A_WHOLE.has(route.id));
    outcomes.set(caller.name, isWhole ? { kind: 'obtained', fields: [], things: [] } : said);
    judge(route, caller, answer, ids, wrong);
    if (isDone && call.after !== undefined) await call.after(world, JSON.parse(answer.text) as Reply);
    if (isDone && call.isUsedUp === true) ids = { ...world.ids, ...(await call.ids?.(world)) };
  };
  const callers = asking(route, call);
  // What is refused changes nothing: all of them at once, whatever the order of the others.
  const mayBeIn = (caller: Caller): boolean => expected(route, caller, desktopOf(route, ids)) === 'open';
  await Promise.all(callers.filter((caller) => call.byTurns !== true || !mayBeIn(caller)).map(one));
  if (call.byTurns === true) for (const caller of callers.filter(mayBeIn)) await one(caller);
  return new Map(callers.map(({ name }) => [name, outcomes.get(name) as Said]));
}

/**
 * Who is asked: everybody where what comes back is looked at, or an object is. Where a right is needed everywhere, or none,
 * where no token may, and of verbs that only do something, one of those who are alike there: the first stands for all.
 */
function asking(route: Route, call: Call): readonly TableCaller[] {
  const { access } = route;
  const isOwn = access === 'signed-in';
  const isOnObject = typeof access === 'object' && 'on' in access;
  const isVerb = call.isVerb === true || call.isUsedUp === true;
  if ((isOwn && route.noToken !== true) || (isOnObject && !isVerb)) return world.callers;
  const right = typeof access === 'object' ? access.right : undefined;
  const seen = new Set<string>();
  return world.callers.filter((caller) => {
    const { roles, scopes, owns = [] } = caller;
    const on = isOnObject ? desktopOf(route, world.ids) : undefined;
    const may = right !== undefined && holdsThere(caller, right, on);
    const kind = JSON.stringify([
      roles,
      scopes !== undefined,
      may,
      isOnObject && [holdsThere(caller, 'see', on), owns],
    ]);
    if (seen.has(kind)) return false;
    seen.add(kind);
    return true;
  });
}

function namesFor({ account }: TableCaller): ReadonlyMap<string, string> {
  return account === undefined ? world.names : new Map([...world.names, [account, 'their own account']]);
}

/** Apart from the table: what the description says that a route needs is what it asks for. */
function judge(
  route: Route,
  caller: Caller,
  answer: Answer,
  ids: Readonly<Record<string, string>>,
  wrong: string[],
): void {
  const { status, text } = answer;
  const outcome = expected(route, caller, desktopOf(route, ids));
  const isRefused = status === 401 || status === 403 || status === 404;
  const isRight =
    outcome === 'open' ? status !== 401 && status < 500 : outcome === 'sign in' ? status === 401 : isRefused;
  if (!isRight) wrong.push(`${route.id} as ${caller.name}: ${status} ${text}`);
}

function desktopOf({ access }: Route, ids: Readonly<Record<string, string>>): string | undefined {
  if (typeof access !== 'object' || !('on' in access)) return undefined;
  switch (access.on) {
    case 'desktop':
      return ids[access.by];
    case 'session':
    case 'task':
      return ids['vmId'];
    case 'token':
    case 'browser-session':
      return undefined;
  }
}

describe('S9 the matrix of routes and people', () => {
  test('covers exactly what is served', async () => {
    const api = (await (await asked(world.gateway.origin, {}, 'get', '/openapi.json')).json()) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const served = Object.values(api.paths).flatMap((methods) =>
      Object.values(methods).map((operation) => operation.operationId),
    );
    expect(served.toSorted()).toEqual(ROUTES.map((route) => route.id).toSorted());
    expect(Object.keys(CALLS).filter((id) => !served.includes(id))).toEqual([]);
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

  // A mere sign-in would leave the object to each handler's memory: `join.create` once told strangers that a session is there.
  test('every route that names an object says which right on it is needed', () => {
    const bare = ROUTES.filter((route) => route.access === 'signed-in' && route.path.includes('{')).map(
      (route) => route.id,
    );
    // Its handler only ever looks among the caller's own passkeys.
    expect(bare).toEqual(['passkey.delete']);
  });

  // Seen to fail with the sink of refusals left out of the route handler.
  test('ANSWERABLE: what changes something leaves a line, and so does who was refused', async () => {
    const silent = ROUTES.filter(({ method, audited }) => method !== 'get' && audited === false).map(({ id }) => id);
    // They begin a sign-in, which its end tells of; nothing has changed yet. Of an upload its beginning and its arrival tell.
    expect(silent.toSorted()).toEqual(['passkey.options', 'sign-in.passkey-options', 'upload.append']);
    const other = named(world.callers, 'open on B');
    const answers = ['vm.start', 'user.create', 'host.list'].map(async (id) => {
      const { status } = await send(routeOf(id), other, {}, world.ids);
      return status;
    });
    for (const answer of answers) expect(await answer).toBeGreaterThanOrEqual(403);
    await world.as(other, 'post', '/me/tokens', { name: 'any', scopes: ['see'] });
    const { items } = await world.admin.call(listAudit, { query: { limit: 20 } });
    const told = items
      .filter(({ actor }) => actor.name === 'other')
      .map(({ action, outcome }) => `${action} ${outcome}`);
    expect(told.slice(0, 4).toSorted()).toEqual([
      'host.list refused',
      'token.create ok',
      'user.create refused',
      'vm.start refused',
    ]);
  });

  // Seen to fail with every token of somebody taken for the owner of what is theirs (`isOwn`).
  test('who obtains what is as the table says', async () => {
    const wrong: string[] = [];
    const sections: string[] = [];
    for (const route of ROUTES.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      if (NOT_SENT.has(route.id)) continue;
      for (const call of CALLS[route.id] ?? [{}]) {
        const title = `${route.id}${call.as === undefined ? '' : `: ${call.as}`}`;
        sections.push(section(title, asking(route, call), await outcomesOf(route, call, wrong)));
      }
    }
    const others = {
      'GET /metrics': () => shownTo(world, '/metrics'),
      'GET /readyz': () => shownTo(world, '/readyz'),
      'event.follow: one event of each kind': () => heard(world),
      "the socket of a session: with a ticket that the opener's browser asked for": () => admitted(world, world.owner),
      "the socket of a session: with a ticket that the opener's token asked for": () =>
        admitted(world, named(world.callers, "opener's token open")),
    };
    for (const [title, outcomes] of Object.entries(others)) {
      const said = await outcomes();
      const callers = world.callers.filter(({ name }) => said.has(name));
      sections.push(section(title, callers, said));
    }
    expect(wrong).toEqual([]);
    const table = `${HEAD}\n${sections.join('\n\n')}\n`;
    await expect(table).toMatchFileSnapshot(TABLE);
  }, 120_000);
});

function routeOf(id: string): Route {
  const found = ROUTES.find((route) => route.id === id);
  if (found === undefined) throw new Error(`there is no route ${id}`);
  return found;
}
