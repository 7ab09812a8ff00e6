/** What stays, over days, clock changes and years. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Retention } from '../../../api/backup.ts';
import { type RetainedPoint, retain } from './retention.ts';

const HOUR = 3_600_000;
const at = (iso: string): number => Date.parse(iso);
const point = (createdAt: number, more: Partial<RetainedPoint> = {}): RetainedPoint => ({
  id: new Date(createdAt).toISOString(),
  createdAt,
  isPinned: false,
  keptUntil: null,
  isGood: true,
  ...more,
});
const every = (from: string, stepMs: number, count: number): RetainedPoint[] =>
  Array.from({ length: count }, (_, i) => point(at(from) + i * stepMs));
const keep = (counts: Partial<Retention>) => Retention.parse(counts);

function stay(points: readonly RetainedPoint[], counts: Partial<Retention>, timeZone = 'UTC'): string[] {
  return retain(points, keep(counts), { timeZone, now: at('2030-01-01T00:00:00Z') })
    .filter(({ keptFor }) => keptFor !== undefined)
    .map(({ id }) => id)
    .reverse();
}

describe('retention', () => {
  test('keeps the newest of each period, and so many of them', () => {
    const points = every('2026-03-01T00:30:00Z', 6 * HOUR, 40); // Ten days, four a day.
    expect(stay(points, { daily: 3 })).toEqual([
      '2026-03-08T18:30:00.000Z',
      '2026-03-09T18:30:00.000Z',
      '2026-03-10T18:30:00.000Z',
    ]);
    expect(stay(points, { last: 2, weekly: 2 })).toEqual([
      '2026-03-08T18:30:00.000Z',
      '2026-03-10T12:30:00.000Z',
      '2026-03-10T18:30:00.000Z',
    ]);
  });

  test('days are those of the time zone, and the hour that comes twice is two', () => {
    const points = [point(at('2026-03-01T22:30:00Z')), point(at('2026-03-01T23:30:00Z'))];
    expect(stay(points, { daily: 5 })).toHaveLength(1);
    expect(stay(points, { daily: 5 }, 'Europe/Berlin')).toHaveLength(2);
    const autumn = every('2026-10-25T00:10:00Z', HOUR / 2, 4); // 2:10, 2:40, 2:10, 2:40 in Berlin.
    expect(stay(autumn, { hourly: 9 }, 'Europe/Berlin')).toEqual([
      '2026-10-25T00:40:00.000Z',
      '2026-10-25T01:40:00.000Z',
    ]);
  });

  test('weeks are those of ISO 8601, also around the new year', () => {
    const days = every('2026-12-28T12:00:00Z', 24 * HOUR, 14); // W53 of 2026, then W01 of 2027.
    const verdicts = retain(days, keep({ weekly: 9 }), { timeZone: 'UTC', now: 0 });
    expect(verdicts.filter(({ keptFor }) => keptFor !== undefined).map(({ keptFor }) => keptFor)).toEqual([
      'the newest',
      'weekly 2026-W53',
    ]);
  });

  test('what is pinned or has to be kept stays, and takes nobody’s place', () => {
    const points = every('2026-03-01T00:00:00Z', 24 * HOUR, 5);
    const pinned = points.map((one, i) => (i === 0 ? { ...one, isPinned: true } : one));
    expect(stay(pinned, { last: 1 })).toEqual([points[0]?.id, points[4]?.id]);
    const held = points.map((one, i) => (i === 1 ? { ...one, keptUntil: at('2031-01-01T00:00:00Z') } : one));
    expect(stay(held, { last: 1 })).toEqual([points[1]?.id, points[4]?.id]);
  });

  test('a damaged one never takes the place of a good one', () => {
    const points = every('2026-03-01T00:00:00Z', 24 * HOUR, 4).map((one, i) =>
      i === 3 ? { ...one, isGood: false } : one,
    );
    expect(stay(points, { last: 1 })).toEqual([points[2]?.id, points[3]?.id]);
  });

  test('over ten years of daily runs, applied each day, it keeps what it says it keeps', () => {
    const counts = keep({ daily: 7, weekly: 5, monthly: 12, yearly: 5 });
    let points: RetainedPoint[] = [];
    for (let day = 0; day < 3650; day++) {
      points.push(point(at('2020-01-01T03:00:00Z') + day * 24 * HOUR));
      const verdicts = new Map(
        retain(points, counts, { timeZone: 'UTC', now: 0 }).map(({ id, keptFor }) => [id, keptFor]),
      );
      points = points.filter(({ id }) => verdicts.get(id) !== undefined);
    }
    expect(points.length).toBeLessThanOrEqual(29);
    const ages = points.map(({ createdAt }) => Math.round((at('2029-12-28T03:00:00Z') - createdAt) / (24 * HOUR)));
    expect(ages.filter((age) => age < 7)).toHaveLength(7);
    expect(new Set(points.map(({ id }) => id.slice(0, 4))).size).toBe(5);
    expect(new Set(points.map(({ id }) => id.slice(0, 7))).size).toBeGreaterThanOrEqual(12);
  });

  test('in whatever order they come, the same stay, and the newest good one always does', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.boolean()), { minLength: 1, maxLength: 30 });
    const counts = fc.record({ last: fc.nat(3), hourly: fc.nat(3), daily: fc.nat(3), yearly: fc.nat(2) });
    fc.assert(
      fc.property(points, counts, (hours, asked) => {
        if (Object.values(asked).every((count) => count === 0)) return;
        const unique = [...new Map(hours).entries()].map(([hour, isGood]) => point(hour * HOUR, { isGood }));
        const first = stay(unique, asked);
        expect(stay(unique.toReversed(), asked)).toEqual(first);
        const newest = unique.filter(({ isGood }) => isGood).toSorted((a, b) => b.createdAt - a.createdAt)[0];
        if (newest !== undefined) expect(first).toContain(newest.id);
      }),
    );
  });
});
