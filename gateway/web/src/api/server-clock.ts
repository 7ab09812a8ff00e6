/** The gateway's clock, as its answers tell it: what ends at a time ends by that clock, whatever this device's says. */

/** Of the same moment. */
interface Sample {
  readonly serverMs: number;
  /** How long the answer took: the date in it is of some moment in that time. */
  readonly tookMs: number;
  readonly deviceMs: number;
}

let best: { readonly offsetMs: number; readonly tookMs: number } | undefined;

/** An answer of the gateway came. `Date` has whole seconds: the true time is half a second later on average. */
export function noteServerDate(date: string | null, tookMs: number, deviceMs: number = Date.now()): void {
  const serverMs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(serverMs)) return;
  const offsetMs = offsetOf({ serverMs, tookMs, deviceMs });
  // A device's clock may be set while a page is open: a quicker answer is better, a jump is news.
  if (best === undefined || tookMs <= best.tookMs || JUMP_MS < Math.abs(offsetMs - best.offsetMs))
    best = { offsetMs, tookMs };
}

/** Milliseconds since the epoch, now. */
export function serverNow(): number {
  return Date.now() + clockDifferenceMs();
}

/** How far the gateway's clock is ahead of this device's. */
export function clockDifferenceMs(): number {
  return best?.offsetMs ?? 0;
}

const JUMP_MS = 5_000;
/** What a second's rounding and a network explain is no difference. */
const SLACK_MS = 1_500;

/** How far the gateway's clock is ahead of this device's. Pure. */
export function offsetOf({ serverMs, tookMs, deviceMs }: Sample): number {
  const offset = serverMs + 500 + tookMs / 2 - deviceMs;
  return Math.abs(offset) < SLACK_MS ? 0 : offset;
}
