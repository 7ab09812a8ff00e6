/** What the edge knows about one request before any route looks at it: id, peer, origin, who asks. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { LIMITS } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import { cookieName, readCookie } from '../../identity/sign-in/cookies.ts';
import type { Logger } from '../../log.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import {
  isTakenForOwn,
  judgeOrigin,
  mayUseCookie,
  type OriginVerdict,
  type Peer,
  type Proxies,
  peerOf,
} from './origin.ts';
import type { UnknownOrigins } from './unknown-origins.ts';

export interface Exchange extends Peer {
  readonly requestId: string;
  readonly origin: OriginVerdict;
  readonly userAgent: string;
  /** As the request has it: only for the log and the notice of unknown origins. */
  readonly originGiven: string | undefined;
  readonly log: Logger;
}

export interface EdgeRules {
  readonly origins: ReadonlySet<string>;
  readonly unknown: UnknownOrigins;
  readonly proxies: Proxies;
  readonly log: Logger;
}

const ORIGIN_CHARS = 256;

/** What the log line of a refused request says beside its code: for a foreign Origin, what it was and what to do if it is ours. */
export function hintOf({ originGiven }: Exchange, { code }: GatewayError): Record<string, string> {
  if (code !== 'WRONG_ORIGIN' || originGiven === undefined) return {};
  return { origin: originGiven, hint: 'if people reach the gateway there, name it in ORIEL_ORIGIN' };
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

export function openExchange(incoming: IncomingMessage, rules: EdgeRules): Exchange {
  const requestId = newId();
  const peer = peerOfRequest(incoming, rules.proxies);
  const { headers } = incoming;
  const origin = judgeOrigin(headers, rules.origins);
  const originGiven = headers.origin?.slice(0, ORIGIN_CHARS);
  if (origin === 'foreign' && originGiven !== undefined && isTakenForOwn(headers)) rules.unknown.note(originGiven);
  return {
    ...peer,
    requestId,
    origin,
    userAgent: headers['user-agent'] ?? '',
    originGiven,
    log: rules.log.child({ requestId }),
  };
}

const OWN_ADDRESS = '127.0.0.1';
/** Connections over the socket that only the gateway's own account can open: they have no address, and come from this machine. */
const own = new WeakSet<Socket>();

export function fromOwnAccount(socket: Socket): void {
  own.add(socket);
}

/** Who sends it, and whether it came over TLS. */
export function peerOfRequest({ socket, headers }: IncomingMessage, proxies: Proxies): Peer {
  if (own.has(socket)) return { address: OWN_ADDRESS, isSecure: false };
  return peerOf(socket.remoteAddress, socket instanceof TLSSocket, headers, proxies);
}

/**
 * Who asks: by API token, else by cookie where the Origin rule lets a cookie speak. A token that is sent and not good is
 * an error; a cookie that is not good is nobody.
 */
export async function authenticate(
  incoming: IncomingMessage,
  exchange: Exchange,
  auth: Auth,
  isUpgrade = false,
): Promise<Principal | undefined> {
  const { authorization } = incoming.headers;
  if (authorization !== undefined) {
    const token = /^Bearer ([A-Za-z0-9_-]+)$/i.exec(authorization)?.[1];
    const principal = token === undefined ? undefined : await auth.byToken(token);
    if (principal === undefined) throw new GatewayError('NOT_SIGNED_IN', 'the API token is not valid (any more)');
    return principal;
  }
  const isSafe = !isUpgrade && SAFE.has(incoming.method ?? '');
  if (!mayUseCookie(exchange.origin, isSafe)) return undefined;
  const secret = readCookie(incoming.headers.cookie, cookieName(exchange.isSecure));
  return secret === undefined ? undefined : auth.byCookie(secret);
}

/** Refuses what a page of another site sends, whoever is signed in (S1). */
export function refuseForeign(exchange: Exchange): void {
  if (exchange.origin !== 'foreign') return;
  throw new GatewayError(
    'WRONG_ORIGIN',
    'only pages of this gateway may ask, and it does not know this one as its own',
  );
}

/** S18: a head with more headers than anybody needs. */
export function refuseManyHeaders(incoming: IncomingMessage): void {
  if (2 * LIMITS.headerCount < incoming.rawHeaders.length) {
    throw new GatewayError('HEADERS_TOO_LARGE', `a request has at most ${LIMITS.headerCount} headers`);
  }
}
