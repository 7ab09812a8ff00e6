import { expect, test } from 'vitest';
import type { SessionRules } from '../../../../api/session-rules.ts';
import { describeRules, formOf, rulesOf } from './rules-form.ts';

test.for<SessionRules>([
  {},
  { clipboard: 'in' },
  { idleMs: 900_000, absoluteMs: null },
  { bandwidthBytesPerSecond: 312_500, refusedKeys: ['Control+Alt+Delete', 'F11'] },
  { warnMs: 5_000, graceMs: 10_000, canResize: false, clipboard: 'off' },
])('a form gives back the rules that it shows and those that it does not: %j', (rules) => {
  expect(rulesOf(formOf(rules), rules)).toEqual(rules);
});

test('what is emptied goes back to the default, 0 is no limit', () => {
  const form = { ...formOf({ clipboard: 'off', idleMs: 60_000 }), clipboard: '' as const, idleMinutes: '0' };
  expect(rulesOf(form, { clipboard: 'off', idleMs: 60_000 })).toEqual({ idleMs: null });
});

test.for<{ rules: SessionRules; text: string }>([
  { rules: {}, text: 'As the groups and the gateway say' },
  {
    rules: { clipboard: 'in', idleMs: 900_000, absoluteMs: null, refusedKeys: ['F11'] },
    text: 'clipboard only to the desktop; ends after 15 idle minutes; no limit in all; refuses F11',
  },
])('rules in a line: $text', ({ rules, text }) => {
  expect(describeRules(rules)).toBe(text);
});
