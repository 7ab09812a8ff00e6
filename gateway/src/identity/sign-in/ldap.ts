/**
 * Sign-in against a directory: find the entry, bind as it with what was typed, read its groups. The directory's
 * certificate is checked; in the clear only on loopback.
 */
import { readFile } from 'node:fs/promises';
import { Client, type ClientOptions, type Entry, InvalidCredentialsError } from 'ldapts';
import { isLoopbackHost, type LdapConfig } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { ExternalProfile } from './external.ts';

const LIMITS = { timeoutMs: 5_000, groups: 1_000, filterChars: 512 } as const;
const ATTRIBUTES = ['entryUUID', 'objectGUID', 'uid', 'sAMAccountName', 'cn', 'displayName', 'memberOf'];
/** Come as bytes: what is no text must not be read as some. */
const BINARY = ['objectGUID'];

/** Whom the directory finds by what was typed: it compares names by rules of its own (case, width, composition). */
export interface DirectoryEntry {
  readonly dn: string;
  readonly subject: string;
  readonly name: string;
  readonly displayName: string;
  readonly memberOf: readonly string[];
}

/** The one entry of that name; undefined where there is none, or several. */
export async function findInDirectory(config: LdapConfig, name: string): Promise<DirectoryEntry | undefined> {
  if (name === '') return undefined;
  return withSearcher(config, async (client) => {
    const filter = config.filter.replaceAll('{name}', () => escapeFilter(name));
    const found = await client.search(config.base, {
      scope: 'sub',
      filter,
      attributes: ATTRIBUTES,
      explicitBufferAttributes: BINARY,
      sizeLimit: 2,
    });
    const entry = found.searchEntries[0];
    if (entry === undefined || found.searchEntries.length !== 1) return undefined;
    return {
      dn: entry.dn,
      subject: first(entry, 'entryUUID') ?? first(entry, 'objectGUID') ?? entry.dn.toLowerCase(),
      name: first(entry, 'uid') ?? first(entry, 'sAMAccountName') ?? name,
      displayName: first(entry, 'displayName') ?? first(entry, 'cn') ?? name,
      memberOf: all(entry, 'memberOf'),
    };
  });
}

/** The entry's profile with its groups; undefined where the password is wrong. */
export async function bindAtDirectory(
  config: LdapConfig,
  entry: DirectoryEntry,
  password: string,
): Promise<ExternalProfile | undefined> {
  // An empty password is an anonymous bind (RFC 4513, 5.1.2), which succeeds and proves nothing.
  if (password === '') return undefined;
  return withSearcher(config, async (client) => {
    if (!(await canBind(config, entry.dn, password))) return undefined;
    const { subject, name, displayName } = entry;
    return { source: 'ldap', subject, name, displayName, groups: await groupsOf(client, config, entry) };
  });
}

async function withSearcher<T>(config: LdapConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(config);
  try {
    await bindAsSearcher(client, config);
    return await work(client);
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('UNAVAILABLE', 'the directory does not answer as it should', { cause });
  } finally {
    await client.unbind().catch(() => undefined); // It may be gone already.
  }
}

async function connect(config: LdapConfig): Promise<Client> {
  const ca = config.caFile === undefined ? {} : { ca: await readFile(config.caFile) };
  const url = new URL(config.url);
  const options: ClientOptions = { url: config.url, timeout: LIMITS.timeoutMs, connectTimeout: LIMITS.timeoutMs };
  if (url.protocol === 'ldaps:') return new Client({ ...options, tlsOptions: ca });
  const client = new Client(options);
  if (!isLoopbackHost(url.hostname)) await client.startTLS({ ...ca, servername: url.hostname });
  return client;
}

async function bindAsSearcher(client: Client, config: LdapConfig): Promise<void> {
  if (config.bindDn === undefined) return;
  const password =
    config.bindPasswordFile === undefined ? '' : (await readFile(config.bindPasswordFile, 'utf8')).trim();
  await client.bind(config.bindDn, password);
}

/** On a connection of its own, so that the search goes on as the searcher. */
async function canBind(config: LdapConfig, dn: string, password: string): Promise<boolean> {
  const client = await connect(config);
  try {
    await client.bind(dn, password);
    return true;
  } catch (error) {
    if (error instanceof InvalidCredentialsError) return false;
    throw error;
  } finally {
    await client.unbind().catch(() => undefined);
  }
}

/** Names a group may be tied to: its DN and its plain name. */
async function groupsOf(client: Client, config: LdapConfig, entry: DirectoryEntry): Promise<string[]> {
  const dn = escapeFilter(entry.dn);
  const filter = `(|(member=${dn})(uniqueMember=${dn})(memberUid=${escapeFilter(entry.name)}))`;
  const found = await client.search(config.base, {
    scope: 'sub',
    filter,
    attributes: ['cn'],
    sizeLimit: LIMITS.groups,
  });
  const searched = found.searchEntries.flatMap((group) => [group.dn, ...all(group, 'cn')]);
  return [...new Set([...entry.memberOf, ...searched])];
}

/**
 * RFC 4515, section 3: `* ( ) \ NUL` in a filter's value, and every other ASCII sign that is no letter or digit, to be
 * sure. Letters outside ASCII stay as they are: an escaped byte of them would be read as a character of its own.
 */
export function escapeFilter(value: string): string {
  return value
    .slice(0, LIMITS.filterChars)
    .replaceAll(/[^A-Za-z0-9 .@_=,-]/g, (sign) =>
      0x7f < sign.charCodeAt(0) ? sign : `\\${sign.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
}

function all(entry: Entry, attribute: string): string[] {
  const value = entry[attribute];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value])
    .map((one) => (typeof one === 'string' ? one : one.toString('hex')))
    .filter((one) => one !== '');
}

function first(entry: Entry, attribute: string): string | undefined {
  return all(entry, attribute)[0];
}
