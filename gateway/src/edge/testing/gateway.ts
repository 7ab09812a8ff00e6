/** A whole edge for tests: real server, real store in a folder that goes away, people to sign in as. Not for production. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Client, createClient, type Fetch } from '../../../api/client.ts';
import type { Right, Role } from '../../../api/rights.ts';
import { parseConfig } from '../../config.ts';
import { AuditLog } from '../../identity/audit/audit-log.ts';
import { auditRoutes } from '../../identity/audit/routes.ts';
import { authLookups, authRoutes } from '../../identity/routes/routes.ts';
import { Auth, type AuthOptions } from '../../identity/sign-in/auth.ts';
import { COOKIE } from '../../identity/sign-in/cookies.ts';
import { type Logger, openLog } from '../../log.ts';
import type { BoundRoute, ObjectLookups, UpgradeHandler } from '../../platform/api/bind.ts';
import { EventHub } from '../../platform/events/hub.ts';
import { openStore, type Store } from '../../platform/store/store.ts';
import { type GatewayServer, listen, type ServerOptions } from '../http/server.ts';

export interface TestGatewayOptions {
  /** Makes the feature's routes once the edge stands. */
  readonly features?: (edge: TestEdge) => {
    readonly routes?: readonly BoundRoute[];
    readonly lookups?: ObjectLookups;
    readonly upgrades?: readonly UpgradeHandler[];
  };
  readonly env?: Readonly<Record<string, string>>;
  /** Of an earlier one, which it stays with; else one of its own, which goes. */
  readonly folder?: string;
  readonly now?: () => number;
  readonly auth?: Partial<AuthOptions>;
  readonly log?: Logger;
  readonly server?: Partial<ServerOptions>;
}

export interface TestEdge {
  readonly folder: string;
  readonly store: Store;
  readonly events: EventHub;
  readonly audit: AuditLog;
  readonly auth: Auth;
  readonly log: Logger;
}

/** Somebody signed in. `cookie` and `origin` are headers to send; `client` sends them. */
export interface TestPerson {
  readonly userId: string;
  readonly name: string;
  readonly headers: { readonly cookie: string; readonly origin: string };
  readonly client: Client;
}

export interface TestGateway extends TestEdge {
  readonly server: GatewayServer;
  readonly origin: string;
  /** Makes an account with these roles and signs it in. */
  person(name: string, ...roles: Role[]): Promise<TestPerson>;
  /** Gives a user rights on a desktop. */
  assign(userId: string, desktopId: string, ...rights: Right[]): Promise<void>;
  close(): Promise<void>;
}

/** Passwords cost next to nothing here. */
const CHEAP = { logN: 4, r: 1, p: 1 } as const;

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const folder = options.folder ?? mkdtempSync(path.join(tmpdir(), 'oriel-gateway-'));
  const now = options.now ?? Date.now;
  const log = options.log ?? openLog({ level: 'silent' });
  const config = parseConfig({ ORIEL_DATA: folder, ORIEL_LISTEN: '127.0.0.1:0', ...options.env });
  const store = await openStore({ folder, databaseUrl: config.databaseUrl });
  const events = new EventHub();
  const audit = new AuditLog({ store, folder, events, now });
  const auth = new Auth({ store, audit, events, log, now, passwordCost: CHEAP, ...options.auth });
  const edge: TestEdge = { folder, store, events, audit, auth, log };
  const features = options.features?.(edge) ?? {};
  const close = async (): Promise<void> => {
    auth.close();
    await audit.close();
    await store.close();
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  const server = await listen({
    config,
    auth,
    audit,
    events,
    store,
    log,
    now,
    routes: [...authRoutes(auth), ...auditRoutes(audit), ...(features.routes ?? [])],
    lookups: { ...authLookups(auth), ...features.lookups },
    upgrades: features.upgrades ?? [],
    ...options.server,
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const { origin } = server;
  return {
    ...edge,
    server,
    origin,
    person: async (name, ...roles) => {
      const account = await auth.accounts.create({ name, roles: roles.length === 0 ? ['user'] : roles });
      const session = await auth.browserSessions.open(account.id, 'test', { address: '127.0.0.1', userAgent: 'test' });
      const cookie = `${origin.startsWith('https:') ? COOKIE.secure : COOKIE.plain}=${session.secret}`;
      const headers = { cookie, origin };
      return { userId: account.id, name, headers, client: createClient(origin, { fetch: fetchAs(headers) }) };
    },
    assign: async (userId, desktopId, ...rights) => {
      const row = {
        desktop_id: desktopId,
        user_id: userId,
        group_id: null,
        rights: JSON.stringify(rights),
        created_at: now(),
      };
      await store.db
        .insertInto('assignments')
        .values({ id: `${userId}-${desktopId}`, ...row })
        .execute();
    },
    close: async () => {
      await server.close();
      await close();
    },
  };
}

/** `fetch` with these headers on every request. */
export function fetchAs(headers: Readonly<Record<string, string>>): Fetch {
  return (url, init) =>
    fetch(url, {
      method: init.method,
      headers: { ...init.headers, ...headers },
      ...(init.body === undefined ? {} : { body: init.body }),
      ...(init.signal === undefined ? {} : { signal: init.signal as AbortSignal }),
    });
}
