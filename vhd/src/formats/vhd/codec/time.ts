/** Times in images are seconds since 2000-01-01 00:00 UTC in a u32. Spec: "Time Stamp". */

const EPOCH_2000_SECONDS = 946_684_800;

/** A date as an image stores it; dates outside of what fits become the nearest that does. */
export function vhdSeconds(date: Date): number {
  return Math.min(0xffff_ffff, Math.max(0, Math.floor(date.getTime() / 1000) - EPOCH_2000_SECONDS));
}

/**
 * The date a stored time means. Writers that forgot the epoch store seconds since 1970, thirty years too many
 * (quirk 15): a date that lies more than a day in the future is read that way. Never a reason to refuse an image.
 */
export function dateOf(seconds: number, now: Date = new Date()): Date {
  const date = new Date((seconds + EPOCH_2000_SECONDS) * 1000);
  return now.getTime() + 86_400_000 < date.getTime() ? new Date(seconds * 1000) : date;
}
