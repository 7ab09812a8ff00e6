/** S6 (nova, CVE-2026-9162): what was opened with a right ends within a second of the right. Here the live events; display sockets are tested with the relay. */
import { afterEach, describe, expect, test } from 'vitest';
import { startTestGateway, type TestGateway, type TestPerson } from '../../gateway/src/edge/testing/gateway.ts';
import type { Revocation } from '../../gateway/src/platform/rights/revocations.ts';

let gateway: TestGateway;
afterEach(() => gateway.close());
const MAX_MS = 1_000;

/** Listens to live events and gives what arrives; `ended` resolves when the gateway ends the stream. */
async function listenAs(person: TestPerson, headers: Record<string, string> = person.headers) {
  const answer = await fetch(`${gateway.origin}/api/v1/events?topics=vm`, { headers });
  expect(answer.status).toBe(200);
  let text = '';
  const ended = (async () => {
    for await (const chunk of answer.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
  })();
  await until(() => text.includes('event: hello'));
  return { text: () => text, ended };
}
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resume) => setImmediate(resume));
}
async function endsInTime(ended: Promise<void>, act: () => Promise<unknown>): Promise<void> {
  const started = Date.now();
  await act();
  await ended;
  expect(Date.now() - started).toBeLessThan(MAX_MS);
}

describe('S6 a live stream ends within a second', () => {
  // Seen to fail with `stream.end()` left out when the account is gone, and with the sweep of browser sessions left out.
  const cases: readonly [string, (ann: TestPerson) => Promise<unknown>][] = [
    ['the account is removed', (ann) => gateway.auth.accounts.remove(ann.userId)],
    ['the account is disabled', async (ann) => gateway.auth.accounts.edit(ann.userId, 1, { isDisabled: true })],
    ['the sign-in ends elsewhere', async (ann) => gateway.auth.browserSessions.endOthers(ann.userId, undefined)],
  ];
  test.for(cases)('when %s', async ([, act]) => {
    gateway = await startTestGateway();
    const ann = await gateway.person('ann');
    const { ended } = await listenAs(ann);
    await endsInTime(ended, () => act(ann));
  });

  test('when the API token is revoked, and when it expires', async () => {
    let clock = Date.now();
    gateway = await startTestGateway({ now: () => clock });
    const ann = await gateway.person('ann');
    for (const end of [(id: string) => gateway.auth.tokens.revoke(id), async () => void (clock += 86_400_000)]) {
      const { row, token } = await gateway.auth.tokens.create(ann.userId, {
        name: 't',
        scopes: ['see'],
        expiresInDays: 1,
      });
      const { ended } = await listenAs(ann, { authorization: `Bearer ${token}` });
      await endsInTime(ended, () => end(row.id));
    }
  });

  test('when the sign-in reaches its limit, with nobody asking', async () => {
    let clock = Date.now();
    gateway = await startTestGateway({ now: () => clock });
    const ann = await gateway.person('ann');
    const { ended } = await listenAs(ann);
    await endsInTime(ended, async () => void (clock += 8 * 86_400_000));
  });
});

describe('S6 a right that is taken away', () => {
  // Seen to fail with `current = again` left out of event-route.ts.
  test('is gone from the next event of an open stream, and from the next request', async () => {
    gateway = await startTestGateway();
    const ann = await gateway.person('ann');
    const given = await gateway.auth.assignments.create('d1', { userId: ann.userId }, ['see']);
    const { text } = await listenAs(ann);
    await until(
      () => (
        gateway.events.publish('vm', { kind: 'changed', id: 'first' }, { desktopId: 'd1' }), text().includes('first')
      ),
    );
    await gateway.auth.assignments.remove(given.id);
    // Rights are asked for again at once; by the time of the next request through the store it is done.
    await gateway.auth.accounts.get(ann.userId);
    await new Promise((resume) => setImmediate(resume));
    gateway.events.publish('vm', { kind: 'changed', id: 'second' }, { desktopId: 'd1' });
    gateway.events.publish('vm', { kind: 'changed', id: 'third' }, { ownerId: ann.userId });
    await until(() => text().includes('third'));
    expect(text()).not.toContain('second');
  });

  test('is told to whoever holds sockets, with whom it concerns', async () => {
    gateway = await startTestGateway();
    const told: Revocation[] = [];
    gateway.auth.revocations.subscribe((revocation) => told.push(revocation));
    const ann = await gateway.person('ann', 'operator');
    const { accounts, groups, assignments } = gateway.auth;
    const group = await groups.create('staff', null);
    const rights = { kind: 'rights', userId: ann.userId };
    const steps: [() => Promise<unknown>, unknown][] = [
      [() => groups.addMember(group.id, ann.userId), rights],
      [async () => assignments.remove((await assignments.create('d', { groupId: group.id }, ['open'])).id), rights],
      [() => groups.removeMember(group.id, ann.userId), rights],
      [() => groups.addMember(group.id, ann.userId), rights],
      [() => groups.remove(group.id), rights],
      [() => accounts.edit(ann.userId, 1, { roles: ['user'] }), rights],
      [() => assignments.forgetDesktop('d'), { kind: 'desktop', desktopId: 'd' }],
      [() => accounts.edit(ann.userId, 2, { isDisabled: true }), { kind: 'user', userId: ann.userId }],
    ];
    for (const [act, expected] of steps) {
      told.length = 0;
      await act();
      expect(told).toContainEqual(expected);
    }
  });
});
