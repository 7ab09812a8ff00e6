/**
 * Counts what passes on the display socket: frames a second, bytes a second, and the bursts that bandwidth is read from.
 * noVNC has no event for a finished frame, but it answers each with one FramebufferUpdateRequest (RFC 6143 7.5.3), which
 * is what `sent` looks for; a server with continuous updates is not asked, and what comes after a silence is a frame then.
 * Time is passed in.
 */
import type { Burst } from './quality.ts';

export const METER = {
  windowMs: 2_000,
  /** A longer silence ends a burst, */
  burstGapMs: 40,
  /** but not in the middle of a frame: a narrow link may rest for so long. */
  frameGapMs: 2_000,
  /** Frames that nobody asked for are at least so far apart. */
  silenceMs: 8,
  maxBursts: 24,
  maxFrames: 512,
} as const;

const UPDATE_REQUEST = { type: 3, SIZE: 10 } as const;
const ENABLE_CONTINUOUS_UPDATES = { type: 150, SIZE: 10 } as const;

export class Meter {
  #frames: number[] = [];
  #arrivals: { at: number; bytes: number }[] = [];
  #bursts: Burst[] = [];
  #isContinuous = false;
  /** Something of a frame that was asked for has come, and the next one was not asked for yet. */
  #isMidFrame = false;
  #hasAsked = false;
  #burst: { from: number; to: number; bytes: number } | undefined;

  received(bytes: number, nowMs: number): void {
    const silenceMs = nowMs - (this.#arrivals.at(-1)?.at ?? Number.NEGATIVE_INFINITY);
    if (this.#isContinuous && METER.silenceMs <= silenceMs) this.#frames.push(nowMs);
    this.#arrivals.push({ at: nowMs, bytes });
    this.#forget(nowMs);
    const gapMs = this.#isMidFrame ? METER.frameGapMs : METER.burstGapMs;
    this.#isMidFrame = this.#hasAsked && !this.#isContinuous;
    if (this.#burst !== undefined && nowMs - this.#burst.to < gapMs) {
      this.#burst.to = nowMs;
      this.#burst.bytes += bytes;
      return;
    }
    this.#endBurst();
    // The first piece of a burst only starts the clock: how long it took to arrive is not known.
    this.#burst = { from: nowMs, to: nowMs, bytes: 0 };
  }

  sent(data: Uint8Array, nowMs: number): void {
    if (data.byteLength === ENABLE_CONTINUOUS_UPDATES.SIZE && data[0] === ENABLE_CONTINUOUS_UPDATES.type) {
      this.#isContinuous = data[1] === 1;
    }
    if (data.byteLength !== UPDATE_REQUEST.SIZE || data[0] !== UPDATE_REQUEST.type || data[1] !== 1) return;
    this.#frames.push(nowMs);
    this.#hasAsked = true;
    this.#isMidFrame = false;
    this.#forget(nowMs);
  }

  framesPerSecond(nowMs: number): number {
    this.#forget(nowMs);
    return Math.round((this.#frames.length * 1000) / METER.windowMs);
  }

  bytesPerSecond(nowMs: number): number {
    this.#forget(nowMs);
    const bytes = this.#arrivals.reduce((sum, each) => sum + each.bytes, 0);
    return Math.round((bytes * 1000) / METER.windowMs);
  }

  /** The bursts since the last call. */
  takeBursts(nowMs: number): readonly Burst[] {
    const gapMs = this.#isMidFrame ? METER.frameGapMs : METER.burstGapMs;
    if (this.#burst !== undefined && gapMs <= nowMs - this.#burst.to) this.#endBurst();
    return this.#bursts.splice(0);
  }

  #endBurst(): void {
    if (this.#burst === undefined) return;
    const { from, to, bytes } = this.#burst;
    this.#burst = undefined;
    if (bytes === 0) return;
    this.#bursts.push({ bytes, ms: to - from });
    if (METER.maxBursts < this.#bursts.length) this.#bursts.shift();
  }

  #forget(nowMs: number): void {
    const from = nowMs - METER.windowMs;
    while (this.#frames[0] !== undefined && (this.#frames[0] < from || METER.maxFrames < this.#frames.length)) {
      this.#frames.shift();
    }
    while (this.#arrivals[0] !== undefined && this.#arrivals[0].at < from) this.#arrivals.shift();
  }
}
