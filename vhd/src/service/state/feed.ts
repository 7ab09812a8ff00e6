/**
 * Tells followers which things have changed. A follower holds the ids that it has not been told of yet, never the states
 * between: BOUNDED by the number of things, however slowly it reads.
 */
import { VhdError } from '../../errors.ts';
import type { WatchEvent } from '../control/watch-event.ts';

/** Followers at most, of one feed. */
const FOLLOWERS = 256;

export interface FeedSource<T> {
  /** All there is, for the first event. */
  readonly all: () => readonly T[] | Promise<readonly T[]>;
  /** How a thing is now; `undefined` for one that is gone. */
  readonly get: (id: string) => T | undefined | Promise<T | undefined>;
}

interface Follower {
  readonly changed: Set<string>;
  wake: () => void;
}

export class Feed<T> {
  readonly #source: FeedSource<T>;
  readonly #followers = new Set<Follower>();
  #isClosed = false;

  constructor(source: FeedSource<T>) {
    this.#source = source;
  }

  changed(id: string): void {
    for (const follower of this.#followers) {
      follower.changed.add(id);
      follower.wake();
    }
  }

  /** Ends every stream. */
  close(): void {
    this.#isClosed = true;
    for (const { wake } of this.#followers) wake();
  }

  /** All there is, then every change, until `signal` or the end. `isWanted` picks by id. Errors: TOO_LARGE. */
  async *follow(signal?: AbortSignal, isWanted: (id: string) => boolean = () => true): AsyncGenerator<WatchEvent<T>> {
    if (FOLLOWERS <= this.#followers.size) throw new VhdError('TOO_LARGE', `${FOLLOWERS} followers are here already`);
    const follower: Follower = { changed: new Set(), wake: () => undefined };
    const wake = (): void => follower.wake();
    const isOver = (): boolean => this.#isClosed || signal?.aborted === true;
    this.#followers.add(follower);
    signal?.addEventListener('abort', wake);
    try {
      // Begun before: what changes while the list is made is told after it.
      yield { kind: 'all', all: await this.#source.all() };
      while (!isOver()) {
        const woken = new Promise<void>((resolve) => {
          follower.wake = resolve;
        });
        if (follower.changed.size === 0) await woken;
        yield* this.#take(follower, isWanted);
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#followers.delete(follower);
    }
  }

  async *#take({ changed }: Follower, isWanted: (id: string) => boolean): AsyncGenerator<WatchEvent<T>> {
    for (const id of changed) {
      changed.delete(id);
      if (!isWanted(id)) continue;
      const item = await this.#source.get(id);
      yield item === undefined ? { kind: 'removed', id } : { kind: 'changed', item };
    }
  }
}
