/**
 * Where a request comes from: the Origin rule (S1, S2) and the client's address behind a proxy. Pure. The Host header is
 * read nowhere: it is whatever the sender likes.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { StartError } from '../../errors.ts';
import { plainAddress, UNKNOWN_ADDRESS } from '../../platform/network/address.ts';

/**
 * `same`: exactly an origin of ours. `absent`: no Origin, so not a script of a page, or a plain navigation. `foreign`:
 * another site (also `null`, which sandboxed frames and data: pages send).
 */
export type OriginVerdict = 'same' | 'absent' | 'foreign';

export function judgeOrigin(headers: IncomingHttpHeaders, origins: ReadonlySet<string>): OriginVerdict {
  // Browsers that tell say so also where they leave Origin out.
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'foreign';
  if (headers.origin === undefined) return 'absent';
  return origins.has(headers.origin) ? 'same' : 'foreign';
}

/**
 * Of a foreign one: did the browser find the page where it sent the request to? Then a proxy passes both on, and this is an
 * address of ours that nobody has told us. A page of another site cannot say so; a browser that finds its address not
 * secure says nothing, and then it may be.
 */
export function isTakenForOwn(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  const isPage = headers.origin !== undefined && /^https?:\/\//.test(headers.origin);
  return isPage && (site === 'same-origin' || (site === undefined && headers.upgrade === undefined));
}

/** May a cookie speak for this request? On anything that changes something, and on every WebSocket, only with our own Origin. */
export function mayUseCookie(verdict: OriginVerdict, isSafe: boolean): boolean {
  return verdict === 'same' || (isSafe && verdict === 'absent');
}

export interface Proxies {
  /** Is the peer one whose forwarding headers count? */
  readonly trusts: (address: string) => boolean;
}

/** Addresses or networks (`10.0.0.0/8`). */
export function trustedProxies(list: readonly string[]): Proxies {
  const blocks = new BlockList();
  for (const entry of list) {
    const [address = '', bits] = entry.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    try {
      if (bits === undefined) blocks.addAddress(address, family);
      else blocks.addSubnet(address, Number(bits), family);
    } catch (cause) {
      throw new StartError(`ORIEL_TRUSTED_PROXY: "${entry}" is not an address`, { cause });
    }
  }
  return {
    trusts: (address) =>
      list.length !== 0 && isIP(address) !== 0 && blocks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'),
  };
}

export interface Peer {
  readonly address: string;
  readonly isSecure: boolean;
}

/** The client as we know it: the socket's own peer, or what a trusted proxy says of it. */
export function peerOf(
  remote: string | undefined,
  isTls: boolean,
  headers: IncomingHttpHeaders,
  proxies: Proxies,
): Peer {
  const direct = plainAddress(remote ?? '') ?? UNKNOWN_ADDRESS;
  if (!proxies.trusts(direct)) return { address: direct, isSecure: isTls };
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    // What is no address is somebody, of whom nothing is known: never the proxy itself, for which limits do not count.
    .map((part) => plainAddress(part) ?? UNKNOWN_ADDRESS);
  // From the right: each proxy adds whom it saw. The first that is no proxy of ours is the client; left of it is hearsay.
  const address = forwarded.findLast((hop) => !proxies.trusts(hop)) ?? forwarded[0] ?? direct;
  return { address, isSecure: isTls || headers['x-forwarded-proto'] === 'https' };
}
