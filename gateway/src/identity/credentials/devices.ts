/**
 * Browsers that an account has signed in from: each keeps a cookie of its own, so that wrong passwords from elsewhere, be
 * it from the same office, hold up nobody at a device that is known. The cookie proves nothing else and opens nothing.
 */
import { hashSecret, newSecret, SECRET_SHAPE } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

const LIMITS = { perUser: 20, keepDays: 400 } as const;
const DAY_MS = 86_400_000;

export class Devices {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Has this account signed in there before? Gives what the device is counted by. */
  async find(secret: string | undefined, userId: string): Promise<string | undefined> {
    if (secret === undefined || !SECRET_SHAPE.test(secret)) return undefined;
    const row = await this.#store.db
      .selectFrom('devices')
      .select('secret_hash')
      .where('secret_hash', '=', hashSecret(secret))
      .where('user_id', '=', userId)
      .where('used_at', '>', this.#now() - LIMITS.keepDays * DAY_MS)
      .executeTakeFirst();
    return row?.secret_hash;
  }

  /** Remembers the device, and gives the value of its cookie: the one that it has where that is good. */
  async remember(secret: string | undefined, userId: string): Promise<string> {
    const { db } = this.#store;
    const known = await this.find(secret, userId);
    const now = this.#now();
    if (known !== undefined && secret !== undefined) {
      await db.updateTable('devices').set({ used_at: now }).where('secret_hash', '=', known).execute();
      return secret;
    }
    // A browser that several people use keeps one cookie for all of them.
    const kept = secret !== undefined && SECRET_SHAPE.test(secret) ? secret : newSecret();
    await db
      .insertInto('devices')
      .values({ secret_hash: hashSecret(kept), user_id: userId, used_at: now })
      .onConflict((conflict) => conflict.columns(['secret_hash', 'user_id']).doUpdateSet({ used_at: now }))
      .execute();
    const newest = await db
      .selectFrom('devices')
      .select('secret_hash')
      .where('user_id', '=', userId)
      .orderBy('used_at', 'desc')
      .limit(LIMITS.perUser)
      .execute();
    const hashes = newest.map((row) => row.secret_hash);
    await db.deleteFrom('devices').where('user_id', '=', userId).where('secret_hash', 'not in', hashes).execute();
    return kept;
  }

  /** After a password was changed or taken back: whoever knew the old one is a stranger. */
  async forget(userId: string): Promise<void> {
    await this.#store.db.deleteFrom('devices').where('user_id', '=', userId).execute();
  }
}
