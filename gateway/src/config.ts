/**
 * What the gateway is told from outside (the environment, checked with zod) and the numbers it keeps to. Only main.ts
 * calls `parseConfig`; everything else is handed what it needs.
 */
import { availableParallelism, homedir, hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { complaintAbout, unreadableFile } from './config-checks.ts';
import { StartError } from './errors.ts';

/** BOUNDED: the numbers on everything at the edge that can grow. Features keep their own beside their code. */
export const LIMITS = {
  headerBytes: 16_384,
  headerCount: 200,
  bodyBytes: 262_144,
  /** From the connection, or the end of the request before, to the last byte of a head that has begun; also for a TLS handshake. */
  headersTimeoutMs: 5_000,
  /** From the first byte of a request to the last of its body. */
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  connections: 20_000,
  connectionsPerAddress: 1_000,
  /** Of an IPv6 /48, or an IPv4 /24. */
  connectionsPerNetwork: 5_000,
  /** Answered at once, live event streams aside. */
  requestsInFlight: 1_000,
  requestsInFlightPerNetwork: 250,
  drainMs: 5_000,
  eventsKept: 2_048,
  eventListeners: 2_000,
  eventListenersPerUser: 32,
  /** A listener that does not read: this much waits for it, then it is cut off and resumes. */
  eventBacklogBytes: 262_144,
  eventHeartbeatMs: 15_000,
  idempotencyKeysPerUser: 5_000,
  idempotencyKeepMs: 86_400_000,
  idempotencyBodyBytes: 65_536,
} as const;

const ENVIRONMENT = z.object({
  /** Folder of all state. */
  ORIEL_DATA: z.string().min(1).optional(),
  /** `host:port`; port 0 takes a free one. */
  ORIEL_LISTEN: z.string().default('127.0.0.1:8443'),
  /** Addresses under which browsers reach the gateway, comma-separated: `https://oriel.example`. */
  ORIEL_ORIGIN: z.string().default(''),
  /** `postgres://…`; SQLite in the data folder where not given. */
  ORIEL_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must start with postgres://')
    .optional(),
  /** `off`: plain HTTP, only on loopback or behind a trusted proxy. `on`: TLS also on loopback. `auto`: TLS unless loopback. */
  ORIEL_TLS: z.enum(['auto', 'on', 'off']).default('auto'),
  /** PEM files; a self-signed certificate is made where they are not given. */
  ORIEL_TLS_CERT: z.string().min(1).optional(),
  ORIEL_TLS_KEY: z.string().min(1).optional(),
  /** Addresses of reverse proxies whose X-Forwarded-For and -Proto count, comma-separated. */
  ORIEL_TRUSTED_PROXY: z.string().default(''),
  /** Processes that relay sessions beside the gateway itself: a number, or `auto` for what the machine has cores for. None where the gateway ends TLS. */
  ORIEL_WORKERS: z
    .string()
    .regex(/^(auto|\d{1,2})$/, 'must be a number or auto')
    .default('auto'),
  ORIEL_LOG: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** How long, and how many, lines of the audit log are kept. */
  ORIEL_AUDIT_DAYS: z.coerce.number().int().min(1).max(36_500).default(730),
  ORIEL_AUDIT_LINES: z.coerce.number().int().min(1_000).max(1_000_000_000).default(5_000_000),
  /** What the first start makes beside the toy: nothing (`toy`), a small Linux, or a desktop, which a later start makes too. */
  ORIEL_DEMO: z.enum(['toy', 'linux', 'desktop']).default('linux'),
  ORIEL_OIDC_ISSUER: z.url().optional(),
  ORIEL_OIDC_CLIENT_ID: z.string().min(1).optional(),
  /** File with the client's secret: a secret in the environment shows in the process list. */
  ORIEL_OIDC_CLIENT_SECRET_FILE: z.string().min(1).optional(),
  ORIEL_OIDC_NAME: z.string().min(1).default('Single sign-on'),
  ORIEL_LDAP_URL: z
    .string()
    .regex(/^ldaps?:\/\//, 'must start with ldap:// or ldaps://')
    .optional(),
  ORIEL_LDAP_BASE: z.string().default(''),
  /** Filter that finds the account; `{name}` is what was typed, escaped. */
  ORIEL_LDAP_FILTER: z.string().default('(uid={name})'),
  /** The account that searches, and the file with its password; anonymous where not given. */
  ORIEL_LDAP_BIND_DN: z.string().optional(),
  ORIEL_LDAP_BIND_PASSWORD_FILE: z.string().optional(),
  /** PEM file of the authority that signed the directory's certificate. */
  ORIEL_LDAP_CA: z.string().optional(),
});

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string | undefined;
  readonly name: string;
}

export interface LdapConfig {
  readonly url: string;
  readonly base: string;
  readonly filter: string;
  readonly bindDn: string | undefined;
  readonly bindPasswordFile: string | undefined;
  readonly caFile: string | undefined;
}

export interface Config {
  readonly dataFolder: string;
  readonly listen: Listen;
  /** As given; `originsOf` adds what follows from the address listened on. */
  readonly origins: readonly string[];
  readonly databaseUrl: string | undefined;
  readonly tls: {
    readonly isOn: boolean;
    readonly certFile: string | undefined;
    readonly keyFile: string | undefined;
  };
  readonly trustedProxies: readonly string[];
  readonly relayWorkers: number;
  readonly logLevel: string;
  readonly audit: { readonly days: number; readonly lines: number };
  readonly demo: 'toy' | 'linux' | 'desktop';
  readonly oidc: OidcConfig | undefined;
  readonly ldap: LdapConfig | undefined;
}

/** Reads the settings out of the environment. What is wrong is said in one line. */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = ENVIRONMENT.safeParse(env);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new StartError(`${issue?.path.join('.')}: ${issue?.message}`, { cause: parsed.error });
  }
  const given = parsed.data;
  const complaint = complaintAbout(given, isLoopbackHost);
  if (complaint !== undefined) throw new StartError(complaint);
  const listen = parseListen(given.ORIEL_LISTEN);
  const trustedProxies = listOf(given.ORIEL_TRUSTED_PROXY);
  const isLoopback = isLoopbackHost(listen.host);
  const isTls =
    given.ORIEL_TLS === 'on' || (given.ORIEL_TLS === 'auto' && !isLoopback) || given.ORIEL_TLS_CERT !== undefined;
  if (given.ORIEL_TLS === 'off' && given.ORIEL_TLS_CERT !== undefined) {
    throw new StartError('ORIEL_TLS=off and ORIEL_TLS_CERT cannot both be given');
  }
  if (!isTls && !isLoopback && trustedProxies.length === 0) {
    throw new StartError(
      `plain HTTP on ${listen.host} is refused: leave ORIEL_TLS on, listen on 127.0.0.1, or name the proxy in ORIEL_TRUSTED_PROXY`,
    );
  }
  if ((given.ORIEL_TLS_CERT === undefined) !== (given.ORIEL_TLS_KEY === undefined)) {
    throw new StartError('ORIEL_TLS_CERT and ORIEL_TLS_KEY go together');
  }
  if ((given.ORIEL_OIDC_ISSUER === undefined) !== (given.ORIEL_OIDC_CLIENT_ID === undefined)) {
    throw new StartError('ORIEL_OIDC_ISSUER and ORIEL_OIDC_CLIENT_ID go together');
  }
  return {
    dataFolder: given.ORIEL_DATA ?? defaultDataFolder(env),
    listen,
    origins: listOf(given.ORIEL_ORIGIN).map(originOf),
    databaseUrl: given.ORIEL_DATABASE_URL,
    tls: { isOn: isTls, certFile: given.ORIEL_TLS_CERT, keyFile: given.ORIEL_TLS_KEY },
    trustedProxies,
    relayWorkers: relayWorkersOf(given.ORIEL_WORKERS, isTls, availableParallelism()),
    logLevel: given.ORIEL_LOG,
    audit: { days: given.ORIEL_AUDIT_DAYS, lines: given.ORIEL_AUDIT_LINES },
    demo: given.ORIEL_DEMO,
    oidc:
      given.ORIEL_OIDC_ISSUER === undefined
        ? undefined
        : {
            issuer: given.ORIEL_OIDC_ISSUER,
            clientId: given.ORIEL_OIDC_CLIENT_ID ?? '',
            clientSecretFile: given.ORIEL_OIDC_CLIENT_SECRET_FILE,
            name: given.ORIEL_OIDC_NAME,
          },
    ldap:
      given.ORIEL_LDAP_URL === undefined
        ? undefined
        : {
            url: given.ORIEL_LDAP_URL,
            base: given.ORIEL_LDAP_BASE,
            filter: given.ORIEL_LDAP_FILTER,
            bindDn: given.ORIEL_LDAP_BIND_DN,
            bindPasswordFile: given.ORIEL_LDAP_BIND_PASSWORD_FILE,
            caFile: given.ORIEL_LDAP_CA,
          },
  };
}

/** Before anything starts: a secret that is missing would show at the first sign-in only. Throws StartError. */
export function requireFiles({ oidc, ldap }: Pick<Config, 'oidc' | 'ldap'>): void {
  const complaint = unreadableFile({
    ORIEL_OIDC_CLIENT_SECRET_FILE: oidc?.clientSecretFile,
    ORIEL_LDAP_BIND_PASSWORD_FILE: ldap?.bindPasswordFile,
    ORIEL_LDAP_CA: ldap?.caFile,
  });
  if (complaint !== undefined) throw new StartError(complaint);
}

/**
 * Half of the cores, four at most, and none where that would be one: a single worker carries less than this process alone.
 * A connection on which this process ends TLS cannot be handed over, so there workers would idle (docs/decisions/0006).
 */
export function relayWorkersOf(text: string, hasTls: boolean, cores: number): number {
  if (text === 'auto') return hasTls || cores < 4 ? 0 : Math.min(4, Math.floor(cores / 2));
  if (hasTls && text !== '0') {
    throw new StartError(
      'ORIEL_WORKERS: workers carry connections without TLS only: leave it out, or let a proxy end TLS (ORIEL_TLS=off and ORIEL_TRUSTED_PROXY)',
    );
  }
  return Number(text);
}

function defaultDataFolder(env: Readonly<Record<string, string | undefined>>): string {
  return path.join(env['XDG_DATA_HOME'] ?? path.join(homedir(), '.local', 'share'), 'oriel');
}

/** `host:port`, `[v6]:port` or `:port`. */
export function parseListen(text: string): Listen {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || 65_535 < port) throw new StartError(`ORIEL_LISTEN: "${text}" is not host:port`);
  return { host: match[1] ?? (match[2] === '' || match[2] === undefined ? '0.0.0.0' : match[2]), port };
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * The origins that pages of ours have, exactly. They come from the configuration and from the addresses of this machine,
 * never from a request: a Host header is whatever the sender likes (S2).
 */
export function originsOf(config: Pick<Config, 'listen' | 'origins' | 'tls'>, port: number): ReadonlySet<string> {
  const scheme = config.tls.isOn ? 'https' : 'http';
  const hosts = new Set<string>();
  if (isLoopbackHost(config.listen.host)) for (const host of ['127.0.0.1', 'localhost', '[::1]']) hosts.add(host);
  if (config.listen.host === '0.0.0.0' || config.listen.host === '::') {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', hostname().toLowerCase()]) hosts.add(host);
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { address, family } of addresses ?? []) hosts.add(family === 'IPv6' ? `[${address}]` : address);
    }
  } else {
    hosts.add(config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host.toLowerCase());
  }
  // URL drops a port that is the scheme's own, as browsers do in Origin.
  return new Set([...config.origins, ...[...hosts].map((host) => originOf(`${scheme}://${host}:${port}`))]);
}

function originOf(text: string): string {
  try {
    const { origin } = new URL(text);
    if (!/^https?:/.test(origin)) throw new TypeError('not http');
    return origin;
  } catch (cause) {
    throw new StartError(`ORIEL_ORIGIN: "${text}" is not an address like https://oriel.example`, { cause });
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
