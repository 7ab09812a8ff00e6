/**
 * Small pictures of screens. BOUNDED: one capture per desktop at a time and at most one every few seconds however many
 * people look; so many captures at once in all; so many pictures kept.
 */
import { createHash } from 'node:crypto';
import type { VmId } from '@oriel/hosts';
import type { Vm } from '../../../api/vm.ts';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import { GatewayError } from '../../errors.ts';

export const THUMBNAILS = { maxAgeMs: 2_000, capturesAtOnce: 4, kept: 500, waitMs: 5_000 } as const;

export interface Thumbnail {
  readonly png: Uint8Array;
  readonly etag: string;
  readonly takenAt: number;
}

export class Thumbnails {
  readonly #hosts: Hosts;
  readonly #now: () => number;
  /** In order of use: the first is the one used longest ago. */
  readonly #kept = new Map<string, Thumbnail>();
  readonly #capturing = new Map<string, Promise<Thumbnail>>();

  constructor(hosts: Hosts, now: () => number) {
    this.#hosts = hosts;
    this.#now = now;
  }

  async of(vm: Vm): Promise<Thumbnail> {
    const kept = this.#kept.get(vm.id);
    if (kept !== undefined && this.#now() - kept.takenAt < THUMBNAILS.maxAgeMs) return kept;
    const capturing = this.#capturing.get(vm.id);
    if (capturing !== undefined) return await capturing;
    if (THUMBNAILS.capturesAtOnce <= this.#capturing.size) {
      // An older picture now is better than a newer one later.
      if (kept !== undefined) return kept;
      throw new GatewayError('TOO_MANY', 'too many screens are being captured', { retryAfterSeconds: 1 });
    }
    const capture = this.#capture(vm).finally(() => this.#capturing.delete(vm.id));
    this.#capturing.set(vm.id, capture);
    return await capture;
  }

  forget(vmId: string): void {
    this.#kept.delete(vmId);
  }

  async #capture(vm: Vm): Promise<Thumbnail> {
    const { screen } = this.#hosts.requireDriver(vm.hostId);
    if (screen === undefined) throw new GatewayError('NOT_SUPPORTED', 'this host cannot take pictures of screens');
    const signal = AbortSignal.timeout(THUMBNAILS.waitMs);
    const shot = await screen.shot(vm.id as VmId, { maxAgeMs: THUMBNAILS.maxAgeMs, signal });
    const etag = createHash('sha256').update(shot.png).digest('base64url').slice(0, 22);
    const thumbnail = { png: shot.png, etag, takenAt: this.#now() };
    this.#kept.delete(vm.id);
    this.#kept.set(vm.id, thumbnail);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= THUMBNAILS.kept) break;
      this.#kept.delete(oldest);
    }
    return thumbnail;
  }
}
