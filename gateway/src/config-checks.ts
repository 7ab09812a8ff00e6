/**
 * Settings that are surely wrong, found before anything starts: each with what to do. Pure; files are looked at by
 * `unreadableFile`.
 */
import { readFileSync } from 'node:fs';
import { isIP, isIPv4 } from 'node:net';

/** The settings that are judged here, as they were given. */
export interface GivenSettings {
  readonly ORIEL_ORIGIN: string;
  readonly ORIEL_TRUSTED_PROXY: string;
  readonly ORIEL_OIDC_ISSUER?: string | undefined;
  readonly ORIEL_OIDC_CLIENT_SECRET_FILE?: string | undefined;
  readonly ORIEL_LDAP_URL?: string | undefined;
  readonly ORIEL_LDAP_BASE: string;
  readonly ORIEL_LDAP_FILTER: string;
  readonly ORIEL_LDAP_BIND_DN?: string | undefined;
  readonly ORIEL_LDAP_BIND_PASSWORD_FILE?: string | undefined;
  readonly ORIEL_LDAP_CA?: string | undefined;
}

/** The first thing that is surely wrong, or undefined. */
export function complaintAbout(given: GivenSettings, isLoopback: (host: string) => boolean): string | undefined {
  return (
    first(listOf(given.ORIEL_TRUSTED_PROXY).map(proxyComplaint)) ??
    first(listOf(given.ORIEL_ORIGIN).map(originComplaint)) ??
    oidcComplaint(given, isLoopback) ??
    ldapComplaint(given)
  );
}

function proxyComplaint(entry: string): string | undefined {
  const [address = '', bits, ...more] = entry.split('/');
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const isNetwork = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  if (family === 0 || !isNetwork || more.length !== 0)
    return `ORIEL_TRUSTED_PROXY: "${entry}" is no address or network: write the proxy's own address, such as 10.0.0.5`;
  // Private IPv6 networks (fc00::/7, fe80::/10) are the one case of so short a prefix that a proxy may well lie in.
  const least = isIPv4(address) ? 8 : /^f[cde]/i.test(address) ? 7 : 16;
  if (bits !== undefined && Number(bits) < least)
    return `ORIEL_TRUSTED_PROXY: "${entry}" trusts everybody to say who they are: write the proxy's own address, such as 10.0.0.5`;
  return undefined;
}

function originComplaint(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return undefined; // Said by who reads it.
  if (url.username !== '' || url.password !== '')
    return `ORIEL_ORIGIN: "${url.host}" must not have a name or password in it`;
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '')
    return `ORIEL_ORIGIN: "${text}" has a path, and Oriel cannot be below one: give it a name of its own, such as https://oriel.example, and let the proxy pass all of it`;
  return undefined;
}

function oidcComplaint(given: GivenSettings, isLoopback: (host: string) => boolean): string | undefined {
  const { ORIEL_OIDC_ISSUER: issuer } = given;
  if (issuer === undefined) {
    return given.ORIEL_OIDC_CLIENT_SECRET_FILE === undefined
      ? undefined
      : 'ORIEL_OIDC_CLIENT_SECRET_FILE is given without ORIEL_OIDC_ISSUER: give both, or neither';
  }
  const url = new URL(issuer);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    return `ORIEL_OIDC_ISSUER: "${issuer}" must be https: whoever is on the way could sign anybody in`;
  if (url.search !== '' || url.hash !== '')
    return `ORIEL_OIDC_ISSUER: "${issuer}" must be the issuer itself, without ? and #`;
  return undefined;
}

function ldapComplaint(given: GivenSettings): string | undefined {
  const { ORIEL_LDAP_FILTER: filter, ORIEL_LDAP_BIND_DN: dn, ORIEL_LDAP_BIND_PASSWORD_FILE: file } = given;
  if (given.ORIEL_LDAP_URL === undefined) {
    const alone = (['ORIEL_LDAP_BIND_DN', 'ORIEL_LDAP_BIND_PASSWORD_FILE', 'ORIEL_LDAP_CA'] as const).find(
      (name) => given[name] !== undefined,
    );
    return alone === undefined ? undefined : `${alone} is given without ORIEL_LDAP_URL: give both, or neither`;
  }
  const url = URL.canParse(given.ORIEL_LDAP_URL) ? new URL(given.ORIEL_LDAP_URL) : undefined;
  if (url === undefined || url.hostname === '')
    return `ORIEL_LDAP_URL: "${given.ORIEL_LDAP_URL}" names no host: write ldaps://directory.example`;
  if (url.username !== '' || url.password !== '' || url.search !== '' || !['', '/'].includes(url.pathname))
    return 'ORIEL_LDAP_URL is the host alone: the base goes into ORIEL_LDAP_BASE, the account into ORIEL_LDAP_BIND_DN';
  if (!filter.includes('{name}'))
    return `ORIEL_LDAP_FILTER: "${filter}" has no {name}: it would find the same entry whoever signs in; write (uid={name})`;
  if (!isBalanced(filter))
    return `ORIEL_LDAP_FILTER: "${filter}" is no filter: every ( needs its ), as in (&(objectClass=person)(uid={name}))`;
  if (dn !== undefined && file === undefined)
    return 'ORIEL_LDAP_BIND_DN needs ORIEL_LDAP_BIND_PASSWORD_FILE: without a password the directory takes the search for anonymous';
  if (dn === undefined && file !== undefined)
    return 'ORIEL_LDAP_BIND_PASSWORD_FILE needs ORIEL_LDAP_BIND_DN, the account that searches';
  return undefined;
}

/** One filter in parentheses, all of them closed. */
function isBalanced(filter: string): boolean {
  let depth = 0;
  for (let at = 0; at < filter.length; at += 1) {
    if (filter[at] === '(') depth += 1;
    if (filter[at] === ')') depth -= 1;
    if (depth < 0 || (depth === 0 && at !== filter.length - 1)) return false;
  }
  return depth === 0 && filter.startsWith('(');
}

/** The first of the files that cannot be read or is empty, with what to do. */
export function unreadableFile(files: Readonly<Record<string, string | undefined>>): string | undefined {
  for (const [setting, file] of Object.entries(files)) {
    if (file === undefined) continue;
    try {
      if (readFileSync(file, 'utf8').trim() === '') return `${setting}: ${file} is empty`;
    } catch (cause) {
      return `${setting}: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'no reason given'})`;
    }
  }
  return undefined;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function first(complaints: readonly (string | undefined)[]): string | undefined {
  return complaints.find((complaint) => complaint !== undefined);
}
