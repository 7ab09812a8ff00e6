import { expect, test } from 'vitest';
import { screenshotName } from './screenshot.ts';

test.for([
  { name: 'Demo', file: 'Demo 2026-11-21 19.30.00.png' },
  { name: '../../etc/passwd', file: 'etc-passwd 2026-11-21 19.30.00.png' },
  { name: '<img onerror>', file: 'img-onerror 2026-11-21 19.30.00.png' },
  { name: '///', file: 'desktop 2026-11-21 19.30.00.png' },
])('a screenshot of $name is called $file', ({ name, file }) => {
  expect(screenshotName(name, new Date('2026-11-21T19:30:00Z'))).toBe(file);
});
