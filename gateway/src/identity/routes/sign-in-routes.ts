/** Every way of signing in, over the API. Public: lockout and single use are what protects them. */
import type { ServerResponse } from 'node:http';
import {
  finishOidc,
  passkeySignInOptions,
  signInMethods,
  signInWithLink,
  signInWithPasskey,
  signInWithPassword,
  startOidc,
  userName,
} from '../../../api/auth.ts';
import { pagePath } from '../../../api/next-path.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bindPublic, bindRaw } from '../../platform/api/bind.ts';
import { networkOf } from '../../platform/network/address.ts';
import { lacking, type Via } from '../../platform/rights/rights.ts';
import type { Auth } from '../sign-in/auth.ts';
import { readCookie, tripCookie, tripCookieName } from '../sign-in/cookies.ts';
import { admit } from '../sign-in/external.ts';
import { Oidc } from '../sign-in/oidc.ts';
import { signInByPassword } from '../sign-in/password-sign-in.ts';
import { deviceOf, signedIn } from '../sign-in/signed-in.ts';

export function signInRoutes(auth: Auth): BoundRoute[] {
  return [
    bindPublic(signInMethods, async () => ({
      password: true,
      passkey: true,
      ldap: auth.ldap !== undefined,
      oidc: auth.oidc === undefined ? null : { name: auth.oidc.name },
    })),
    // Neither a link nor a passkey can be guessed, so neither asks the lockout: they are the way in for who is locked out.
    bindPublic(signInWithLink, async (request) => {
      const userId = await redeemed(auth, request.body.link);
      if (userId === undefined) {
        await auth.lockout.failed({ address: request.address });
        throw new GatewayError(
          'SIGN_IN_FAILED',
          'this link was used already or is too old; make a new one with: oriel admin link',
        );
      }
      return signedIn(auth, request, userId, 'link');
    }),
    bindPublic(signInWithPassword, async (request) => {
      // People type their password where the name belongs: what cannot be a name is not kept.
      const typed = userName.safeParse(request.body.name);
      if (typed.success) request.note({ name: typed.data });
      const { account, method } = await signInByPassword(auth, {
        ...request.body,
        address: request.address,
        device: deviceOf(request),
      });
      return signedIn(auth, request, account.id, method);
    }),
    bindPublic(passkeySignInOptions, async ({ incoming, address }) =>
      auth.passkeys.beginSignIn(incoming.headers.origin, networkOf(address)),
    ),
    bindPublic(signInWithPasskey, async (request) => {
      const userId = await auth.passkeys.finishSignIn(request.body.ceremonyId, request.body.response);
      if (userId === undefined) {
        await auth.lockout.failed({ address: request.address });
        throw new GatewayError('SIGN_IN_FAILED', 'the passkey was not accepted');
      }
      return signedIn(auth, request, userId, 'passkey');
    }),
    ...oidcRoutes(auth),
  ];
}

/** Whom the link signs in. One whose maker may do less by now than the account may is good no more. */
async function redeemed(auth: Auth, link: string): Promise<string | undefined> {
  const used = await auth.links.redeem(link);
  if (used?.maker === undefined) return used?.userId;
  const { userId, scopes } = used.maker;
  const via: Via = scopes === undefined ? { kind: 'local' } : { kind: 'token', tokenId: '-', scopes };
  const maker = await auth.accounts.principalOf(userId, via);
  const reach = await auth.accounts.reachOf(used.userId);
  return maker === undefined || lacking(maker, reach) !== undefined ? undefined : used.userId;
}

function oidcRoutes(auth: Auth): BoundRoute[] {
  const oidc = auth.oidc === undefined ? undefined : new Oidc(auth.oidc, auth.ceremonies, auth.now);
  const needed = (): Oidc => {
    if (oidc === undefined) throw new GatewayError('NOT_FOUND', 'there is no single sign-on here');
    return oidc;
  };
  return [
    bindRaw(startOidc, async (request, response) => {
      const { url, tie } = await needed().begin({
        publicOrigin: auth.publicOrigin,
        source: networkOf(request.address),
        next: pagePath(request.query.next),
      });
      request.header('set-cookie', tripCookie(request.isSecure, tie));
      redirect(response, url);
    }),
    bindRaw(finishOidc, async (request, response) => {
      const tie = readCookie(request.incoming.headers.cookie, tripCookieName(request.isSecure));
      const query = request.incoming.url?.split('?')[1] ?? '';
      let next = '/';
      try {
        const { profile, next: wanted } = await needed().finish(tie, query);
        next = pagePath(wanted);
        const account = await admit(auth, profile);
        await signedIn(auth, request, account.id, 'oidc');
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code === 'NOT_FOUND') throw error;
        // A browser stands there, with nobody to read JSON: the page says what went wrong.
        request.note({ outcome: 'refused', code: error.code });
        request.log.info({ err: error.cause ?? error }, 'oidc.refused');
        redirect(response, `/sign-in#error=${error.code}`);
        return;
      }
      redirect(response, next); // Kept by us since the trip began: nothing in this request says where to go (S3).
    }),
  ];
}

function redirect(response: ServerResponse, to: string): void {
  response.writeHead(303, { location: to, 'cache-control': 'no-store' }).end();
}
