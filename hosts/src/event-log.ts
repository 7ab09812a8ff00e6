/**
 * A driver's events: a ring that any number of watchers read at their own pace. BOUNDED: nothing is queued for a watcher;
 * one that falls off the ring, or comes with a cursor from before it, starts over with a resync.
 */
import type { CallOptions, HostEvent, HostEventBody, VmObservation } from './driver.ts';
import type { Cursor } from './ids.ts';

export const EVENT_LOG_LIMITS = { events: 4096, watchers: 256 } as const;

export class EventLog {
  readonly #ring: HostEvent[] = [];
  readonly #wakers = new Set<() => void>();
  readonly #now: () => number;
  #next: number;
  /** Cursor of the newest event that is no longer in the ring: whoever stands before it has missed something. */
  #forgotten: number;
  #closed = false;

  /** Cursors start at the clock in microseconds: they grow across restarts of whoever holds the driver. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#next = now() * 1000;
    this.#forgotten = this.#next;
  }

  get watchers(): number {
    return this.#wakers.size;
  }

  emit(body: HostEventBody): HostEvent {
    const event: HostEvent = { cursor: this.#take(), at: this.#now(), ...body };
    this.#ring.push(event);
    if (EVENT_LOG_LIMITS.events < this.#ring.length) this.#forgotten = (this.#ring.shift() as HostEvent).cursor;
    for (const wake of this.#wakers) wake();
    return event;
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#wakers) wake();
  }

  /** `snapshot` is taken in the same turn as the cursor of the resync that carries it, so no event is lost between. */
  async *watch(
    snapshot: () => readonly VmObservation[],
    since: Cursor | undefined,
    options: CallOptions = {},
  ): AsyncGenerator<HostEvent, void, undefined> {
    const { signal } = options;
    let position = since === undefined ? -1 : since;
    let wake = (): void => {};
    const waker = (): void => wake();
    signal?.addEventListener('abort', waker);
    this.#wakers.add(waker);
    try {
      while (!this.#closed && signal?.aborted !== true) {
        if (!this.#remembers(position)) {
          const resync: HostEvent = { cursor: this.#take(), at: this.#now(), kind: 'resync', vms: snapshot() };
          position = resync.cursor;
          yield resync;
          continue;
        }
        const event = this.#after(position);
        if (event === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        position = event.cursor;
        yield event;
      }
    } finally {
      signal?.removeEventListener('abort', waker);
      this.#wakers.delete(waker);
    }
  }

  #take(): Cursor {
    this.#next += 1;
    return this.#next as Cursor;
  }

  #remembers(position: number): boolean {
    return this.#forgotten <= position && position <= this.#next;
  }

  #after(position: number): HostEvent | undefined {
    let low = 0;
    let high = this.#ring.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ring[middle] as HostEvent).cursor <= position) low = middle + 1;
      else high = middle;
    }
    return this.#ring[low];
  }
}
