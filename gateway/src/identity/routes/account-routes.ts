/** What people do with their own account over the API: sign out, password, second factor, passkeys, sign-ins, tokens. */
import {
  type ApiToken,
  addPasskey,
  confirmTotp,
  createToken,
  deletePasskey,
  deleteToken,
  endBrowserSession,
  getMe,
  listBrowserSessions,
  listPasskeys,
  listTokens,
  type Passkey,
  passkeyOptions,
  setPassword,
  signOut,
  startTotp,
  stopTotp,
} from '../../../api/auth.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import type { ApiTokenRow, PasskeyRow } from '../../platform/store/tables/auth.ts';
import { iso } from '../../platform/store/time.ts';
import { scopesOf } from '../credentials/tokens.ts';
import type { Account } from '../people/accounts.ts';
import type { Auth } from '../sign-in/auth.ts';
import { clearCookie } from '../sign-in/cookies.ts';
import { changePassword } from '../sign-in/password-sign-in.ts';
import { meOf } from '../sign-in/signed-in.ts';

/** What a signed-in person does with the own account. */
export function accountRoutes(auth: Auth): BoundRoute[] {
  return [
    bind(signOut, async ({ principal, secure, header }) => {
      if (principal.via.kind === 'browser') await auth.browserSessions.end(principal.via.browserSessionId);
      header('set-cookie', clearCookie(secure));
    }),
    bind(getMe, async ({ principal }) => meOf(auth, principal)),
    bind(listBrowserSessions, async ({ principal }) => {
      const rows = await auth.browserSessions.list(principal.userId);
      const thisId = principal.via.kind === 'browser' ? principal.via.browserSessionId : undefined;
      return {
        items: rows.map((row) => ({
          id: row.id,
          userId: row.user_id,
          createdAt: iso(row.created_at),
          seenAt: iso(row.seen_at),
          expiresAt: iso(row.expires_at),
          address: row.address,
          userAgent: row.user_agent,
          method: row.method,
          isThis: row.id === thisId,
        })),
      };
    }),
    bind(endBrowserSession, async ({ params }) => void (await auth.browserSessions.end(params.browserSessionId))),
    bind(listTokens, async ({ principal }) => ({ items: (await auth.tokens.list(principal.userId)).map(tokenToApi) })),
    bind(createToken, async ({ principal, body, note }) => {
      const { row, token } = await auth.tokens.create(principal.userId, body);
      note({ target: row.id, name: row.name, scopes: body.scopes });
      return { ...tokenToApi(row), token };
    }),
    bind(deleteToken, async ({ params }) => void (await auth.tokens.revoke(params.tokenId))),
    ...secondFactorRoutes(auth),
  ];
}

function secondFactorRoutes(auth: Auth): BoundRoute[] {
  const own = (principal: Principal): Promise<Account> => auth.accounts.get(principal.userId);
  /** A wrong code counts like a wrong password. */
  const counted = async (account: Account, address: string, isRight: () => Promise<boolean>): Promise<void> => {
    const subject = { account: account.name, address };
    await auth.lockout.check(subject);
    if (await isRight()) return;
    await auth.lockout.failed(subject);
    throw new GatewayError('SIGN_IN_FAILED', 'the code is wrong');
  };
  return [
    bind(setPassword, async ({ principal, body, address }) => {
      const keep = principal.via.kind === 'browser' ? principal.via.browserSessionId : undefined;
      await changePassword(auth, await own(principal), body, keep, address);
    }),
    bind(startTotp, async ({ principal }) => auth.totp.start(await own(principal))),
    bind(confirmTotp, async ({ principal, body, address }) => {
      const account = await own(principal);
      let recoveryCodes: readonly string[] | undefined;
      await counted(account, address, async () => {
        recoveryCodes = await auth.totp.confirm(account, body.code);
        return recoveryCodes !== undefined;
      });
      return { recoveryCodes: [...(recoveryCodes ?? [])] };
    }),
    bind(stopTotp, async ({ principal, body, address }) => {
      const account = await own(principal);
      if (account.totpSecret === null) throw new GatewayError('CONFLICT', 'one-time codes are off');
      await counted(account, address, () => auth.totp.check(account, body.code));
      await auth.totp.stop(account.id);
    }),
    bind(listPasskeys, async ({ principal }) => ({
      items: (await auth.passkeys.list(principal.userId)).map(passkeyToApi),
    })),
    bind(passkeyOptions, async ({ principal, incoming }) =>
      auth.passkeys.beginAdd(await own(principal), incoming.headers.origin),
    ),
    bind(addPasskey, async ({ principal, body, note }) => {
      const row = await auth.passkeys.finishAdd(await own(principal), body.ceremonyId, body.name, body.response);
      note({ target: row.id, name: row.name });
      return passkeyToApi(row);
    }),
    bind(deletePasskey, async ({ principal, params }) => {
      if (!(await auth.passkeys.remove(principal.userId, params.passkeyId)))
        throw new GatewayError('NOT_FOUND', 'there is no such passkey');
    }),
  ];
}

function passkeyToApi(row: PasskeyRow): Passkey {
  return {
    id: row.id,
    name: row.name,
    createdAt: iso(row.created_at),
    usedAt: row.used_at === null ? null : iso(row.used_at),
  };
}

function tokenToApi(row: ApiTokenRow): ApiToken {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    scopes: scopesOf(row),
    createdAt: iso(row.created_at),
    expiresAt: iso(row.expires_at),
    usedAt: row.used_at === null ? null : iso(row.used_at),
  };
}
