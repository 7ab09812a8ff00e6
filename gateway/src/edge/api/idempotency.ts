/**
 * Idempotency keys on creating verbs: the first request with a key does the work, a repeat gives the same answer. The key
 * belongs to its user; with another request behind it it is refused.
 */
import { createHash } from 'node:crypto';
import { LIMITS } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { Store } from '../../platform/store/store.ts';

const KEY_SHAPE = /^[\x21-\x7e]{1,128}$/;

export interface StoredAnswer {
  readonly status: number;
  readonly body: unknown;
}

export class Idempotency {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Runs `work` once per key. A failure frees the key: the next try may do better. */
  async once(
    userId: string,
    key: string,
    routeId: string,
    request: unknown,
    work: () => Promise<StoredAnswer>,
  ): Promise<StoredAnswer & { readonly isReplay: boolean }> {
    if (!KEY_SHAPE.test(key)) throw new GatewayError('BAD_REQUEST', 'Idempotency-Key is 1 to 128 visible characters');
    const requestHash = createHash('sha256').update(JSON.stringify(request)).digest('hex');
    const earlier = await this.#claim(userId, key, routeId, requestHash);
    if (earlier !== undefined) return { ...earlier, isReplay: true };
    try {
      const answer = await work();
      const text = JSON.stringify(answer.body ?? null);
      const body = text.length <= LIMITS.idempotencyBodyBytes ? text : 'null';
      await this.#store.db
        .updateTable('idempotency')
        .set({ status: answer.status, body })
        .where('user_id', '=', userId)
        .where('key', '=', key)
        .execute();
      return { ...answer, isReplay: false };
    } catch (cause) {
      await this.#store.db.deleteFrom('idempotency').where('user_id', '=', userId).where('key', '=', key).execute();
      throw cause;
    }
  }

  async #claim(userId: string, key: string, routeId: string, requestHash: string): Promise<StoredAnswer | undefined> {
    const { db } = this.#store;
    const now = this.#now();
    await db
      .deleteFrom('idempotency')
      .where('created_at', '<=', now - LIMITS.idempotencyKeepMs)
      .execute();
    await this.#requireRoom(userId);
    const claimed = await db
      .insertInto('idempotency')
      .values({
        user_id: userId,
        key,
        route_id: routeId,
        request_hash: requestHash,
        status: null,
        body: null,
        created_at: now,
      })
      .onConflict((conflict) => conflict.columns(['user_id', 'key']).doNothing())
      .executeTakeFirst();
    if (claimed.numInsertedOrUpdatedRows === 1n) return undefined;
    const row = await db
      .selectFrom('idempotency')
      .selectAll()
      .where('user_id', '=', userId)
      .where('key', '=', key)
      .executeTakeFirst();
    if (row === undefined) return this.#claim(userId, key, routeId, requestHash); // It failed and was freed meanwhile.
    if (row.route_id !== routeId || row.request_hash !== requestHash) {
      throw new GatewayError('UNPROCESSABLE', 'this Idempotency-Key was used for another request');
    }
    if (row.status === null || row.body === null)
      throw new GatewayError('BUSY', 'the first request with this Idempotency-Key is still at work');
    return { status: row.status, body: JSON.parse(row.body) as unknown };
  }

  async #requireRoom(userId: string): Promise<void> {
    const { n } = await this.#store.db
      .selectFrom('idempotency')
      .select((count) => count.fn.countAll<number>().as('n'))
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow();
    if (LIMITS.idempotencyKeysPerUser <= Number(n)) {
      throw new GatewayError('TOO_MANY', `more than ${LIMITS.idempotencyKeysPerUser} Idempotency-Keys in a day`, {
        retryAfterSeconds: 3_600,
      });
    }
  }
}
