/** Several people on one desktop, over real sockets: who may, who is asked, who steers, and what consent ends with. */
import { expect, test } from 'vitest';
import {
  answerJoin,
  askToJoin,
  createJoinTicket,
  endSession,
  listParticipants,
  resumeSession,
  sendMessage,
  setControl,
} from '../../gateway/api/session.ts';
import { SESSION_CLOSE } from '../../gateway/api/ticket.ts';
import { live, refusal, start } from './one-desktop.ts';
import { type ByteReader, say, until } from './support.ts';

// Seen to fail without the check in `mayTalkTo` (routes.ts): who may look at the desktop would talk to who is on it.
test('S9: sessions of others cannot be looked at, ended, answered or talked to', async () => {
  const started = await start();
  const ann = await live(started, 'ann');
  const eve = await started.gateway.person('eve', 'user');
  const params = { sessionId: ann.sessionId };
  await expect(eve.client.call(endSession, { params })).rejects.toEqual(refusal('NOT_FOUND'));
  await expect(eve.client.call(listParticipants, { params })).rejects.toEqual(refusal('NOT_FOUND'));
  await expect(eve.client.call(sendMessage, { params, body: { text: 'x' } })).rejects.toEqual(refusal('NOT_FOUND'));
  await expect(eve.client.call(setControl, { params, body: { action: 'take' } })).rejects.toEqual(refusal('NOT_FOUND'));
  await expect(eve.client.call(askToJoin, { params, body: {} })).rejects.toEqual(refusal('NOT_FOUND'));
  await started.gateway.assign(eve.userId, 'd1', 'view');
  // She may look at the desktop now, but is not there: she neither steers nor talks to who is.
  await expect(eve.client.call(sendMessage, { params, body: { text: 'x' } })).rejects.toEqual(refusal('NOT_FOUND'));
  await expect(eve.client.call(setControl, { params, body: { action: 'take' } })).rejects.toEqual(refusal('NOT_FOUND'));
  const join = await eve.client.call(askToJoin, { params, body: { mode: 'control' } });
  const wish = { ...params, joinId: join.id };
  await expect(eve.client.call(answerJoin, { params: wish, body: { allow: true } })).rejects.toEqual(
    refusal('NOT_FOUND'),
  );
  await expect(eve.client.call(createJoinTicket, { params: wish })).rejects.toEqual(refusal('CONFLICT'));
});

test('somebody joins with the consent of the owner, steers, gives back, and each has their own connection to the VM', async () => {
  const started = await start();
  const { gateway, heard } = started;
  const ann = await live(started, 'ann');
  const guest = await gateway.person('gus', 'user');
  await gateway.assign(guest.userId, 'd1', 'view'); // To steer takes the owner's consent.
  const params = { sessionId: ann.sessionId };
  const join = await guest.client.call(askToJoin, { params, body: { mode: 'control' } });
  expect(join).toMatchObject({ state: 'asked', isByRight: false });
  const wish = { ...params, joinId: join.id };
  expect(await ann.person.client.call(answerJoin, { params: wish, body: { allow: true } })).toMatchObject({
    state: 'allowed',
    mode: 'control',
  });
  const admitted = await guest.client.call(createJoinTicket, { params: wish });
  const beside = gateway.socket(guest, admitted.ticket);
  await beside.rfb();
  const [annVm, guestVm] = heard as [ByteReader, ByteReader];
  const { items } = await ann.person.client.call(listParticipants, { params });
  expect(items.map(({ userName, isDriving }) => `${userName} ${isDriving}`).sort()).toEqual(['ann true', 'gus true']);
  await beside.send(say.key(0x67, true));
  await until('the key of the guest', () => guestVm.waiting.byteLength === 8);

  await ann.person.client.call(setControl, { params, body: { action: 'take' } });
  await until('the key to be let go', () => guestVm.waiting.byteLength === 16);
  expect(guestVm.waiting.subarray(8).equals(say.key(0x67, false))).toBe(true);
  await beside.send(say.pointer(1, 5, 5));
  await beside.send(say.update(1, 1));
  await until('the update request alone', () => guestVm.waiting.byteLength === 26);
  expect(guestVm.waiting[16]).toBe(3);

  await ann.person.client.call(setControl, { params, body: { action: 'give', toSessionId: admitted.sessionId } });
  await ann.browser.send(Buffer.concat([say.key(0x61, true), say.update(1, 1)]));
  await until('nothing but the request of ann', () => annVm.waiting.byteLength === 10);
  const guests = { sessionId: admitted.sessionId };
  // Control is lent: the guest can give it back, and decide nothing else.
  for (const action of ['take', 'share'] as const)
    await expect(guest.client.call(setControl, { params: guests, body: { action } })).rejects.toEqual(
      refusal('FORBIDDEN'),
    );
  await guest.client.call(setControl, {
    params: guests,
    body: { action: 'give', toSessionId: ann.sessionId },
  });
  await ann.browser.send(say.key(0x62, true));
  await until('the key of ann', () => annVm.waiting.byteLength === 18);

  // With the owner's session goes what the owner allowed: the socket, and every way back.
  const late = await guest.client.call(askToJoin, { params, body: { mode: 'control' } });
  await ann.person.client.call(answerJoin, { params: { ...params, joinId: late.id }, body: { allow: true } });
  await ann.person.client.call(endSession, { params });
  expect(await beside.closed).toEqual({ code: SESSION_CLOSE.ENDED, reason: 'ended' });
  await until('the connection to the VM to be gone', () => guestVm.isClosed);
  for (const attempt of [
    guest.client.call(createJoinTicket, { params: { ...params, joinId: late.id } }),
    guest.client.call(resumeSession, { params: guests }),
  ])
    await expect(attempt).rejects.toEqual(refusal('NOT_FOUND'));
  expect(gateway.feature.sessions.all()).toHaveLength(0);
});

test('an operator joins by right; a refused guest gets no ticket; consent can give less than was asked', async () => {
  const started = await start();
  const { gateway } = started;
  const ann = await live(started, 'ann');
  const params = { sessionId: ann.sessionId };
  const operator = await gateway.person('olga', 'operator');
  const byRight = await operator.client.call(askToJoin, { params, body: { mode: 'view' } });
  expect(byRight).toMatchObject({ state: 'allowed', isByRight: true });
  const shadow = await operator.client.call(createJoinTicket, { params: { ...params, joinId: byRight.id } });
  expect(shadow.mode).toBe('view');
  await gateway.socket(operator, shadow.ticket).rfb();
  const guest = await gateway.person('gus', 'user');
  await gateway.assign(guest.userId, 'd1', 'view');
  const refused = await guest.client.call(askToJoin, { params, body: {} });
  await ann.person.client.call(answerJoin, { params: { ...params, joinId: refused.id }, body: { allow: false } });
  await expect(guest.client.call(createJoinTicket, { params: { ...params, joinId: refused.id } })).rejects.toEqual(
    refusal('CONFLICT'),
  );
  const less = await guest.client.call(askToJoin, { params, body: { mode: 'control' } });
  const answer = await ann.person.client.call(answerJoin, {
    params: { ...params, joinId: less.id },
    body: { allow: true, mode: 'view' },
  });
  expect(answer.mode).toBe('view');
});
