/**
 * S42: every caller × every verb of a session × every state that it can be in. What comes of it is compared with
 * `who-does-what-in-sessions.txt`, which people read; `-u` writes it anew. Who steers, by the state of control, is a table
 * of its own beside its source (access/decisions/control.test.ts).
 */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createToken } from '../../gateway/api/auth.ts';
import { type Client, createClient } from '../../gateway/api/client.ts';
import type { DesktopRight, Right, Role } from '../../gateway/api/rights.ts';
import * as api from '../../gateway/api/session.ts';
import { fetchAs, type TestPerson } from '../../gateway/src/edge/testing/gateway.ts';
import { COOKIE } from '../../gateway/src/identity/sign-in/cookies.ts';
import {
  type BrowserSocket,
  type DisplayGateway,
  fakeVm,
  rfbServerHandshake,
  startDisplayGateway,
  unixEndpoint,
  until,
} from '../display/support.ts';
import { type Said, section } from './obtained/said.ts';

const TABLE = fileURLToPath(new URL('who-does-what-in-sessions.txt', import.meta.url));
const HEAD = `Who does what in sessions: each verb, in each state of the session, by each caller. Written by
s42-sessions.test.ts; read and judged by people.

The session is on a desktop that its owner may open. Guests were let in by the owner while it was live, to steer or to look;
the operator who joined did so by right. "with their own session" are verbs of the session that a caller has there.
`;
const STATES = ['waiting', 'live', 'parked', 'ended'] as const;
type State = (typeof STATES)[number];
const CAPS = { perUser: 1_000, perDesktop: 1_000, perAddress: 10_000, inAll: 10_000 };

let gateway: DisplayGateway;
let count = 0;

/** Everybody is new in each scene: what they did in another counts for nothing. */
async function person(right?: DesktopRight, role: Role = 'user'): Promise<TestPerson> {
  count += 1;
  const made = await gateway.person(`p${count}`, role);
  if (right !== undefined) await gateway.assign(made.userId, 'd1', right);
  return made;
}
async function tokenOf({ client }: TestPerson, scope: Right): Promise<Client> {
  const { token } = await client.call(createToken, { body: { name: scope, scopes: [scope] } });
  return createClient(gateway.origin, { fetch: fetchAs({}), token });
}

interface Scene {
  readonly owner: TestPerson;
  readonly sessionId: string;
  readonly browser: BrowserSocket | undefined;
}
const stateOf = async ({ owner, sessionId }: Pick<Scene, 'owner' | 'sessionId'>): Promise<string> =>
  (await owner.client.call(api.getSession, { params: { sessionId } })).state;

async function opened(owner: TestPerson, ticket: { ticket: string; sessionId: string }): Promise<Scene> {
  const browser = gateway.socket(owner, ticket.ticket);
  await browser.rfb();
  const scene = { owner, sessionId: ticket.sessionId, browser };
  await until('a live session', async () => (await stateOf(scene)) === 'live');
  return scene;
}
/** It is live, unless it waits for its ticket; callers come in; then it becomes what it is to be. */
async function begin(state: State): Promise<Scene> {
  const owner = await person('open');
  const ticket = await gateway.ticket(owner);
  return state === 'waiting' ? { owner, sessionId: ticket.sessionId, browser: undefined } : opened(owner, ticket);
}
async function become(state: State, scene: Scene): Promise<void> {
  if (state === 'parked') scene.browser?.socket.terminate();
  if (state === 'ended') {
    await scene.owner.client.call(api.endSession, { params: scene });
    // The row of one that has just ended is written a moment later, or when it is listed.
    await scene.owner.client.call(api.listSessions, { query: { ended: 'true' } });
  }
  await until(state, async () => (await stateOf(scene)) === state);
}

/** `own`: the session that the caller has there. */
interface Entered {
  readonly client: Client;
  readonly own?: string;
}
type Enter = (scene: Scene) => Promise<Entered>;

const without =
  (right?: DesktopRight, role?: Role): Enter =>
  async () =>
    person(right, role);
const joined =
  (mode: api.Join['mode'], right?: DesktopRight, role?: Role): Enter =>
  async ({ owner, sessionId }) => {
    const guest = await person(right, role);
    const params = { sessionId };
    const { id: joinId, state } = await guest.client.call(api.askToJoin, { params, body: { mode } });
    if (state === 'asked')
      await owner.client.call(api.answerJoin, { params: { sessionId, joinId }, body: { allow: true } });
    const ticket = await guest.client.call(api.createJoinTicket, { params: { sessionId, joinId } });
    return { client: guest.client, own: (await opened(guest, ticket)).sessionId };
  };
/** A session that waits can be joined by nobody. */
const NEEDS_LIVE = new Set(['a guest who steers', 'a guest who looks', 'an operator who joined']);
const CALLERS: Readonly<Record<string, Enter>> = {
  'the owner': async ({ owner, sessionId }) => ({ client: owner.client, own: sessionId }),
  'the owner elsewhere': async ({ owner }) => {
    const elsewhere = { address: '192.0.2.1', userAgent: 'another' };
    const { secret } = await gateway.auth.browserSessions.open(owner.userId, 'test', elsewhere);
    const headers = { cookie: `${COOKIE.plain}=${secret}`, origin: gateway.origin };
    return { client: createClient(gateway.origin, { fetch: fetchAs(headers) }) };
  },
  "the owner's token open": async ({ owner }) => ({ client: await tokenOf(owner, 'open') }),
  "the owner's token view": async ({ owner }) => ({ client: await tokenOf(owner, 'view') }),
  "the owner's token backup": async ({ owner }) => ({ client: await tokenOf(owner, 'backup') }),
  'a guest who steers': joined('control', 'view'),
  'a guest who looks': joined('view', 'view'),
  'another who has it open': async () => {
    const other = await person('open');
    return { client: other.client, own: (await opened(other, await gateway.ticket(other))).sessionId };
  },
  'another who may open it': without('open'),
  'a viewer': without('view'),
  'a lister': without('see'),
  'a stranger': without(),
  'an operator': without(undefined, 'operator'),
  'an operator who joined': joined('control', undefined, 'operator'),
  'an admin': without(undefined, 'admin'),
  "an admin's token watch": async () => ({ client: await tokenOf(await person(undefined, 'admin'), 'watch') }),
};

type Verb = (by: Entered, scene: Scene) => Promise<unknown>;
const of = ({ sessionId }: Scene) => ({ params: { sessionId } });
const own = ({ own: sessionId = 'none' }: Entered) => ({ params: { sessionId } });
/** Somebody who asks the session to let them in. */
async function asker(sessionId: string): Promise<{ sessionId: string; joinId: string }> {
  const { client } = await person('view');
  const asked = await client.call(api.askToJoin, { params: { sessionId }, body: {} }).catch(() => undefined);
  return { sessionId, joinId: asked?.id ?? 'none' };
}
/** In this order: the last ends it. */
const VERBS: Readonly<Record<string, Verb>> = {
  'look at it': ({ client }, scene) => client.call(api.getSession, of(scene)),
  'who is there': ({ client }, scene) => client.call(api.listParticipants, of(scene)),
  'send a message': ({ client }, scene) => client.call(api.sendMessage, { ...of(scene), body: { text: 'hello' } }),
  'ask to be let in': ({ client }, scene) => client.call(api.askToJoin, { ...of(scene), body: {} }),
  "read somebody's wish": async ({ client }, { sessionId }) =>
    client.call(api.getJoin, { params: await asker(sessionId) }),
  'let somebody in': async ({ client }, { sessionId }) =>
    client.call(api.answerJoin, { params: await asker(sessionId), body: { allow: true } }),
  'take control for it': ({ client }, scene) => client.call(api.setControl, { ...of(scene), body: { action: 'take' } }),
  'a ticket to it': ({ client }, scene) => client.call(api.resumeSession, of(scene)),
  'with their own session: take control': (by) =>
    by.client.call(api.setControl, { ...own(by), body: { action: 'take' } }),
  'with their own session: give control to the owner': (by, { sessionId }) =>
    by.client.call(api.setControl, { ...own(by), body: { action: 'give', toSessionId: sessionId } }),
  'with their own session: let somebody in': async (by) =>
    by.client.call(api.answerJoin, { params: await asker(by.own ?? 'none'), body: { allow: true } }),
  'with their own session: a ticket to it': (by) => by.client.call(api.resumeSession, own(by)),
  'end it': ({ client }, scene) => client.call(api.endSession, of(scene)),
};

const saidOf = (work: Promise<unknown>): Promise<Said> =>
  work.then(
    () => ({ kind: 'obtained', fields: [], things: [] }),
    (error: { code: string }) => ({ kind: 'refused', how: `refused (${error.code})` }),
  );

// Seen to fail with `decides` that asks for nothing but a session of one's own, and with the owner known by name alone.
test('S42: who does what in sessions is as the table says', async () => {
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => undefined));
  gateway = await startDisplayGateway({ d1: { endpoint: () => unixEndpoint(vm) } }, { caps: CAPS });
  const sections: string[] = [];
  for (const state of STATES) {
    const callers = Object.entries(CALLERS).filter(([name]) => state !== 'waiting' || !NEEDS_LIVE.has(name));
    const outcomes = new Map(Object.keys(VERBS).map((verb) => [verb, new Map<string, Said>()]));
    for (const [name, enter] of callers) {
      const scene = await begin(state);
      const by = await enter(scene);
      await become(state, scene);
      for (const [verb, act] of Object.entries(VERBS)) {
        if (by.own === undefined && verb.startsWith('with their own')) continue;
        outcomes.get(verb)?.set(name, await saidOf(act(by, scene)));
      }
    }
    for (const [verb, said] of outcomes)
      sections.push(
        section(
          `${state}: ${verb}`,
          [...said.keys()].map((name) => ({ name })),
          said,
        ),
      );
  }
  await expect(`${HEAD}\n${sections.join('\n\n')}\n`).toMatchFileSnapshot(TABLE);
}, 120_000);
