/** Short-lived state between two steps of a sign-in or a set-up: kept in the store, used once, gone after ten minutes. */
import { GatewayError } from '../../errors.ts';
import { newSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';

export type CeremonyKind = 'passkey-add' | 'passkey-sign-in' | 'totp' | 'oidc';
const LIMITS = { lifeMs: 600_000, open: 10_000 } as const;

export class Ceremonies {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Begins one. A user has one of a kind at a time. */
  async begin(kind: CeremonyKind, userId: string | null, data: unknown, id: string = newSecret()): Promise<string> {
    const { db } = this.#store;
    const now = this.#now();
    await db.deleteFrom('ceremonies').where('expires_at', '<=', now).execute();
    if (userId !== null)
      await db.deleteFrom('ceremonies').where('kind', '=', kind).where('user_id', '=', userId).execute();
    const open = await db
      .selectFrom('ceremonies')
      .select((count) => count.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow();
    if (LIMITS.open <= Number(open.n))
      throw new GatewayError('TOO_MANY', 'too many sign-ins in progress', { retryAfterSeconds: 60 });
    const row = { id, kind, user_id: userId, data: JSON.stringify(data), expires_at: now + LIMITS.lifeMs };
    await db.insertInto('ceremonies').values(row).execute();
    return id;
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
