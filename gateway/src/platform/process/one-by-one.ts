/** Runs work of the same key one after the other, and of different keys at once. BOUNDED: a queue that is too long refuses. */
import { GatewayError } from '../../errors.ts';

const LIMITS = { waitingPerKey: 20 } as const;

export class OneByOne {
  readonly #queues = new Map<string, { last: Promise<unknown>; length: number }>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? { last: Promise.resolve(), length: 0 };
    if (LIMITS.waitingPerKey <= queue.length)
      throw new GatewayError('TOO_MANY', 'too many tries at once', { retryAfterSeconds: 2 });
    this.#queues.set(key, queue);
    queue.length += 1;
    const before = queue.last;
    const mine = before.then(work, work);
    queue.last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      queue.length -= 1;
      if (queue.length === 0) this.#queues.delete(key);
    }
  }
}
