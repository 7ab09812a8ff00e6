/** Which restore points stay: the newest of each of so many hours, days, weeks, months and years, in a time zone. Pure. */
import type { Retention } from '../../../api/backup.ts';

export interface RetainedPoint {
  readonly id: string;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly isPinned: boolean;
  /** ms since 1970; until then it stays whatever else is so. */
  readonly keptUntil: number | null;
  /** False: it is damaged or cannot be read, and counts for nothing. */
  readonly isGood: boolean;
}

export interface Verdict {
  readonly id: string;
  /** Why it stays; undefined: it goes. */
  readonly keptFor: string | undefined;
}

const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

/**
 * What becomes of each, newest first. The newest good one always stays, whatever was asked for; one that is damaged stays
 * as long as it would if it were good, so that a person sees it, but takes nobody's place.
 */
export function retain(
  points: readonly RetainedPoint[],
  kept: Retention,
  { timeZone, now }: { readonly timeZone: string; readonly now: number },
): Verdict[] {
  const newestFirst = points.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  const reasons = new Map<string, string>();
  const keep = (id: string, reason: string): void => {
    if (!reasons.has(id)) reasons.set(id, reason);
  };
  for (const { id, isPinned, keptUntil } of newestFirst) {
    if (isPinned) keep(id, 'pinned');
    if (keptUntil !== null && now < keptUntil) keep(id, `kept until ${new Date(keptUntil).toISOString()}`);
  }
  const good = newestFirst.filter(({ isGood }) => isGood);
  const [newest] = good;
  if (newest !== undefined) keep(newest.id, 'the newest');
  for (const [at, { id }] of good.entries()) if (at < kept.last) keep(id, `last ${at + 1} of ${kept.last}`);
  const names = namesIn(timeZone);
  for (const period of PERIODS) {
    const seen = new Set<string>();
    for (const { id, createdAt } of good) {
      const name = names[period](createdAt);
      if (seen.has(name)) continue;
      if (kept[period] <= seen.size) break;
      seen.add(name);
      keep(id, `${period} ${name}`);
    }
  }
  for (const { id, createdAt, isGood } of newestFirst) {
    if (isGood) continue;
    // Older than all that stays: its time is over.
    const oldest = good.findLast((one) => reasons.has(one.id));
    if (oldest === undefined || oldest.createdAt <= createdAt) keep(id, 'damaged: look at it, then remove it');
  }
  return newestFirst.map(({ id }) => ({ id, keptFor: reasons.get(id) }));
}

type Names = Readonly<Record<(typeof PERIODS)[number], (at: number) => string>>;

/** The name of the hour, day, … that a time is in. */
function namesIn(timeZone: string): Names {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  });
  const partsOf = (at: number): Record<string, string> =>
    Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const day = (at: number): string => {
    const { year, month, day: date } = partsOf(at);
    return `${year}-${month}-${date}`;
  };
  return {
    // The hour that comes twice in autumn is two.
    hourly: (at) => {
      const parts = partsOf(at);
      return `${day(at)} ${parts['hour']}:00 ${parts['timeZoneName']}`;
    },
    daily: day,
    weekly: (at) => isoWeek(day(at)),
    monthly: (at) => day(at).slice(0, 7),
    yearly: (at) => day(at).slice(0, 4),
  };
}

/** ISO 8601: weeks begin on Monday, and belong to the year of their Thursday. */
function isoWeek(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  const thursday = new Date(date);
  thursday.setUTCDate(date.getUTCDate() + 4 - (date.getUTCDay() || 7));
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = Math.ceil((thursday.getTime() - first) / 86_400_000 / 7 + 1 / 7);
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
