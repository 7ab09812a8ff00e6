/** Against the definition: no byte that is not zero is left out, and what is left out is as much as pays. */
import { describe, expect, test } from 'vitest';
import { Random } from '../testing/random.ts';
import { dataRuns, isZero } from './zeros.ts';

const PAGE = 4096;
/** 256 pages, those with data in them said by their number. */
function pages(isData: (page: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(256 * PAGE);
  // At the end of a page: its first bytes alone do not tell.
  for (let page = 0; page < 256; page++) if (isData(page)) bytes[(page + 1) * PAGE - 1] = 1;
  return bytes;
}
const stored = (bytes: Uint8Array): number => dataRuns(bytes).reduce((sum, { start, end }) => sum + end - start, 0);

describe('the runs of data in a buffer', () => {
  test.for([
    { it: 'one page in sixteen', isData: (page: number) => page % 16 === 5, pages: 16 },
    { it: 'one page in five', isData: (page: number) => page % 5 === 0, pages: 52 },
    { it: 'every other page, which would take a call each', isData: (page: number) => page % 2 === 0, pages: 255 },
    { it: 'nothing', isData: () => false, pages: 0 },
    { it: 'everything', isData: () => true, pages: 256 },
    { it: 'the first and the last page', isData: (page: number) => page % 255 === 0, pages: 2 },
  ])('$it', ({ isData, pages: wanted }) => {
    expect(stored(pages(isData)) / PAGE).toBe(wanted);
  });

  test('are in order, inside, apart, and all else is zero, at any offset and length', () => {
    const random = new Random(4);
    for (let i = 0; i < 200; i++) {
      const bytes = pages(() => random.chance(0.1));
      const start = random.below(20_000);
      const end = start + random.below(bytes.length - start);
      let at = start;
      for (const run of dataRuns(bytes, start, end)) {
        expect(at <= run.start && run.start < run.end && run.end <= end).toBe(true);
        expect(isZero(bytes, at, run.start)).toBe(true);
        at = run.end;
      }
      expect(isZero(bytes, at, end)).toBe(true);
    }
  });
});
