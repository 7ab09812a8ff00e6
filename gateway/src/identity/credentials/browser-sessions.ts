/**
 * Sign-ins of browsers: a random cookie, kept as its hash, with an idle and an absolute limit. Ending one is a
 * revocation, so that display sessions opened from it end too.
 */

import type { Revocations } from '../../platform/rights/revocations.ts';
import { hashSecret, newId, newSecret, SECRET_SHAPE } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';
import type { BrowserSessionRow } from '../../platform/store/tables/auth.ts';

export interface SessionLimits {
  readonly idleMs: number;
  readonly absoluteMs: number;
  readonly perUser: number;
}
export const BROWSER_SESSION_LIMITS: SessionLimits = { idleMs: 8 * 3_600_000, absoluteMs: 7 * 86_400_000, perUser: 20 };
/** `seen_at` is written at most so often: a page asks many times a minute. */
const SEEN_STEP_MS = 60_000;
const USER_AGENT_CHARS = 256;

export interface Client {
  readonly address: string;
  readonly userAgent: string;
}

export class BrowserSessions {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;
  readonly #limits: SessionLimits;

  constructor(
    store: Store,
    revocations: Revocations,
    now: () => number,
    limits: SessionLimits = BROWSER_SESSION_LIMITS,
  ) {
    this.#store = store;
    this.#revocations = revocations;
    this.#now = now;
    this.#limits = limits;
  }

  /** Opens one and gives the cookie's value, which is kept nowhere. The user's oldest goes when there are too many. */
  async open(
    userId: string,
    method: string,
    client: Client,
  ): Promise<{ readonly id: string; readonly secret: string; readonly expiresAt: number }> {
    const secret = newSecret();
    const now = this.#now();
    const row: BrowserSessionRow = {
      id: newId(),
      secret_hash: hashSecret(secret),
      user_id: userId,
      created_at: now,
      seen_at: now,
      expires_at: now + this.#limits.absoluteMs,
      address: client.address,
      user_agent: client.userAgent.slice(0, USER_AGENT_CHARS),
      method,
      proved_at: now,
    };
    await this.#store.db.insertInto('browser_sessions').values(row).execute();
    for (const old of (await this.list(userId)).slice(this.#limits.perUser)) await this.end(old.id);
    return { id: row.id, secret, expiresAt: row.expires_at };
  }

  /** The live session of a cookie. One past its limits is ended on sight. */
  async find(secret: string): Promise<BrowserSessionRow | undefined> {
    if (!SECRET_SHAPE.test(secret)) return undefined;
    const { db } = this.#store;
    const row = await db
      .selectFrom('browser_sessions')
      .selectAll()
      .where('secret_hash', '=', hashSecret(secret))
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const now = this.#now();
    if (this.#isOver(row, now)) {
      await this.end(row.id);
      return undefined;
    }
    if (row.seen_at + SEEN_STEP_MS <= now) {
      await db.updateTable('browser_sessions').set({ seen_at: now }).where('id', '=', row.id).execute();
    }
    return row;
  }

  /** Somebody has just proved again who sits there. */
  async proved(id: string): Promise<void> {
    await this.#store.db.updateTable('browser_sessions').set({ proved_at: this.#now() }).where('id', '=', id).execute();
  }

  async get(id: string): Promise<BrowserSessionRow | undefined> {
    return this.#store.db.selectFrom('browser_sessions').selectAll().where('id', '=', id).executeTakeFirst();
  }

  /** Newest first. */
  async list(userId: string): Promise<BrowserSessionRow[]> {
    return this.#store.db
      .selectFrom('browser_sessions')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .execute();
  }

  async end(id: string): Promise<boolean> {
    const row = await this.get(id);
    if (row === undefined) return false;
    await this.#store.db.deleteFrom('browser_sessions').where('id', '=', id).execute();
    this.#revocations.publish({ kind: 'browser-session', userId: row.user_id, browserSessionId: id });
    return true;
  }

  /** Ends all of a user's but one. */
  async endOthers(userId: string, keepId: string | undefined): Promise<void> {
    for (const row of await this.list(userId)) if (row.id !== keepId) await this.end(row.id);
  }

  /** Ends those past their limits, so that display sessions opened from them end without anybody asking. */
  async sweep(): Promise<void> {
    const now = this.#now();
    const over = await this.#store.db
      .selectFrom('browser_sessions')
      .select('id')
      .where((where) => where.or([where('expires_at', '<=', now), where('seen_at', '<=', now - this.#limits.idleMs)]))
      .execute();
    for (const { id } of over) await this.end(id);
  }

  #isOver(row: BrowserSessionRow, now: number): boolean {
    return row.expires_at <= now || row.seen_at + this.#limits.idleMs <= now;
  }
}
