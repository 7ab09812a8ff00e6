/** One-time sign-in links: how the first admin gets in, and who has lost everything else. There is no default password (S28). */

import type { Right } from '../../../api/rights.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { hashSecret, newSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

export const LINK_LIMITS = { lifeMs: 86_400_000 } as const;

/** Who made a link, and with what: it is asked again when the link is used, since the account may have got rights since. */
export interface LinkMaker {
  readonly userId: string;
  /** Of the API token that it was made with. */
  readonly scopes?: readonly Right[];
}

export function makerOf({ userId, via }: Principal): LinkMaker {
  return via.kind === 'token' ? { userId, scopes: via.scopes } : { userId };
}

export interface RedeemedLink {
  readonly userId: string;
  /** Undefined: made on the machine itself. */
  readonly maker: LinkMaker | undefined;
}

export class OneTimeLinks {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Makes one; earlier ones of the same user end. `maker` is absent on the machine itself. */
  async create(
    userId: string,
    lifeMs: number = LINK_LIMITS.lifeMs,
    maker?: LinkMaker,
  ): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const token = newSecret();
    const now = this.#now();
    await this.#store.db.transaction().execute(async (tx) => {
      await tx
        .deleteFrom('one_time_links')
        .where((where) => where.or([where('user_id', '=', userId), where('expires_at', '<=', now)]))
        .execute();
      const row = {
        token_hash: hashSecret(token),
        user_id: userId,
        created_at: now,
        expires_at: now + lifeMs,
        made_by: maker === undefined ? null : JSON.stringify(maker),
      };
      await tx.insertInto('one_time_links').values(row).execute();
    });
    return { token, expiresAt: now + lifeMs };
  }

  async drop(userId: string): Promise<void> {
    await this.#store.db.deleteFrom('one_time_links').where('user_id', '=', userId).execute();
  }

  /** Uses one up and gives its user; undefined where it is unknown, used or too old. Two at once: one wins. */
  async redeem(token: string): Promise<RedeemedLink | undefined> {
    const used = await this.#store.db
      .deleteFrom('one_time_links')
      .where('token_hash', '=', hashSecret(token))
      .returning(['user_id', 'expires_at', 'made_by'])
      .executeTakeFirst();
    if (used === undefined || used.expires_at <= this.#now()) return undefined;
    const maker = used.made_by === null ? undefined : (JSON.parse(used.made_by) as LinkMaker);
    return { userId: used.user_id, maker };
  }
}

/** The token stands in the fragment: browsers send it to nobody. */
export function linkUrl(origin: string, token: string): string {
  return `${origin}/sign-in#link=${token}`;
}
