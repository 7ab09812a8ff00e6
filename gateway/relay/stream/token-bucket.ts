/** How long a flow must rest so as to keep to a rate. Pure: the time is handed in. */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  #tokens: number;
  #at: number;

  constructor(bytesPerSecond: number, burstBytes: number, nowMs: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#burstBytes = burstBytes;
    this.#tokens = burstBytes;
    this.#at = nowMs;
  }

  /** Takes what has already flowed; gives the milliseconds until more may. */
  take(bytes: number, nowMs: number): number {
    const gained = Math.max(0, nowMs - this.#at) * this.#bytesPerMs;
    this.#at = nowMs;
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + gained) - bytes;
    return this.#tokens < 0 ? Math.ceil(-this.#tokens / this.#bytesPerMs) : 0;
  }
}
