/**
 * Picture quality by measured bandwidth. noVNC takes a JPEG quality and a zlib level, each 0 to 9 (Tight encoding,
 * pseudo-encodings -32..-23 and -256..-247); this decides which, from what the link has lately carried.
 */

export interface Picture {
  readonly quality: number;
  readonly compression: number;
}

/** What the user picks: a fixed picture, or `auto`. */
export const QUALITIES = ['auto', 'sharp', 'balanced', 'fast'] as const;
export type QualityChoice = (typeof QUALITIES)[number];

export const PICTURES: Readonly<Record<Exclude<QualityChoice, 'auto'>, Picture>> = {
  sharp: { quality: 9, compression: 2 },
  balanced: { quality: 6, compression: 4 },
  fast: { quality: 2, compression: 9 },
};

/** Steps of the automatic choice, best first: used from `fromMbit` upwards. */
const STEPS: readonly { readonly fromMbit: number; readonly picture: Picture }[] = [
  { fromMbit: 40, picture: { quality: 9, compression: 1 } },
  { fromMbit: 12, picture: { quality: 8, compression: 2 } },
  { fromMbit: 5, picture: { quality: 6, compression: 4 } },
  { fromMbit: 2, picture: { quality: 4, compression: 6 } },
  { fromMbit: 0, picture: { quality: 2, compression: 9 } },
];

/** A step up needs this much more than its threshold, so that a link at the edge does not flip to and fro. */
const UPWARD_MARGIN = 1.3;

/**
 * The picture for a link that carries `mbit` megabits a second while `now` is in use. `undefined` (nothing measured:
 * the screen stood still) keeps what is in use.
 */
export function pictureFor(mbit: number | undefined, now: Picture): Picture {
  if (mbit === undefined) return now;
  const index = STEPS.findIndex((step) => step.fromMbit <= mbit);
  const wanted = STEPS[index] ?? STEPS[STEPS.length - 1];
  if (wanted === undefined || wanted.picture.quality <= now.quality) return wanted?.picture ?? now;
  return mbit < wanted.fromMbit * UPWARD_MARGIN ? (STEPS[index + 1]?.picture ?? now) : wanted.picture;
}

export interface Burst {
  readonly bytes: number;
  readonly ms: number;
}

/** Bursts below this size say more about latency than about bandwidth. */
const TELLING_BYTES = 24 * 1024;

/** Megabits a second over the bursts that are large enough to tell, or `undefined` when none is. */
export function measuredMbit(bursts: readonly Burst[]): number | undefined {
  let bytes = 0;
  let ms = 0;
  for (const burst of bursts) {
    if (burst.bytes < TELLING_BYTES) continue;
    bytes += burst.bytes;
    ms += Math.max(burst.ms, 1);
  }
  return ms === 0 ? undefined : (bytes * 8) / 1000 / ms;
}
