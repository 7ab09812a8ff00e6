import { expect, test } from 'vitest';
import { isMissingPart, isOther } from './update.ts';

const page = (script: string): string => `<html><script type="module" crossorigin src="${script}"></script></html>`;

test.for([
  { it: 'the same version', own: '/assets/index-a1.js', first: page('/assets/index-a1.js'), other: false },
  { it: 'another one', own: '/assets/index-a1.js', first: page('/assets/index-b2.js'), other: true },
  { it: 'the page of a proxy that is in the way', own: '/assets/index-a1.js', first: '<h1>502</h1>', other: false },
  { it: 'a page that does not know itself', own: '', first: page('/assets/index-b2.js'), other: false },
])('$it', ({ own, first, other }) => {
  expect(isOther(own, first)).toBe(other);
});

test('a part that is gone is told from a fault', () => {
  expect(isMissingPart(new TypeError('Failed to fetch dynamically imported module: http://x/a.js'))).toBe(true);
  expect(isMissingPart(new TypeError('error loading dynamically imported module: http://x/a.js'))).toBe(true);
  expect(isMissingPart(new TypeError('Importing a module script failed.'))).toBe(true);
  expect(isMissingPart(new TypeError('a is not a function'))).toBe(false);
});
