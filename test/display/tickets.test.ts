/** Who gets a session, who keeps it, who loses it: over real sockets, on a VM that answers. */
import { expect, test } from 'vitest';
import { listAudit } from '../../gateway/api/audit.ts';
import { createClient, type Fetch } from '../../gateway/api/client.ts';
import { endSession, getSession, listSessions, resumeSession, sendMessage } from '../../gateway/api/session.ts';
import { SESSION_CLOSE, ticketOf, ticketProtocol } from '../../gateway/api/ticket.ts';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import { fetchAs, type TestPerson } from '../../gateway/src/edge/testing/gateway.ts';
import { live, refusal, type Started, start } from './one-desktop.ts';
import { BrowserSocket, say, until } from './support.ts';

test('TICKETED: a ticket opens one session, once', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await gateway.user('ann');
  const { ticket } = await gateway.ticket(ann);
  await gateway.socket(ann, ticket).rfb();
  expect(await gateway.socket(ann, ticket).closed).toEqual({ code: SESSION_CLOSE.TICKET, reason: 'ticket' });
});

test.for([
  { it: 'nobody', by: () => undefined },
  { it: 'somebody else', by: (gateway: Started['gateway']) => gateway.person('eve', 'admin') },
])('TICKETED: shown by $it a ticket is refused, and gone', async ({ by }) => {
  const { gateway } = await start();
  const ann = await gateway.user('ann');
  const { ticket } = await gateway.ticket(ann);
  const other = await by(gateway);
  // Without a cookie there is no Origin either: a program, not a browser.
  expect((await new BrowserSocket(gateway.origin, other?.headers ?? {}, ticket).closed).code).toBe(
    SESSION_CLOSE.TICKET,
  );
  expect((await gateway.socket(ann, ticket).closed).code).toBe(SESSION_CLOSE.TICKET);
});

// Seen to fail with `judgeOrigin` that says `same` of every Origin.
test('S1: a foreign Origin is refused before the ticket is looked at', async () => {
  const { gateway } = await start();
  const ann = await gateway.user('ann');
  const { ticket } = await gateway.ticket(ann);
  for (const origin of ['https://evil.example', 'null']) {
    const browser = new BrowserSocket(gateway.origin, { ...ann.headers, origin }, ticket);
    await expect(browser.opened).rejects.toThrow(/403/);
  }
  await gateway.socket(ann, ticket).rfb();
});

// Seen to fail with `ticketOf` that takes any text.
test.for([
  { it: 'a path', text: '../../../etc/passwd' },
  { it: 'an address', text: 'http://169.254.169.254/latest/meta-data' },
  { it: 'one character too few', text: 'A'.repeat(42) },
  { it: 'one too many', text: 'A'.repeat(44) },
  { it: 'another alphabet', text: `${'A'.repeat(42)}!` },
])('S12: a ticket is 43 characters of base64url and names nothing: $it is none', ({ text }) => {
  expect(ticketOf(['binary', ticketProtocol(text)])).toBeUndefined();
  expect(ticketOf(['binary', ticketProtocol('A'.repeat(43))])).toBe('A'.repeat(43));
});

test('S12: what is no ticket is refused by its shape', async () => {
  const { gateway } = await start();
  const ann = await gateway.user('ann');
  for (const junk of ['x', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}!`]) {
    expect((await gateway.socket(ann, junk).closed).code).toBe(SESSION_CLOSE.TICKET);
  }
});

// Seen to fail with `log.info({ protocol: request.headers['sec-websocket-protocol'] }, 'upgrade')` in sessions/socket.ts
// (the redaction list knows the header by its own name only), and with the ticket in the note of ticket.create.
test('S4: no ticket in a log, an error or the audit log, whoever uses it how; S29 the same for what the VM said', async () => {
  const lines: string[] = [];
  const { gateway } = await start({}, { onLog: (line) => lines.push(line) });
  const ann = await gateway.user('ann');
  const eve = await gateway.person('eve', 'user');
  const admin = await gateway.person('root', 'admin');
  const stolen = await gateway.ticket(ann);
  await gateway.socket(eve, stolen.ticket).closed;
  const { ticket, sessionId } = await gateway.ticket(ann);
  await gateway.socket(ann, ticket).rfb();
  await gateway.socket(ann, ticket).closed;
  const again = await ann.client.call(resumeSession, { params: { sessionId } });
  const answers: string[] = [];
  for (const path of [`/ws/session?ticket=${ticket}`, `/api/v1/sessions/none?ticket=${ticket}`, `/${ticket}`]) {
    const answer = await fetch(gateway.origin + path, { headers: ann.headers });
    answers.push(await answer.text());
  }
  await until('the audit lines', async () => {
    const { items } = await admin.client.call(listAudit, { query: { limit: 100 } });
    return ['ticket.create', 'session.open', 'ticket.redeem'].every((action) =>
      items.some((line) => line.action === action),
    );
  });
  const { items } = await admin.client.call(listAudit, { query: { limit: 100 } });
  expect(lines.join('')).toContain('request.refused');
  for (const secret of [ticket, again.ticket, stolen.ticket]) {
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
    expect(JSON.stringify(items)).not.toContain(secret);
  }
  expect(answers.filter((text) => text.includes(again.ticket))).toEqual([]);
});

// Seen to fail with the line of a refused ticket written as those of sessions are: a stranger wrote as many as they liked.
test('S55: any number of junk tickets is thirty lines in the audit log, and a count', async () => {
  const { gateway } = await start();
  const admin = await gateway.person('root', 'admin');
  for (let round = 0; round < 4; round += 1) {
    const sockets = Array.from({ length: 20 }, () => new BrowserSocket(gateway.origin, {}, 'A'.repeat(43)));
    await Promise.all(sockets.map(({ closed }) => closed));
  }
  const { items } = await admin.client.call(listAudit, { query: { limit: 200, action: 'ticket.redeem' } });
  expect(items).toHaveLength(30);
});

// Seen to fail without the cap per user in sessions.ts (each cap has its line).
test('S5: caps per user, desktop and address; one more is 429, or close code 4429, and in the audit log', async () => {
  const started = await start({}, { caps: { perUser: 2, perDesktop: 3, perAddress: 2, inAll: 100 } });
  const { gateway } = started;
  const admin = await gateway.person('root', 'admin');
  const ann = await live(started, 'ann');
  await gateway.socket(ann.person, (await gateway.ticket(ann.person)).ticket).rfb();
  await expect(gateway.ticket(ann.person)).rejects.toEqual(refusal('TOO_MANY'));
  const bob = await gateway.user('bob');
  const { ticket } = await gateway.ticket(bob);
  await expect(gateway.ticket(bob)).rejects.toEqual(refusal('TOO_MANY')); // The desktop is full.
  expect(await gateway.socket(bob, ticket).closed).toEqual({ code: SESSION_CLOSE.LIMIT, reason: 'limit' });
  await until('the refusals in the audit log', async () => {
    const { items } = await admin.client.call(listAudit, { query: { limit: 100, outcome: 'refused' } });
    return (
      items.filter(({ code }) => code === 'TOO_MANY').length === 2 &&
      items.some(({ action }) => action === 'ticket.redeem')
    );
  });
});

test.for([
  {
    it: 'the account',
    take: async ({ gateway }: Started, userId: string) => gateway.auth.revocations.publish({ kind: 'user', userId }),
  },
  {
    it: 'the desktop',
    take: async ({ gateway }: Started) => gateway.auth.revocations.publish({ kind: 'desktop', desktopId: 'd1' }),
  },
  {
    it: 'the assignment',
    take: async ({ gateway }: Started, userId: string) => {
      await gateway.store.db.deleteFrom('assignments').where('user_id', '=', userId).execute();
      gateway.auth.revocations.publish({ kind: 'rights', userId });
    },
  },
  {
    it: 'the sign-in',
    take: async ({ gateway }: Started, userId: string) => {
      for (const { id } of await gateway.store.db
        .selectFrom('browser_sessions')
        .select('id')
        .where('user_id', '=', userId)
        .execute()) {
        gateway.auth.revocations.publish({ kind: 'browser-session', userId, browserSessionId: id });
      }
    },
  },
])(
  // Seen to fail with `#onRevocation` (sessions.ts) that does nothing.
  'S6 TICKETED: taking $it away closes the live socket within a second, and the outstanding ticket',
  async ({ it, take }) => {
    const started = await start();
    const { gateway } = started;
    const ann = await live(started, 'ann');
    const outstanding = await gateway.ticket(ann.person);
    const from = performance.now();
    await take(started, ann.person.userId);
    const isSignedOut = it === 'the sign-in';
    expect(await ann.browser.closed).toEqual({
      code: isSignedOut ? SESSION_CLOSE.SIGNED_OUT : SESSION_CLOSE.REVOKED,
      reason: isSignedOut ? 'signed-out' : 'revoked',
    });
    expect(performance.now() - from).toBeLessThan(1000); // The promise itself, not a speed.
    expect((await gateway.socket(ann.person, outstanding.ticket).closed).code).toBe(SESSION_CLOSE.TICKET);
    expect(gateway.feature.sessions.all()).toHaveLength(0);
  },
);

// Seen to fail with `case 'token'` of revoking.ts doing nothing.
test('S6 TICKETED: revoking an API token closes what was opened with it within a second, and nothing else', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await live(started, 'ann');
  const scopes = ['see', 'view', 'open'] as const;
  const { row, token } = await gateway.auth.tokens.create(ann.person.userId, { name: 't', scopes, expiresInDays: 1 });
  const client = createClient(gateway.origin, { fetch: fetch as unknown as Fetch, token });
  const byToken = { ...ann.person, client };
  const { ticket } = await gateway.ticket(byToken);
  const outstanding = await gateway.ticket(byToken);
  const viewer = gateway.socket(undefined, ticket); // A native viewer: it has no cookie, only the ticket.
  await viewer.rfb();
  const from = performance.now();
  await gateway.auth.tokens.revoke(row.id);
  expect(await viewer.closed).toEqual({ code: SESSION_CLOSE.SIGNED_OUT, reason: 'signed-out' });
  expect(performance.now() - from).toBeLessThan(1000);
  expect((await gateway.socket(undefined, outstanding.ticket).closed).code).toBe(SESSION_CLOSE.TICKET);
  expect(gateway.feature.sessions.all().map(({ id }) => id)).toEqual([ann.sessionId]);
});

test('S6: rights that changed and still hold close nothing', async () => {
  const started = await start();
  const ann = await live(started, 'ann');
  started.gateway.auth.revocations.publish({ kind: 'rights', userId: ann.person.userId });
  await ann.browser.send(say.key(0x61, true));
  await until('the key', () => started.heard[0]?.waiting.byteLength === 8);
});

test('who comes back, from another device too, is in the same session; the first socket is told that it moved', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await live(started, 'ann');
  const kept = async () =>
    (await ann.person.client.call(getSession, { params: { sessionId: ann.sessionId } })).keptUntil;
  expect(await kept()).toBeNull();
  ann.browser.socket.terminate();
  await until('the parked session', () => gateway.feature.sessions.get(ann.sessionId)?.phase.state === 'parked');
  const leftMs = Date.parse((await kept()) ?? '') - Date.now();
  expect(leftMs).toBeGreaterThan(DEFAULT_POLICY.graceMs - 10_000);
  expect(leftMs).toBeLessThanOrEqual(DEFAULT_POLICY.graceMs);
  const again = await ann.person.client.call(resumeSession, { params: { sessionId: ann.sessionId } });
  expect(again.sessionId).toBe(ann.sessionId);
  const second = gateway.socket(ann.person, again.ticket);
  await second.rfb();
  expect(gateway.feature.sessions.get(ann.sessionId)?.phase.state).toBe('live');
  const third = await ann.person.client.call(resumeSession, { params: { sessionId: ann.sessionId } });
  await gateway.socket(ann.person, third.ticket).rfb();
  expect(await second.closed).toEqual({ code: SESSION_CLOSE.MOVED, reason: 'moved' });
  const eve = await gateway.user('eve');
  await expect(eve.client.call(resumeSession, { params: { sessionId: ann.sessionId } })).rejects.toEqual(
    refusal('NOT_FOUND'),
  );
});

/** The same person, signed in on another device. */
async function elsewhere({ gateway }: Started, person: TestPerson): Promise<TestPerson> {
  const by = { address: '127.0.0.1', userAgent: 'phone' };
  const { secret } = await gateway.auth.browserSessions.open(person.userId, 'test', by);
  const headers = { ...person.headers, cookie: person.headers.cookie.replace(/=.*/, `=${secret}`) };
  return { ...person, headers, client: createClient(gateway.origin, { fetch: fetchAs(headers) }) };
}

// Seen to fail with `takeUp` that is not looked at: there were two sessions, and the first never heard of the second.
test('the same person elsewhere takes the session up, open or left; another window, mode, kind or person does not', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await live(started, 'ann');
  const window = await gateway.ticket(ann.person, 'd1', { takeUp: true });
  expect(window.sessionId).not.toBe(ann.sessionId);
  gateway.feature.sessions.end(gateway.feature.sessions.get(window.sessionId) as never, 'owner');
  const device = await elsewhere(started, ann.person);
  const other = await gateway.ticket(device, 'd1', { takeUp: true });
  expect(other.sessionId).toBe(ann.sessionId);
  const phone = gateway.socket(device, other.ticket);
  await phone.rfb();
  expect(await ann.browser.closed).toEqual({ code: SESSION_CLOSE.MOVED, reason: 'moved' });
  phone.socket.terminate();
  await until('the drop', () => gateway.feature.sessions.get(ann.sessionId)?.phase.state === 'parked');
  expect((await gateway.ticket(ann.person, 'd1', { takeUp: true })).sessionId).toBe(ann.sessionId);
  const fresh = [
    await gateway.ticket(ann.person, 'd1', { takeUp: true, mode: 'view' }),
    await gateway.ticket(ann.person, 'd1', { takeUp: true, kind: 'serial' }),
    await gateway.ticket(await gateway.user('bob'), 'd1', { takeUp: true }),
    await gateway.ticket(ann.person, 'd1'),
  ];
  expect(new Set([ann.sessionId, ...fresh.map(({ sessionId }) => sessionId)]).size).toBe(5);
});

test('nobody comes back within the grace: the session ends as dropped', async () => {
  const started = await start({ graceMs: 50 });
  const { gateway } = started;
  const ann = await live(started, 'ann');
  ann.browser.socket.terminate();
  await until('the end', () => gateway.feature.sessions.get(ann.sessionId) === undefined);
  await expect(ann.person.client.call(resumeSession, { params: { sessionId: ann.sessionId } })).rejects.toEqual(
    refusal('NOT_FOUND'),
  );
  const { items } = await ann.person.client.call(listSessions, { query: { ended: 'true' } });
  expect(items).toMatchObject([{ id: ann.sessionId, state: 'ended', end: 'dropped' }]);
});

test('the idle limit warns, input takes the warning back, then it closes', async () => {
  const started = await start({ idleMs: 400, warnMs: 300 });
  const { gateway } = started;
  const told: string[] = [];
  gateway.events.subscribe(({ event }) => {
    if (event.topic.startsWith('session:')) told.push(event.kind);
  });
  const ann = await live(started, 'ann');
  await until('the warning', () => told.includes('warning'));
  await ann.browser.send(say.key(0x61, true));
  await until('the warning to be over', () => told.includes('warning-over'));
  expect(await ann.browser.closed).toEqual({ code: SESSION_CLOSE.IDLE, reason: 'idle' });
  expect(told.filter((kind) => kind === 'warning')).toHaveLength(2);
});

test('the absolute limit closes whatever is typed', async () => {
  const started = await start({ absoluteMs: 300, warnMs: 100 });
  const ann = await live(started, 'ann');
  expect(await ann.browser.closed).toEqual({ code: SESSION_CLOSE.ENDED, reason: 'ended' });
});

test('an operator sees all sessions, sends a message, ends one; a user sees their own', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await live(started, 'ann');
  const bob = await live(started, 'bob');
  const operator = await gateway.person('olga', 'operator');
  const ids = async (who: typeof operator): Promise<string[]> =>
    (await who.client.call(listSessions, {})).items.map(({ id }) => id).sort();
  expect(await ids(operator)).toEqual([ann.sessionId, bob.sessionId].sort());
  expect(await ids(ann.person)).toEqual([ann.sessionId]);
  const told: unknown[] = [];
  gateway.events.subscribe(({ event }) => void (event.kind === 'message' && told.push(event.topic)));
  await operator.client.call(sendMessage, {
    params: { sessionId: ann.sessionId },
    body: { text: 'the host restarts at six' },
  });
  expect(told).toHaveLength(2); // Both are on the desktop.
  await operator.client.call(endSession, { params: { sessionId: ann.sessionId } });
  expect(await ann.browser.closed).toEqual({ code: SESSION_CLOSE.ENDED, reason: 'ended' });
  await expect(bob.person.client.call(endSession, { params: { sessionId: bob.sessionId } })).resolves.toBeUndefined();
});

test('a VM that goes away says so, and the session waits for it', async () => {
  const started = await start();
  const { gateway } = started;
  gateway.desktops.set('d2', { endpoint: () => Promise.reject(new Error('no such socket /run/secret/path')) });
  const ann = await gateway.user('ann', 'd2');
  const { ticket, sessionId } = await gateway.ticket(ann, 'd2');
  const browser = gateway.socket(ann, ticket);
  // NO-SECRET-OUT: not why.
  expect(await browser.closed).toEqual({ code: SESSION_CLOSE.VM_AWAY, reason: 'vm-away' });
  expect(gateway.feature.sessions.get(sessionId)?.phase.state).toBe('parked');
});

// Seen to fail with a fault instead of a skip in both filters: POLICY, and again after each reload.
test('nothing a person copies ends a session: too large is said on its topic, in both directions, and what follows passes', async () => {
  const started = await start({ clipboardBytes: 100 });
  const { gateway, heard } = started;
  const told: unknown[] = [];
  gateway.events.subscribe(({ event }) => void (event.kind === 'clipboard-refused' && told.push(event.data)));
  const ann = await live(started, 'ann');
  const tooLarge = Buffer.concat([Buffer.of(6, 0, 0, 0), Buffer.alloc(4), Buffer.alloc(2_000_000, 0x78)]);
  tooLarge.writeInt32BE(-2_000_000, 4); // Extended, in one frame of 2 MB.
  await ann.browser.send(Buffer.concat([tooLarge, say.key(0x61, true)]));
  await until('the key alone', () => heard[0]?.waiting.equals(say.key(0x61, true)) === true);
  expect(told).toEqual([{ direction: 'in', why: 'too-large', maxBytes: 100 }]);
});
