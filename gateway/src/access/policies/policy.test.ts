/** What an admin may write in the rules is what the broker understands. */
import { expect, test } from 'vitest';
import { KeyCombination, SessionRules } from '../../../api/session-rules.ts';
import { parseCombination } from '../../../relay/rfb/keys.ts';
import { DEFAULT_POLICY, policyOf } from './policy.ts';

test('what is left out of the rules is the default; null is no limit', () => {
  expect(policyOf({})).toEqual(DEFAULT_POLICY);
  expect(policyOf({ clipboard: 'off', idleMs: null })).toEqual({ ...DEFAULT_POLICY, clipboard: 'off', idleMs: null });
});

const NAMES = ['Control', 'Alt', 'Shift', 'Super'].flatMap((name) => [name, `${name}_L`, `${name}_R`]);
const OTHERS = ['Delete', 'BackSpace', 'Tab', 'Escape', 'Return', 'Print', 'Pause', 'F1', 'F9', 'F10', 'F12', 'a', 'z'];

test('every key that the rules take is one that the broker refuses, and no other gets in', () => {
  for (const name of [...NAMES, ...OTHERS]) {
    expect(KeyCombination.parse(`Control+${name}`)).toBeTruthy();
    expect(parseCombination(`Control+${name}`), name).toBeDefined();
  }
  for (const text of ['', 'Control+', 'F13', 'F0', 'A', 'Hyper', 'Control Alt', 'Control+Alt+Shift+Super+a+b']) {
    expect(KeyCombination.safeParse(text).success, text).toBe(false);
  }
});

test.for([
  { it: 'an idle limit of nothing', rules: { idleMs: 0 } },
  { it: 'a bandwidth that carries nothing', rules: { bandwidthBytesPerSecond: 1 } },
  { it: 'a clipboard of the whole memory', rules: { clipboardBytes: 2 ** 31 } },
])('$it is refused', ({ rules }) => {
  expect(SessionRules.safeParse(rules).success).toBe(false);
});
