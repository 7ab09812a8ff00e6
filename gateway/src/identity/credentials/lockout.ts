/**
 * Failed sign-ins: after a few, a delay that doubles. A device that the account has signed in from before is counted by
 * itself; everybody else per account and, later and softer, per address: one machine with a wrong password does not lock its
 * office out. Other ways in (a passkey, a link made on the machine) do not ask here, so nobody can be kept out for good by
 * somebody else's guesses.
 */
import { foldName } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import { networkOf } from '../../platform/network/address.ts';
import { hashSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

export interface LockoutRule {
  /** Failures before the first delay. */
  readonly free: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Failures are forgotten after so long without one. */
  readonly forgetMs: number;
}
export const LOCKOUT: Readonly<Record<'account' | 'address', LockoutRule>> = {
  account: { free: 5, firstDelayMs: 2_000, maxDelayMs: 900_000, forgetMs: 86_400_000 },
  // An address may be an office behind NAT: much more is free, and the delay only takes the pace out of guessing.
  address: { free: 100, firstDelayMs: 1_000, maxDelayMs: 30_000, forgetMs: 3_600_000 },
};

export interface Failures {
  readonly count: number;
  readonly lastAt: number;
  readonly lockedUntil: number;
}

/** One more failure. Pure. */
export function afterFailure(rule: LockoutRule, before: Failures | undefined, now: number): Failures {
  const known = before === undefined || before.lastAt + rule.forgetMs <= now ? 0 : before.count;
  const count = known + 1;
  if (count < rule.free) return { count, lastAt: now, lockedUntil: 0 };
  const delay = Math.min(rule.maxDelayMs, rule.firstDelayMs * 2 ** Math.min(30, count - rule.free));
  return { count, lastAt: now, lockedUntil: now + delay };
}

const KEY_CHARS = 128;
/** Whoever guesses from a million addresses, or at a million names, is remembered for the newest of them. */
const LIMITS = { sweepEveryMs: 60_000, kept: 100_000 } as const;

export interface Subject {
  /** The name of the account that was found, or what was typed where there is none. */
  readonly account?: string | undefined;
  /** A device that is known for the account (`Devices.find`). */
  readonly device?: string | undefined;
  readonly address: string;
}

export class Lockout {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #kept: number;
  #sweepAt = 0;
  #counting: Promise<void> = Promise.resolve();

  constructor(store: Store, now: () => number, kept: number = LIMITS.kept) {
    this.#store = store;
    this.#now = now;
    this.#kept = kept;
  }

  /** Throws LOCKED_OUT while the account or the address has to wait. */
  async check(subject: Subject): Promise<void> {
    const rows = await this.#store.db
      .selectFrom('failures')
      .select('locked_until')
      .where('key', 'in', keysOf(subject))
      .execute();
    const until = Math.max(0, ...rows.map((row) => row.locked_until));
    const waitMs = until - this.#now();
    if (0 < waitMs) {
      const retryAfterSeconds = Math.ceil(waitMs / 1000);
      throw new GatewayError('LOCKED_OUT', `too many failed sign-ins, try again in ${retryAfterSeconds} s`, {
        retryAfterSeconds,
      });
    }
  }

  /** One at a time, so that failures at once are all counted. */
  failed(subject: Subject): Promise<void> {
    const counted = this.#counting.then(() => this.#count(subject));
    this.#counting = counted.catch(() => undefined);
    return counted;
  }

  async #count(subject: Subject): Promise<void> {
    const now = this.#now();
    const { db } = this.#store;
    for (const key of keysOf(subject)) {
      const row = await db.selectFrom('failures').selectAll().where('key', '=', key).executeTakeFirst();
      const before =
        row === undefined ? undefined : { count: row.count, lastAt: row.last_at, lockedUntil: row.locked_until };
      const next = afterFailure(key.startsWith('address:') ? LOCKOUT.address : LOCKOUT.account, before, now);
      const values = { count: next.count, last_at: next.lastAt, locked_until: next.lockedUntil };
      await db
        .insertInto('failures')
        .values({ key, ...values })
        .onConflict((conflict) => conflict.column('key').doUpdateSet(values))
        .execute();
    }
  }

  /**
   * After a success the account is forgiven, or only the known device; never the address: a right guess must not free it for
   * more guesses elsewhere.
   */
  async succeeded(subject: Subject): Promise<void> {
    const keys = keysOf(subject).filter((key) => !key.startsWith('address:'));
    if (keys.length !== 0) await this.#store.db.deleteFrom('failures').where('key', 'in', keys).execute();
  }

  /** Until when each of the accounts that are locked is. */
  async lockedUntil(accounts: readonly string[]): Promise<Map<string, number>> {
    if (accounts.length === 0) return new Map();
    const byKey = new Map(accounts.map((account) => [accountKey(account), account]));
    const rows = await this.#store.db
      .selectFrom('failures')
      .select(['key', 'locked_until'])
      .where('key', 'in', [...byKey.keys()])
      .where('locked_until', '>', this.#now())
      .execute();
    return new Map(rows.map((row) => [byKey.get(row.key) ?? '', row.locked_until]));
  }

  /** The way out for the admin on the machine: everything is forgiven. */
  async clear(account?: string): Promise<void> {
    let query = this.#store.db.deleteFrom('failures');
    if (account !== undefined) {
      const devices = `${deviceKey(account, '')}%`;
      query = query.where((key) => key.or([key('key', '=', accountKey(account)), key('key', 'like', devices)]));
    }
    await query.execute();
  }

  /** BOUNDED: drops what no longer counts, and of too many the oldest. Now and then, however often it is asked. */
  async sweep(): Promise<void> {
    const now = this.#now();
    if (now < this.#sweepAt) return;
    this.#sweepAt = now + LIMITS.sweepEveryMs;
    const { db } = this.#store;
    await db
      .deleteFrom('failures')
      .where('last_at', '<', now - LOCKOUT.account.forgetMs)
      .execute();
    const newestTooMany = await db
      .selectFrom('failures')
      .select('last_at')
      .orderBy('last_at', 'desc')
      .offset(this.#kept)
      .limit(1)
      .executeTakeFirst();
    if (newestTooMany !== undefined)
      await db.deleteFrom('failures').where('last_at', '<=', newestTooMany.last_at).execute();
  }
}

// Hashed: sooner or later somebody types a password where the name belongs.
const hashOfName = (account: string): string => hashSecret(foldName(account));
const accountKey = (account: string): string => `account:${hashOfName(account)}`;
const deviceKey = (account: string, device: string): string => `device:${hashOfName(account).slice(0, 40)}:${device}`;

function keysOf({ account, device, address }: Subject): string[] {
  if (account !== undefined && device !== undefined) return [deviceKey(account, device).slice(0, KEY_CHARS)];
  const keys = [`address:${networkOf(address)}`.slice(0, KEY_CHARS)];
  if (account !== undefined) keys.push(accountKey(account));
  return keys;
}
