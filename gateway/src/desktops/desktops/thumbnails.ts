/**
 * Small pictures of screens. BOUNDED: one capture per desktop at a time and at most one every few seconds however many
 * people look; so many captures at once in all, and of one person; so many pictures kept.
 */
import { createHash } from 'node:crypto';
import { FairQueue } from '../../platform/process/fair-queue.ts';
import type { Desktops } from './desktops.ts';

/** `maxWidth`: pixels; a card is 300 wide, and many screens have two for one of a page. */
export const THUMBNAILS = {
  maxAgeMs: 2_000,
  maxWidth: 480,
  captures: { atOnce: 4, atOnceEach: 2, waiting: 200 },
  kept: 500,
  waitMs: 5_000,
} as const;

export interface Thumbnail {
  readonly png: Uint8Array;
  readonly etag: string;
  readonly takenAt: number;
}

export class Thumbnails {
  readonly #desktops: Pick<Desktops, 'picture'>;
  readonly #now: () => number;
  /** In order of use: the first is the one used longest ago. */
  readonly #kept = new Map<string, Thumbnail>();
  readonly #capturing = new Map<string, Promise<Thumbnail>>();
  readonly #queue = new FairQueue(THUMBNAILS.captures, 'too many screens are being captured');

  constructor(desktops: Pick<Desktops, 'picture'>, now: () => number) {
    this.#desktops = desktops;
    this.#now = now;
  }

  /** For this person: who looks at many screens waits for themselves. Errors: TOO_MANY. */
  async of(desktopId: string, userId: string): Promise<Thumbnail> {
    return await (this.#known(desktopId) ??
      // Looked for again when its turn comes: somebody else may have it by then.
      this.#queue.run(userId, async () => await (this.#known(desktopId) ?? this.#begin(desktopId))));
  }

  /** One that is young enough, or that is being taken. */
  #known(desktopId: string): Thumbnail | Promise<Thumbnail> | undefined {
    const kept = this.#kept.get(desktopId);
    const isYoung = kept !== undefined && this.#now() - kept.takenAt < THUMBNAILS.maxAgeMs;
    return isYoung ? kept : this.#capturing.get(desktopId);
  }

  #begin(desktopId: string): Promise<Thumbnail> {
    const capture = this.#capture(desktopId).finally(() => this.#capturing.delete(desktopId));
    this.#capturing.set(desktopId, capture);
    return capture;
  }

  forget(desktopId: string): void {
    this.#kept.delete(desktopId);
  }

  async #capture(desktopId: string): Promise<Thumbnail> {
    const signal = AbortSignal.timeout(THUMBNAILS.waitMs);
    const { maxAgeMs, maxWidth } = THUMBNAILS;
    const png = await this.#desktops.picture(desktopId, { maxAgeMs, maxWidth, signal });
    const etag = createHash('sha256').update(png).digest('base64url').slice(0, 22);
    const thumbnail = { png, etag, takenAt: this.#now() };
    this.#kept.delete(desktopId);
    this.#kept.set(desktopId, thumbnail);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= THUMBNAILS.kept) break;
      this.#kept.delete(oldest);
    }
    return thumbnail;
  }
}
