/**
 * Small pictures of screens. BOUNDED: one capture per desktop at a time and at most one every few seconds however many
 * people look; so many captures at once in all; so many pictures kept.
 */
import { createHash } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import type { Desktops } from './desktops.ts';

export const THUMBNAILS = { maxAgeMs: 2_000, capturesAtOnce: 4, kept: 500, waitMs: 5_000 } as const;

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

  constructor(desktops: Pick<Desktops, 'picture'>, now: () => number) {
    this.#desktops = desktops;
    this.#now = now;
  }

  async of(desktopId: string): Promise<Thumbnail> {
    const kept = this.#kept.get(desktopId);
    if (kept !== undefined && this.#now() - kept.takenAt < THUMBNAILS.maxAgeMs) return kept;
    const capturing = this.#capturing.get(desktopId);
    if (capturing !== undefined) return await capturing;
    if (THUMBNAILS.capturesAtOnce <= this.#capturing.size) {
      // An older picture now is better than a newer one later.
      if (kept !== undefined) return kept;
      throw new GatewayError('TOO_MANY', 'too many screens are being captured', { retryAfterSeconds: 1 });
    }
    const capture = this.#capture(desktopId).finally(() => this.#capturing.delete(desktopId));
    this.#capturing.set(desktopId, capture);
    return await capture;
  }

  forget(desktopId: string): void {
    this.#kept.delete(desktopId);
  }

  async #capture(desktopId: string): Promise<Thumbnail> {
    const signal = AbortSignal.timeout(THUMBNAILS.waitMs);
    const png = await this.#desktops.picture(desktopId, { maxAgeMs: THUMBNAILS.maxAgeMs, signal });
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
