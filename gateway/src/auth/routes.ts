/** Signing in and out, and one's own account, over the API. */
import {
  createToken,
  deleteToken,
  endBrowserSession,
  getMe,
  listBrowserSessions,
  listTokens,
  type Me,
  signInMethods,
  signInWithLink,
  signOut,
} from '../../shared/auth.ts';
import { DESKTOP_RIGHTS } from '../../shared/rights.ts';
import { GatewayError } from '../errors.ts';
import { type BoundRoute, bind, bindPublic, type ObjectLookups, type PublicRequest } from '../http/bind.ts';
import type { ApiTokenRow } from '../store/tables/auth.ts';
import { sourceKind } from './accounts.ts';
import type { Auth } from './auth.ts';
import { clearCookie, setCookie } from './cookies.ts';
import type { Principal } from './rights.ts';
import { scopesOf } from './tokens.ts';

export function authRoutes(auth: Auth): BoundRoute[] {
  return [
    bindPublic(signInMethods, async () => ({ password: true, passkey: true, ldap: false, oidc: null })),
    bindPublic(signInWithLink, async (request) => {
      await auth.lockout.check({ address: request.address });
      const userId = await auth.links.redeem(request.body.link);
      if (userId === undefined) {
        await auth.lockout.failed({ address: request.address });
        throw new GatewayError(
          'SIGN_IN_FAILED',
          'this link was used already or is too old; make a new one with: oriel admin link',
        );
      }
      return signedIn(auth, request, userId, 'link');
    }),
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
  ];
}

/** Who owns what of sign-in, for `access.on`. */
export function authLookups(auth: Auth): ObjectLookups {
  return {
    token: async (id) => {
      const row = await auth.tokens.get(id);
      return row && { ownerId: row.user_id };
    },
    'browser-session': async (id) => {
      const row = await auth.browserSessions.get(id);
      return row && { ownerId: row.user_id };
    },
  };
}

/** Opens a browser session, sets its cookie and says who signed in. The last step of every way of signing in. */
export async function signedIn(auth: Auth, request: PublicRequest, userId: string, method: string): Promise<Me> {
  const principalAtAll = await auth.accounts.principalOf(userId, { kind: 'local' });
  if (principalAtAll === undefined) throw new GatewayError('SIGN_IN_FAILED', 'this account is disabled');
  const session = await auth.browserSessions.open(userId, method, request);
  const maxAgeSeconds = Math.floor((session.expiresAt - auth.now()) / 1000);
  request.header('set-cookie', setCookie(request.secure, session.secret, maxAgeSeconds));
  request.note({ actor: { id: userId, name: principalAtAll.name, via: 'browser' }, method });
  const principal: Principal = { ...principalAtAll, via: { kind: 'browser', browserSessionId: session.id } };
  return meOf(auth, principal);
}

export async function meOf(auth: Auth, principal: Principal): Promise<Me> {
  const account = await auth.accounts.get(principal.userId);
  const { db } = auth.store;
  const passkeys = await db.selectFrom('passkeys').select('id').where('user_id', '=', account.id).execute();
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
    rights: [...principal.everywhere],
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

function tokenToApi(row: ApiTokenRow) {
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

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
