/** Which layer decides, of each member; and of several groups the strictest. */
import { expect, test } from 'vitest';
import type { SessionRules } from '../../../api/session-rules.ts';
import { DEFAULT_POLICY } from './policy.ts';
import { type Layer, lifted, resolve } from './resolve.ts';

const of = (layer: Layer['layer'], rules: SessionRules, name: string | null = null): Layer => ({ layer, name, rules });

test('nobody says anything: the defaults', () => {
  const { policy, decidedBy } = resolve([]);
  expect(policy).toEqual(DEFAULT_POLICY);
  expect(new Set(Object.values(decidedBy).map(({ layer }) => layer))).toEqual(new Set(['default']));
});

// Seen to fail with ORDER turned around.
test.for([
  { layers: [of('gateway', { idleMs: 1000 })], idleMs: 1000, by: 'gateway' },
  { layers: [of('gateway', { idleMs: 1000 }), of('group', { idleMs: 9000 }, 'staff')], idleMs: 9000, by: 'group' },
  { layers: [of('desktop', { idleMs: null }), of('gateway', { idleMs: 1000 })], idleMs: null, by: 'desktop' },
  {
    layers: [of('pool', { idleMs: 5000 }), of('group', { idleMs: 2000 }), of('desktop', {})],
    idleMs: 5000,
    by: 'pool',
  },
  { layers: [of('desktop', { clipboard: 'off' })], idleMs: DEFAULT_POLICY.idleMs, by: 'default' },
])('idleMs is $idleMs, by $by', ({ layers, idleMs, by }) => {
  const { policy, decidedBy } = resolve(layers);
  expect(policy.idleMs).toBe(idleMs);
  expect(decidedBy.idleMs.layer).toBe(by);
});

test.for<[SessionRules, SessionRules, SessionRules]>([
  [{ clipboard: 'in' }, { clipboard: 'out' }, { clipboard: 'off' }],
  [{ clipboard: 'both' }, { clipboard: 'out' }, { clipboard: 'out' }],
  [{ clipboard: 'in' }, { clipboard: 'in' }, { clipboard: 'in' }],
  [{ clipboardBytes: 9 }, { clipboardBytes: 5 }, { clipboardBytes: 5 }],
  [{ bandwidthBytesPerSecond: null }, { bandwidthBytesPerSecond: 99_999 }, { bandwidthBytesPerSecond: 99_999 }],
  [{ idleMs: null }, { idleMs: null }, { idleMs: null }],
  [{ absoluteMs: 7000 }, { absoluteMs: 8000 }, { absoluteMs: 7000 }],
  [{ graceMs: 7000 }, { graceMs: 8000 }, { graceMs: 7000 }],
  [{ warnMs: 7000 }, { warnMs: 8000 }, { warnMs: 8000 }],
  [{ refusedKeys: ['Alt+F2'] }, { refusedKeys: ['Alt+F2', 'Super'] }, { refusedKeys: ['Alt+F2', 'Super'] }],
  [{ canResize: true }, { canResize: false }, { canResize: false }],
])('of two groups that say %j and %j the strictest is %j, in any order', ([a, b, expected]) => {
  for (const groups of [
    [of('group', a, 'a'), of('group', b, 'b')],
    [of('group', b, 'b'), of('group', a, 'a')],
  ]) {
    expect(resolve(groups).policy).toMatchObject(expected);
  }
});

test('it says which group', () => {
  const groups = [of('group', { canResize: true }, 'staff'), of('group', { canResize: false }, 'guests')];
  expect(resolve(groups).decidedBy.canResize).toEqual({ layer: 'group', name: 'guests' });
});

// Seen to fail with `lifted` that only compares with the rules before.
test.for<{ before?: SessionRules; after: SessionRules; below: SessionRules[]; is: string | undefined }>([
  { after: { clipboard: 'both' }, below: [{ clipboard: 'off' }], is: 'clipboard' },
  { after: { clipboard: 'in' }, below: [{ clipboard: 'out' }], is: 'clipboard' },
  { after: { clipboard: 'in' }, below: [{ clipboard: 'both' }], is: undefined },
  { after: { clipboard: 'both' }, below: [{}], is: undefined },
  { before: { clipboard: 'both' }, after: { clipboard: 'both' }, below: [{ clipboard: 'off' }], is: undefined },
  { after: { idleMs: null }, below: [{ idleMs: 1000 }], is: 'idleMs' },
  { after: { idleMs: 1000 }, below: [{ idleMs: 2000 }, { idleMs: 500 }], is: 'idleMs' },
  { after: { refusedKeys: ['Super', 'Alt+F2'] }, below: [{ refusedKeys: ['Alt+F2'] }], is: undefined },
  { after: { refusedKeys: [] }, below: [{ refusedKeys: ['Alt+F2'] }], is: 'refusedKeys' },
  { after: { canResize: true }, below: [{ canResize: false }], is: 'canResize' },
  { after: {}, below: [{ canResize: false }], is: undefined },
])('S59: $after lifts of $below: $is', ({ before = {}, after, below, is }) => {
  expect(lifted(before, after, below)).toBe(is);
});
