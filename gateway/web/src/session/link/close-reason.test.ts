import { expect, test } from 'vitest';
import { SESSION_CLOSE, shouldReconnect } from '../../../../api/ticket.ts';
import { afterClose } from './close-reason.ts';

test.for(Object.entries(SESSION_CLOSE))('close code %s has a sentence of its own', ([, code]) => {
  const after = afterClose(code);
  expect(after.why).not.toBe('The connection was lost.');
  expect(after.kind === 'retry').toBe(shouldReconnect(code));
});

test('a plain network loss (1006) comes back by itself', () => {
  expect(afterClose(1006)).toEqual({ kind: 'retry', why: 'The connection was lost.' });
});

test('access that was taken away cannot be asked for again from the page', () => {
  expect(afterClose(SESSION_CLOSE.REVOKED)).toMatchObject({ kind: 'ended', canReopen: false });
  const signedOut = { kind: 'ended', why: 'You signed out, here or in another window.', canReopen: false };
  expect(afterClose(SESSION_CLOSE.SIGNED_OUT)).toEqual(signedOut);
  expect(afterClose(SESSION_CLOSE.IDLE)).toMatchObject({ kind: 'ended', canReopen: true });
});
