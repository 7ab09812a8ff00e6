/**
 * The stream of live events: opened while somebody looks, resumed after a gap. Runs in the worker that all windows of the
 * browser share, or in a page where there is no such worker. Imports nothing: a worker is to be small.
 */

/** What a page is told. */
export type LiveNews =
  | { readonly kind: 'event'; readonly data: string }
  /** It was lost and is back: the gateway answers again. */
  | { readonly kind: 'back' }
  /** The gap was too long: everything that is shown is to be fetched again. */
  | { readonly kind: 'reset' };

const REOPEN_MS = 5_000;

export class LiveStream {
  readonly #tell: (news: LiveNews) => void;
  #address: string | undefined;
  #source: EventSource | undefined;
  #lastId: string | undefined;
  #reopen: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (news: LiveNews) => void) {
    this.#tell = tell;
  }

  /** `address`: of the stream, without the place to resume at. */
  open(address: string): void {
    if (this.#source !== undefined && this.#address === address) return;
    this.#address = address;
    this.#connect();
  }

  /** Until it is opened again; where it was is kept. */
  close(): void {
    clearTimeout(this.#reopen);
    this.#source?.close();
    this.#source = undefined;
  }

  /** Another person, who has seen nothing yet. */
  forget(): void {
    this.close();
    this.#lastId = undefined;
  }

  #connect(): void {
    this.close();
    if (this.#address === undefined) return;
    const after = this.#lastId === undefined ? '' : `?after=${encodeURIComponent(this.#lastId)}`;
    const opened = new EventSource(this.#address + after);
    this.#source = opened;
    let wasLost = false;
    opened.onmessage = (message: MessageEvent<string>) => {
      this.#lastId = message.lastEventId;
      this.#tell({ kind: 'event', data: message.data });
    };
    opened.onopen = () => {
      if (wasLost) this.#tell({ kind: 'back' });
      wasLost = false;
    };
    opened.addEventListener('reset', () => this.#tell({ kind: 'reset' }));
    opened.onerror = () => {
      wasLost = true;
      // The browser tries again by itself after a network loss, but not after an HTTP error: those we try again, slowly.
      if (opened.readyState !== EventSource.CLOSED || this.#source !== opened) return;
      this.#reopen = setTimeout(() => this.#connect(), REOPEN_MS);
    };
  }
}
