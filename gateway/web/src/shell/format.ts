/** Sizes and times for people, in the language of the browser. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** 1536 is `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (1024 <= value && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || 100 <= value ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit]}`;
}

const timeOf = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** An ISO time as the reader's clock has it; a dash for none. */
export function formatTime(iso: string | null): string {
  return iso === null ? '–' : timeOf.format(new Date(iso));
}

const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' });
const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** "5 min. ago", "in 2 days". */
export function formatAgo(iso: string | null, now: number): string {
  if (iso === null) return '–';
  const seconds = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (size <= Math.abs(seconds)) return ago.format(Math.round(seconds / size), unit);
  }
  return ago.format(Math.round(seconds), 'second');
}
