/** One-time sign-in links: how the first admin gets in, and who has lost everything else. There is no default password (S28). */

import { hashSecret, newSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

export const LINK_LIMITS = { lifeMs: 86_400_000 } as const;

export class OneTimeLinks {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Makes one; earlier ones of the same user end. */
  async create(
    userId: string,
    lifeMs: number = LINK_LIMITS.lifeMs,
  ): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const token = newSecret();
    const now = this.#now();
    await this.#store.db.transaction().execute(async (tx) => {
      await tx
        .deleteFrom('one_time_links')
        .where((where) => where.or([where('user_id', '=', userId), where('expires_at', '<=', now)]))
        .execute();
      const row = { token_hash: hashSecret(token), user_id: userId, created_at: now, expires_at: now + lifeMs };
      await tx.insertInto('one_time_links').values(row).execute();
    });
    return { token, expiresAt: now + lifeMs };
  }

  /** Uses one up and gives its user; undefined where it is unknown, used or too old. Two at once: one wins. */
  async redeem(token: string): Promise<string | undefined> {
    const used = await this.#store.db
      .deleteFrom('one_time_links')
      .where('token_hash', '=', hashSecret(token))
      .returning(['user_id', 'expires_at'])
      .executeTakeFirst();
    return used !== undefined && this.#now() < used.expires_at ? used.user_id : undefined;
  }
}

/** The token stands in the fragment: browsers send it to nobody. */
export function linkUrl(origin: string, token: string): string {
  return `${origin}/sign-in#link=${token}`;
}
