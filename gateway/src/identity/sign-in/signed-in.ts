/** The last step of every way of signing in, and what the API says about who is signed in. */

import type { Me } from '../../../api/auth.ts';
import { DESKTOP_RIGHTS, RIGHTS } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';
import type { PublicRequest } from '../../platform/api/bind.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { iso } from '../../platform/store/time.ts';
import { sourceKind } from '../people/accounts.ts';
import type { Auth } from './auth.ts';
import { cookieName, deviceCookie, deviceCookieName, readCookie, setCookie } from './cookies.ts';

/** Each leaves a line in the audit log: who has a password writes no more of them than a person would. */
const SIGN_INS = { times: 120, perMs: 3_600_000 } as const;

/** Opens a browser session, sets its cookie and says who signed in. */
export async function signedIn(auth: Auth, request: PublicRequest, userId: string, method: string): Promise<Me> {
  if ((await auth.accounts.principalOf(userId, { kind: 'local' })) === undefined) throw disabled();
  auth.signIns.count([userId], SIGN_INS);
  // A browser has one sign-in: the one it had before ends (also against a cookie that somebody planted).
  const earlier = readCookie(request.incoming.headers.cookie, cookieName(request.isSecure));
  const earlierSession = earlier === undefined ? undefined : await auth.browserSessions.find(earlier);
  if (earlierSession !== undefined && earlierSession.user_id === userId)
    await auth.browserSessions.end(earlierSession.id);
  const session = await auth.browserSessions.open(userId, method, request);
  const maxAgeSeconds = Math.floor((session.expiresAt - auth.now()) / 1000);
  const device = await auth.devices.remember(deviceOf(request), userId);
  request.header('set-cookie', [
    setCookie(request.isSecure, session.secret, maxAgeSeconds),
    deviceCookie(request.isSecure, device),
  ]);
  const principal = await auth.byCookie(session.secret);
  if (principal === undefined) throw disabled(); // Meanwhile.
  request.note({ actor: { id: userId, name: principal.name, via: 'browser' }, method });
  return meOf(auth, principal);
}

const disabled = (): GatewayError => new GatewayError('SIGN_IN_FAILED', 'this account is disabled');

/** The value of the device's cookie. */
export function deviceOf({ incoming, isSecure }: Pick<PublicRequest, 'incoming' | 'isSecure'>): string | undefined {
  return readCookie(incoming.headers.cookie, deviceCookieName(isSecure));
}

export async function meOf(auth: Auth, principal: Principal): Promise<Me> {
  const account = await auth.accounts.get(principal.userId);
  const { db } = auth.store;
  const passkeys = await auth.passkeys.list(account.id);
  const codes = await db
    .selectFrom('recovery_codes')
    .select('code_hash')
    .where('user_id', '=', account.id)
    .where('used_at', 'is', null)
    .execute();
  const session =
    principal.via.kind === 'browser' ? await auth.browserSessions.get(principal.via.browserSessionId) : undefined;
  return {
    id: account.id,
    name: account.name,
    displayName: account.displayName,
    roles: [...principal.roles],
    rights: RIGHTS.filter((right) => principal.everywhere.has(right)),
    desktops: [...principal.onDesktop].map(([desktopId, held]) => ({
      desktopId,
      rights: DESKTOP_RIGHTS.filter((right) => held.has(right)),
    })),
    source: sourceKind(account.source),
    hasPassword: account.password !== null,
    hasTotp: account.totpSecret !== null,
    passkeys: passkeys.length,
    recoveryCodesLeft: codes.length,
    ...(session === undefined
      ? {}
      : { session: { id: session.id, method: session.method, expiresAt: iso(session.expires_at) } }),
  };
}
