/**
 * Round-trip time to the gateway, by a small request now and then. (RFB has no ping that QEMU answers at once: its
 * update timer would be measured instead of the network.)
 */

export class PingMonitor {
  static readonly LIMITS = { everyMs: 4_000, timeoutMs: 4_000, kept: 5, deadAfterMs: 6_000 } as const;

  #times: number[] = [];
  #lastAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #abort: AbortController | undefined;

  /** The median of the last few. */
  get roundTripMs(): number | undefined {
    const sorted = this.#times.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  get isFailing(): boolean {
    return 0 < this.#failures;
  }

  tick(now: number): void {
    if (now - this.#lastAt < PingMonitor.LIMITS.everyMs || document.visibilityState !== 'visible') return;
    this.#lastAt = now;
    void this.#measure();
  }

  stop(): void {
    this.#abort?.abort();
  }

  async #measure(): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const timer = setTimeout(() => abort.abort('timeout'), PingMonitor.LIMITS.timeoutMs);
    const from = performance.now();
    try {
      await fetch('/healthz', { cache: 'no-store', credentials: 'omit', signal: abort.signal });
      this.#failures = 0;
      this.#times = [
        ...this.#times.slice(1 - PingMonitor.LIMITS.kept),
        Math.max(1, Math.round(performance.now() - from)),
      ];
    } catch {
      if (this.#abort === abort) this.#failures += 1;
    } finally {
      clearTimeout(timer);
    }
  }
}
