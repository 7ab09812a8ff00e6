/** A gateway that stops and another on the same state: whoever was in a session is in it again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createClient } from '../../gateway/api/client.ts';
import { getSession, resumeSession } from '../../gateway/api/session.ts';
import { SESSION_CLOSE, shouldReconnect } from '../../gateway/api/ticket.ts';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import { fetchAs, type TestPerson } from '../../gateway/src/edge/testing/gateway.ts';
import { atEnd, fakeVm, rfbServerHandshake, startDisplayGateway, unixEndpoint, until } from './support.ts';

async function start() {
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-restart-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const vm = await fakeVm((socket) => void rfbServerHandshake(socket).catch(() => undefined));
  const endpoint = () => unixEndpoint(vm);
  const open = (graceMs = DEFAULT_POLICY.graceMs) =>
    startDisplayGateway({ d1: { endpoint, policy: { ...DEFAULT_POLICY, graceMs } } }, { folder });
  return { open };
}
/** The same browser, at the address of the next gateway. */
function at(origin: string, person: TestPerson): TestPerson {
  const headers = { ...person.headers, origin };
  return { ...person, headers, client: createClient(origin, { fetch: fetchAs(headers) }) };
}

// Seen to fail with leftovers that are marked as ended at the start: the page's session was gone.
test('a live session goes on in the next gateway, with its number, its age and what it moved', async () => {
  const { open } = await start();
  const first = await open();
  const ann = await first.user('ann');
  const { ticket, sessionId } = await first.ticket(ann);
  const browser = first.socket(ann, ticket);
  await browser.rfb();
  await until('a live session', () => first.feature.sessions.get(sessionId)?.phase.state === 'live');
  const before = await ann.client.call(getSession, { params: { sessionId } });
  await first.feature.close();
  const { code } = await browser.closed;
  expect([code, shouldReconnect(code)]).toEqual([SESSION_CLOSE.GOING_AWAY, true]);

  const second = await open();
  const again = at(second.origin, ann);
  const found = await again.client.call(getSession, { params: { sessionId } });
  expect(found).toMatchObject({ state: 'parked', createdAt: before.createdAt, liveAt: before.liveAt });
  const resumed = await again.client.call(resumeSession, { params: { sessionId } });
  await second.socket(again, resumed.ticket).rfb();
  await until('the session', () => second.feature.sessions.get(sessionId)?.phase.state === 'live');
  const eve = await second.user('eve');
  await expect(eve.client.call(resumeSession, { params: { sessionId } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('S6: a right that was taken away meanwhile does not come back with it; nobody comes: it ends', async () => {
  const { open } = await start();
  const first = await open();
  const ann = await first.user('ann');
  const { ticket, sessionId } = await first.ticket(ann);
  await first.socket(ann, ticket).rfb();
  await until('a live session', () => first.feature.sessions.get(sessionId)?.phase.state === 'live');
  await first.feature.close();
  await first.store.db
    .updateTable('sessions')
    .set({ policy: JSON.stringify({ ...DEFAULT_POLICY, graceMs: 2_000 }) })
    .execute();
  await first.store.db.deleteFrom('assignments').execute();

  const second = await open();
  const again = at(second.origin, ann);
  await expect(again.client.call(resumeSession, { params: { sessionId } })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
  await until('its end', () => second.feature.sessions.get(sessionId) === undefined);
  await until('its row', async () => {
    return (await again.client.call(getSession, { params: { sessionId } })).end === 'gateway-stopped';
  });
});
