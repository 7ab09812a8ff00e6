/**
 * Short-lived state between two steps of a sign-in or a set-up: kept in the store, used once, gone after ten minutes.
 * BOUNDED by who caused it: an account has one of a kind, a network so many; the oldest of theirs goes first, so nobody
 * stops the sign-in of others.
 */
import { widerOf } from '../../platform/network/address.ts';
import { newSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

export type CeremonyKind = 'passkey-add' | 'passkey-sign-in' | 'totp' | 'oidc';

export interface CeremonyLimits {
  readonly lifeMs: number;
  /** Begun from one network by who is not signed in. */
  readonly perSource: number;
  /** Begun by all who are not signed in: beyond, who has most of them (an IPv6 /48, an IPv4 /24) loses their oldest. */
  readonly open: number;
}
const LIMITS: CeremonyLimits = { lifeMs: 600_000, perSource: 300, open: 10_000 };

/** Who begins it: an account, or (before a sign-in) the network of the client. */
export type CeremonyCause = { readonly userId: string } | { readonly source: string };

export class Ceremonies {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #limits: CeremonyLimits;

  constructor(store: Store, now: () => number, limits: CeremonyLimits = LIMITS) {
    this.#store = store;
    this.#now = now;
    this.#limits = limits;
  }

  async begin(kind: CeremonyKind, cause: CeremonyCause, data: unknown, id: string = newSecret()): Promise<string> {
    const { db } = this.#store;
    const now = this.#now();
    await db.deleteFrom('ceremonies').where('expires_at', '<=', now).execute();
    const [userId, source] = 'userId' in cause ? [cause.userId, null] : [null, cause.source];
    if (userId !== null)
      await db.deleteFrom('ceremonies').where('kind', '=', kind).where('user_id', '=', userId).execute();
    const row = {
      id,
      kind,
      user_id: userId,
      data: JSON.stringify(data),
      expires_at: now + this.#limits.lifeMs,
      source,
    };
    await db.insertInto('ceremonies').values(row).execute();
    if (source !== null) await this.#bound(source);
    return id;
  }

  /** After the new one is in, so that many at once cannot pass a count together. */
  async #bound(source: string): Promise<void> {
    const { db } = this.#store;
    const counts = await db
      .selectFrom('ceremonies')
      .select((count) => ['source', count.fn.countAll<number>().as('n')])
      .where('source', 'is not', null)
      .groupBy('source')
      .orderBy('n', 'desc')
      .execute();
    const own = Number(counts.find((row) => row.source === source)?.n ?? 0);
    if (this.#limits.perSource < own) await this.#dropOldest(source, own - this.#limits.perSource);
    const all = counts.reduce((sum, { n }) => sum + Number(n), 0);
    if (all <= this.#limits.open) return;
    const largest = largestOf(counts.map(({ source: of, n }) => ({ source: of ?? '', n: Number(n) })));
    await this.#dropOldest(largest, 1);
  }

  async #dropOldest(source: string, count: number): Promise<void> {
    const { db } = this.#store;
    const oldest = db
      .selectFrom('ceremonies')
      .select('id')
      .where('source', '=', source)
      .orderBy('expires_at')
      .orderBy('id')
      .limit(count);
    await db.deleteFrom('ceremonies').where('id', 'in', oldest).execute();
  }

  /** Takes one out; undefined where it is unknown, used, too old or another's. */
  async take<T>(kind: CeremonyKind, userId: string | null, id: string): Promise<T | undefined> {
    let query = this.#store.db.deleteFrom('ceremonies').where('id', '=', id).where('kind', '=', kind);
    query = userId === null ? query.where('user_id', 'is', null) : query.where('user_id', '=', userId);
    const row = await query.returningAll().executeTakeFirst();
    return row !== undefined && this.#now() < row.expires_at ? (JSON.parse(row.data) as T) : undefined;
  }

  /** The user's own one of a kind, left in place: a mistyped code may be tried again. */
  async peek<T>(kind: CeremonyKind, userId: string): Promise<T | undefined> {
    const row = await this.#store.db
      .selectFrom('ceremonies')
      .selectAll()
      .where('kind', '=', kind)
      .where('user_id', '=', userId)
      .executeTakeFirst();
    return row !== undefined && this.#now() < row.expires_at ? (JSON.parse(row.data) as T) : undefined;
  }

  async drop(kind: CeremonyKind, userId: string): Promise<void> {
    await this.#store.db.deleteFrom('ceremonies').where('kind', '=', kind).where('user_id', '=', userId).execute();
  }

  async sweep(): Promise<void> {
    await this.#store.db.deleteFrom('ceremonies').where('expires_at', '<=', this.#now()).execute();
  }
}

/** The network with the most of all, within the customer with the most: who has a thousand networks takes from themselves. */
function largestOf(counts: readonly { readonly source: string; readonly n: number }[]): string {
  const byCustomer = new Map<string, number>();
  for (const { source, n } of counts) byCustomer.set(widerOf(source), (byCustomer.get(widerOf(source)) ?? 0) + n);
  const [customer] = [...byCustomer].reduce((most, one) => (most[1] < one[1] ? one : most));
  return counts
    .filter(({ source }) => widerOf(source) === customer)
    .reduce((most, one) => (most.n < one.n ? one : most)).source;
}
