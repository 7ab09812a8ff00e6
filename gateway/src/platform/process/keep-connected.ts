/** Keeps something connected: tries again after a while, longer and longer, and at once again after it had been up. */
import { setTimeout as sleep } from 'node:timers/promises';

export const RECONNECT = { firstMs: 500, maxMs: 30_000 } as const;

export interface KeepConnectedOptions {
  /** Connects and follows; calls `isUp` once it is; returns or throws when it is lost. */
  readonly connect: (isUp: () => void) => Promise<void>;
  /** It was lost, or never came up. Not called once the signal has aborted. */
  readonly lost: (error: unknown) => void;
  readonly signal: AbortSignal;
  readonly firstMs?: number;
}

/** Settles when the signal has aborted and the last connection is let go of. */
export async function keepConnected({
  connect,
  lost,
  signal,
  firstMs = RECONNECT.firstMs,
}: KeepConnectedOptions): Promise<void> {
  let waitMs = firstMs;
  while (!signal.aborted) {
    try {
      await connect(() => (waitMs = firstMs));
    } catch (error) {
      if (signal.aborted) return;
      lost(error);
    }
    await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(2 * waitMs, RECONNECT.maxMs);
  }
}
