/**
 * When to try again after a lost connection. Pure, so that a test can live through an hour of failures in a millisecond.
 */

export const RECONNECT = { firstMs: 0, baseMs: 250, capMs: 8_000, jitter: 0.2, heldMs: 60_000 } as const;

/**
 * The wait before attempt number `attempt` (0 is the first after the loss). The first is immediate: most losses are a
 * changed network, and the screen should be back before the user has read that it went. Later ones double up to a cap,
 * spread by `random` (0 to 1) so that a restarted gateway does not meet every page at once.
 */
export function retryDelayMs(attempt: number, random: number): number {
  if (attempt <= 0) return RECONNECT.firstMs;
  const plain = Math.min(RECONNECT.capMs, RECONNECT.baseMs * 2 ** (attempt - 1));
  return Math.round(plain * (1 - RECONNECT.jitter + 2 * RECONNECT.jitter * random));
}
