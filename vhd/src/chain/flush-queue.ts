/**
 * Flushes that share their syncs. A flush covers what was written before it began, so who asks while one runs waits for
 * the next, together with everybody else who asks until then.
 */

/** Runs one flush at a time. */
export class FlushQueue {
  readonly #flush: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(flush: () => Promise<void>) {
    this.#flush = flush;
  }

  /** The result of a flush that begins after this call. */
  join(): Promise<void> {
    this.#next ??= this.#enqueue();
    return this.#next;
  }

  /** BOUNDED: starts a flush `ms` from now unless there is one before. A failure is told to the next who asks. */
  joinWithin(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.join().catch(() => undefined);
    }, ms);
    this.#timer.unref();
  }

  /** No flush starts by itself any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #enqueue(): Promise<void> {
    const next: Promise<void> = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#running = next;
        this.#next = undefined;
        this.stop();
        return this.#flush();
      });
    return next;
  }
}
