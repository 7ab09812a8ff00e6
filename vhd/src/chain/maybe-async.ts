/** Helpers for calls that may be answered at once. */
import type { MaybeAsync } from '../disk.ts';

/** Waits for all, also where one fails: nobody uses the caller's buffer afterwards. Then the first failure, if any. */
export function all(waits: readonly Promise<void>[]): MaybeAsync {
  if (waits.length < 2) return waits[0];
  return settle(waits);
}

async function settle(waits: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(waits);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
