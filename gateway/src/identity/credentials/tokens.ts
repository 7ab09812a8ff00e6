/** API tokens: random, shown once, kept as a hash, with scopes (rights) and an expiry. */
import { AUTH_LIMITS } from '../../../api/auth.ts';
import { RIGHTS, type Right } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';
import { OneByOne } from '../../platform/process/one-by-one.ts';
import type { Revocations } from '../../platform/rights/revocations.ts';
import { hashSecret, newId, newSecret } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';
import type { ApiTokenRow } from '../../platform/store/tables/auth.ts';

/** Makes a token recognisable to people and to secret scanners. */
const PREFIX = 'oriel_';
const SHAPE = /^oriel_[A-Za-z0-9_-]{43}$/;
const DAY_MS = 86_400_000;
const USED_STEP_MS = 60_000;

export interface TokenRequest {
  readonly name: string;
  readonly scopes: readonly Right[];
  readonly expiresInDays: number;
}

interface NewToken {
  readonly row: ApiTokenRow;
  /** Shown once, kept nowhere. */
  readonly token: string;
}

export class ApiTokens {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;
  readonly #turns = new OneByOne();

  constructor(store: Store, revocations: Revocations, now: () => number) {
    this.#store = store;
    this.#revocations = revocations;
    this.#now = now;
  }

  /** One at a time for each user: else many at once would all find room. */
  create(userId: string, wanted: TokenRequest): Promise<NewToken> {
    return this.#turns.run(userId, () => this.#create(userId, wanted));
  }

  async #create(userId: string, wanted: TokenRequest): Promise<NewToken> {
    if (AUTH_LIMITS.tokensPerUser <= (await this.list(userId)).length) {
      throw new GatewayError('TOO_MANY', `an account has at most ${AUTH_LIMITS.tokensPerUser} tokens`);
    }
    const token = PREFIX + newSecret();
    const now = this.#now();
    const row: ApiTokenRow = {
      id: newId(),
      token_hash: hashSecret(token),
      user_id: userId,
      name: wanted.name,
      scopes: JSON.stringify([...new Set(wanted.scopes)]),
      created_at: now,
      expires_at: now + wanted.expiresInDays * DAY_MS,
      used_at: null,
    };
    await this.#store.db.insertInto('api_tokens').values(row).execute();
    return { row, token };
  }

  /** The live token of a secret; undefined where it is unknown or too old. */
  async find(token: string): Promise<ApiTokenRow | undefined> {
    if (!SHAPE.test(token)) return undefined;
    const { db } = this.#store;
    const row = await db
      .selectFrom('api_tokens')
      .selectAll()
      .where('token_hash', '=', hashSecret(token))
      .executeTakeFirst();
    const now = this.#now();
    if (row === undefined || row.expires_at <= now) return undefined;
    if ((row.used_at ?? 0) + USED_STEP_MS <= now) {
      await db.updateTable('api_tokens').set({ used_at: now }).where('id', '=', row.id).execute();
    }
    return row;
  }

  async get(id: string): Promise<ApiTokenRow | undefined> {
    return this.#store.db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst();
  }

  async list(userId: string): Promise<ApiTokenRow[]> {
    return this.#store.db
      .selectFrom('api_tokens')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
  }

  async revoke(id: string): Promise<boolean> {
    const row = await this.get(id);
    if (row === undefined) return false;
    await this.#store.db.deleteFrom('api_tokens').where('id', '=', id).execute();
    this.#revocations.publish({ kind: 'token', userId: row.user_id, tokenId: id });
    return true;
  }

  async revokeAll(userId: string): Promise<void> {
    for (const { id } of await this.list(userId)) await this.revoke(id);
  }

  /** Drops what has expired, and says so, so that sockets opened with it close. */
  async sweep(): Promise<void> {
    const over = await this.#store.db
      .selectFrom('api_tokens')
      .select('id')
      .where('expires_at', '<=', this.#now())
      .execute();
    for (const { id } of over) await this.revoke(id);
  }
}

export function scopesOf(row: ApiTokenRow): Right[] {
  const known: readonly string[] = RIGHTS;
  return (JSON.parse(row.scopes) as string[]).filter((scope): scope is Right => known.includes(scope));
}
