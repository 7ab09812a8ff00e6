/** Addresses of clients in one spelling, and the networks that limits count by. Pure. */
import { isIPv4, isIPv6 } from 'node:net';

/** What a proxy says that is no address: such clients share one, which is neither this machine nor a proxy. */
export const UNKNOWN_ADDRESS = 'unknown';

/**
 * The address as we write it: IPv6 in its short form (RFC 5952), an IPv4 address that is mapped into IPv6 as IPv4, without
 * a zone, brackets or a port; undefined where the text is no address.
 */
export function plainAddress(text: string): string | undefined {
  const trimmed = text.trim();
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1];
  const ported = /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(trimmed)?.[1];
  const [address = ''] = (bracketed ?? ported ?? trimmed).split('%');
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return undefined;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (mapped === null) return short;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Whom a limit counts as one: an IPv4 address, or the /64 that one IPv6 customer has all to itself. */
export function networkOf(address: string): string {
  const plain = plainAddress(address);
  if (plain === undefined || isIPv4(plain)) return plain ?? address;
  const [head = '', tail = ''] = plain.split('::');
  const groups = (part: string): string[] => part.split(':').filter((group) => group !== '');
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return `${all.slice(0, 4).join(':')}::/64`;
}

/**
 * The larger network that one customer may have all to itself: of IPv6 the /48, of IPv4 the /24. Of an address or of a
 * network that `networkOf` gave. What is shared by all is kept fair between these before it is between their parts.
 */
export function widerOf(address: string): string {
  const network = networkOf(address.replace(/\/64$/, ''));
  if (isIPv4(network)) return `${network.split('.').slice(0, 3).join('.')}.0/24`;
  const groups = network.replace(/::\/64$/, '').split(':');
  return groups.length === 4 ? `${groups.slice(0, 3).join(':')}::/48` : network;
}
