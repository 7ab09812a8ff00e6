/** Which windows want the stream of events. One that crashed says no goodbye: who was not heard of for a while is gone. Pure. */

/** What a window tells the worker. */
export interface LiveWish {
  readonly isWanted: boolean;
  /** Of the stream; and who is signed in: another person begins anew. */
  readonly address: string;
  readonly userId: string;
}

export const LIVE_BEAT = { everyMs: 20_000, goneMs: 90_000 } as const;

export class LiveReaders<Window> {
  readonly #heard = new Map<Window, number>();

  /** Gives whether the stream is wanted now. */
  wish(window: Window, isWanted: boolean, now: number): boolean {
    if (isWanted) this.#heard.set(window, now);
    else this.#heard.delete(window);
    return this.isWanted(now);
  }

  isWanted(now: number): boolean {
    for (const [window, at] of this.#heard) if (LIVE_BEAT.goneMs < now - at) this.#heard.delete(window);
    return 0 < this.#heard.size;
  }
}
