/** Sign-in put together: what http/ asks for each request, and what routes, the local socket and other features call. */

import type { LdapConfig, OidcConfig } from '../../config.ts';
import type { Logger } from '../../log.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { FairQueue } from '../../platform/process/fair-queue.ts';
import { OneByOne } from '../../platform/process/one-by-one.ts';
import { Windows } from '../../platform/process/windows.ts';
import { Revocations } from '../../platform/rights/revocations.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import type { Store } from '../../platform/store/store.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { BROWSER_SESSION_LIMITS, BrowserSessions, type SessionLimits } from '../credentials/browser-sessions.ts';
import { Ceremonies } from '../credentials/ceremonies.ts';
import { Devices } from '../credentials/devices.ts';
import { Lockout } from '../credentials/lockout.ts';
import { LINK_LIMITS, OneTimeLinks } from '../credentials/one-time-links.ts';
import { Passkeys } from '../credentials/passkeys.ts';
import { PASSWORD_COST, type PasswordCost, PasswordHasher } from '../credentials/passwords.ts';
import { ApiTokens, scopesOf } from '../credentials/tokens.ts';
import { Totp } from '../credentials/totp.ts';
import { Accounts } from '../people/accounts.ts';
import { Assignments } from '../people/assignments.ts';
import { Groups } from '../people/groups.ts';

export interface AuthOptions {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly events: EventHub;
  readonly log: Logger;
  readonly now?: () => number;
  readonly passwordCost?: PasswordCost;
  readonly sessionLimits?: SessionLimits;
  readonly oidc?: OidcConfig | undefined;
  readonly ldap?: LdapConfig | undefined;
}

const SWEEP_MS = 500;
const DIRECTORY = { atOnce: 8, atOnceEach: 4, waiting: 200 } as const;

export class Auth {
  readonly revocations: Revocations = new Revocations();
  readonly accounts: Accounts;
  readonly browserSessions: BrowserSessions;
  readonly links: OneTimeLinks;
  readonly tokens: ApiTokens;
  readonly lockout: Lockout;
  readonly passwords: PasswordHasher;
  readonly audit: AuditLog;
  readonly events: EventHub;
  readonly store: Store;
  readonly log: Logger;
  readonly now: () => number;
  readonly groups: Groups;
  readonly assignments: Assignments;
  readonly ceremonies: Ceremonies;
  readonly totp: Totp;
  readonly passkeys: Passkeys;
  readonly devices: Devices;
  readonly oneByOne: OneByOne = new OneByOne();
  /** Questions to the directory, in turn by who asks. */
  readonly directory: FairQueue = new FairQueue(DIRECTORY, 'too many sign-ins at once');
  /** Sign-ins that succeeded, by account. */
  readonly signIns: Windows;
  readonly oidc: OidcConfig | undefined;
  readonly ldap: LdapConfig | undefined;
  /** Where browsers reach the gateway, such as `https://oriel.example`; known once it listens. */
  publicOrigin: string = '';
  readonly #sweeper: NodeJS.Timeout;
  #sweeping = false;

  constructor(options: AuthOptions) {
    const now = options.now ?? Date.now;
    const { store } = options;
    this.store = store;
    this.audit = options.audit;
    this.events = options.events;
    this.log = options.log;
    this.now = now;
    this.signIns = new Windows(now);
    this.accounts = new Accounts(store, this.revocations, now);
    this.browserSessions = new BrowserSessions(
      store,
      this.revocations,
      now,
      options.sessionLimits ?? BROWSER_SESSION_LIMITS,
    );
    this.links = new OneTimeLinks(store, now);
    this.tokens = new ApiTokens(store, this.revocations, now);
    this.lockout = new Lockout(store, now);
    this.passwords = new PasswordHasher(options.passwordCost ?? PASSWORD_COST);
    this.groups = new Groups(store, this.revocations, now);
    this.assignments = new Assignments(store, this.revocations, now);
    this.ceremonies = new Ceremonies(store, now);
    this.totp = new Totp(store, this.ceremonies, now);
    this.devices = new Devices(store, now);
    this.passkeys = new Passkeys(store, this.ceremonies, now);
    this.oidc = options.oidc;
    this.ldap = options.ldap;
    // What ran out ends within a second, also when nobody asks with it.
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Who a cookie belongs to. */
  async byCookie(secret: string): Promise<Principal | undefined> {
    const session = await this.browserSessions.find(secret);
    if (session === undefined) return undefined;
    const provedAt = session.proved_at ?? session.created_at;
    return this.accounts.principalOf(session.user_id, { kind: 'browser', browserSessionId: session.id, provedAt });
  }

  /** Who an API token belongs to. */
  async byToken(token: string): Promise<Principal | undefined> {
    const row = await this.tokens.find(token);
    if (row === undefined) return undefined;
    return this.accounts.principalOf(row.user_id, { kind: 'token', tokenId: row.id, scopes: scopesOf(row) });
  }

  /** Is somebody who signed in so still who they were, and what may they do now? For those who hold a socket open over time. */
  async again({ userId, via }: Pick<Principal, 'userId' | 'via'>): Promise<Principal | undefined> {
    switch (via.kind) {
      case 'browser':
        if ((await this.browserSessions.get(via.browserSessionId)) === undefined) return undefined;
        break;
      case 'token':
        if ((await this.tokens.get(via.tokenId)) === undefined) return undefined;
        break;
      case 'local':
        break;
    }
    return this.accounts.principalOf(userId, via);
  }

  /** What was proved with the old password, or the old second factor, ends with it: sign-ins, API tokens, links, known devices. */
  async endCredentials(userId: string, keepSessionId: string | undefined): Promise<void> {
    await this.browserSessions.endOthers(userId, keepSessionId);
    await this.tokens.revokeAll(userId);
    await this.links.drop(userId);
    await this.devices.forget(userId);
  }

  /**
   * The token of a one-time link for the first admin, who is made here when there is none. Undefined once an admin can
   * sign in by other means: then `oriel admin link` makes one. There is no default password (S28).
   */
  async firstLink(): Promise<string | undefined> {
    const admins = await this.accounts.admins();
    for (const admin of admins) {
      if (admin.password !== null || admin.source !== 'local') return undefined;
      const passkey = await this.store.db
        .selectFrom('passkeys')
        .select('id')
        .where('user_id', '=', admin.id)
        .limit(1)
        .executeTakeFirst();
      if (passkey !== undefined) return undefined;
    }
    const admin =
      admins[0] ?? (await this.accounts.create({ name: 'admin', displayName: 'Administrator', roles: ['admin'] }));
    return (await this.links.create(admin.id, LINK_LIMITS.lifeMs)).token;
  }

  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.browserSessions.sweep();
      await this.tokens.sweep();
      await this.ceremonies.sweep();
      await this.lockout.sweep();
    } catch (error) {
      this.log.error({ err: error }, 'auth.sweep-failed');
    } finally {
      this.#sweeping = false;
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
  }
}
