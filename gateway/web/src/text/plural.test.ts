import { expect, test } from 'vitest';
import { pluralOf } from './plural.ts';

test.for([
  { language: 'en', count: 1, said: '1 character' },
  { language: 'en', count: 0, said: '0 characters' },
  { language: 'en', count: 1234, said: '1,234 characters' },
  { language: 'de', count: 1234, said: '1.234 characters' },
  { language: 'zh-Hans', count: 1, said: '1 characters' },
])('$language: $count', ({ language, count, said }) => {
  expect(pluralOf(language)(count, { one: '# character', other: '# characters' })).toBe(said);
});
