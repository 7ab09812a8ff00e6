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
  provePresence,
  setPassword,
  signOut,
  startTotp,
  stopTotp,
} from '../../../api/auth.ts';
import { GatewayError } from '../../errors.ts';
import { type ApiRequest, type BoundRoute, bind } from '../../platform/api/bind.ts';
import { requireProof } from '../../platform/rights/proof.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import type { ApiTokenRow, PasskeyRow } from '../../platform/store/tables/auth.ts';
import { iso } from '../../platform/store/time.ts';
import { scopesOf } from '../credentials/tokens.ts';
import type { Account } from '../people/accounts.ts';
import type { Auth } from '../sign-in/auth.ts';
import { clearCookie } from '../sign-in/cookies.ts';
import { type Asker, changePassword, counted, isPasswordOf } from '../sign-in/password-sign-in.ts';
import { deviceOf, meOf } from '../sign-in/signed-in.ts';

const WRONG_CODE = 'the code is wrong';

/** What a signed-in person does with the own account. */
export function accountRoutes(auth: Auth): BoundRoute[] {
  return [
    bind(signOut, async ({ principal, isSecure, header }) => {
      if (principal.via.kind === 'browser') await auth.browserSessions.end(principal.via.browserSessionId);
      header('set-cookie', clearCookie(isSecure));
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
  const asker = (request: Pick<ApiRequest, 'address' | 'incoming' | 'isSecure'>): Asker => ({
    address: request.address,
    device: deviceOf(request),
  });
  return [
    bind(setPassword, async (request) => {
      const { principal, body } = request;
      const account = await own(principal);
      if (account.password === null) requireProof(principal, auth.now());
      const keep = principal.via.kind === 'browser' ? principal.via.browserSessionId : undefined;
      await changePassword(auth, account, body, keep, asker(request));
    }),
    bind(provePresence, async (request) => {
      const { principal, body } = request;
      const account = await own(principal);
      await provedBy(auth, account, asker(request), body);
      if (principal.via.kind === 'browser') await auth.browserSessions.proved(principal.via.browserSessionId);
    }),
    bind(startTotp, async ({ principal }) => auth.totp.start(await own(principal))),
    bind(confirmTotp, async (request) => {
      const account = await own(request.principal);
      const confirm = (): Promise<readonly string[] | undefined> => auth.totp.confirm(account, request.body.code);
      return { recoveryCodes: [...(await counted(auth, account, asker(request), WRONG_CODE, confirm))] };
    }),
    bind(stopTotp, async (request) => {
      const account = await own(request.principal);
      if (account.totpSecret === null) throw new GatewayError('CONFLICT', 'one-time codes are off');
      await counted(auth, account, asker(request), WRONG_CODE, () => auth.totp.check(account, request.body.code));
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

/** By the password, wherever it is kept; by a code only where there is no password to give. */
async function provedBy(
  auth: Auth,
  account: Account,
  asker: Asker,
  proof: { readonly password: string } | { readonly code: string },
): Promise<void> {
  const hasPassword = account.password !== null || account.source === 'ldap';
  if ('password' in proof && hasPassword) {
    await counted(auth, account, asker, 'the password is wrong', () => isPasswordOf(auth, account, proof.password));
  } else if ('code' in proof && !hasPassword && account.totpSecret !== null) {
    await counted(auth, account, asker, WRONG_CODE, () => auth.totp.check(account, proof.code));
  } else throw new GatewayError('UNPROCESSABLE', 'this account cannot prove itself so: sign out and in again');
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
