/** Every pair of wanted and observed has one row. */
import type { VmState as HostVmState } from '@oriel/hosts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Action, decide, type Intent, type Observed } from './decide.ts';

const ASKED_AT = 1000;
const states = {
  fresh: { state: 'stopped', reason: 'never-started' },
  guestOff: { state: 'stopped', reason: 'guest' },
  stopped: { state: 'stopped', reason: 'requested' },
  died: { state: 'stopped', reason: 'died' },
  starting: { state: 'starting' },
  running: { state: 'running' },
  paused: { state: 'paused', reason: { kind: 'requested' } },
  crashed: { state: 'paused', reason: { kind: 'guest-crashed' } },
  blocked: {
    state: 'paused',
    reason: { kind: 'io-error', device: 'disk0' as never, operation: 'write', isOutOfSpace: true, message: 'no space' },
  },
  stopping: { state: 'stopping', forceAt: 9 },
  saving: { state: 'saving' },
  saved: { state: 'saved', savedAt: 5 },
  broken: { state: 'broken', code: 'VM_BROKEN', message: 'no manifest' },
} as const satisfies Record<string, HostVmState>;
type Name = keyof typeof states;

function intent(change: Partial<Intent> = {}): Intent {
  return { wanted: 'running', wantedAt: ASKED_AT, isForced: false, isDeleting: false, generation: 1, ...change };
}
function observed(name: Name | 'absent', change: { since?: number; generation?: number } = {}): Observed {
  if (name === 'absent') return { state: 'absent' };
  return { state: 'present', vm: states[name], since: ASKED_AT + 1, generation: 1, ...change };
}

const start: Action = { do: 'power', verb: 'start', isPaused: false };
const startPaused: Action = { do: 'power', verb: 'start', isPaused: true };
const power = (verb: 'stop' | 'kill' | 'pause' | 'resume' | 'save' | 'discard'): Action => ({ do: 'power', verb });
const apply: Action = { do: 'apply' };

/** One column per observed state, one row per wanted state. */
const TABLE: Record<Intent['wanted'], Record<Name | 'absent', Action | 'accept' | undefined>> = {
  running: {
    absent: start,
    fresh: start,
    guestOff: 'accept',
    stopped: start,
    died: start,
    starting: undefined,
    running: undefined,
    paused: power('resume'),
    crashed: undefined,
    blocked: power('resume'),
    stopping: undefined,
    saving: undefined,
    saved: start,
    broken: start,
  },
  paused: {
    absent: startPaused,
    fresh: startPaused,
    guestOff: 'accept',
    stopped: startPaused,
    died: startPaused,
    starting: undefined,
    running: power('pause'),
    paused: undefined,
    crashed: undefined,
    blocked: undefined,
    stopping: undefined,
    saving: undefined,
    saved: startPaused,
    broken: startPaused,
  },
  stopped: {
    absent: undefined,
    fresh: undefined,
    guestOff: undefined,
    stopped: undefined,
    died: undefined,
    starting: undefined,
    running: power('stop'),
    paused: power('stop'),
    crashed: power('stop'),
    blocked: power('stop'),
    stopping: undefined,
    saving: undefined,
    saved: undefined,
    broken: undefined,
  },
  saved: {
    absent: 'accept',
    fresh: 'accept',
    guestOff: 'accept',
    stopped: 'accept',
    died: 'accept',
    starting: undefined,
    running: power('save'),
    paused: power('save'),
    crashed: power('save'),
    blocked: power('save'),
    stopping: undefined,
    saving: undefined,
    saved: undefined,
    broken: undefined,
  },
};

const rows = Object.entries(TABLE).flatMap(([wanted, columns]) =>
  Object.entries(columns).map(([name, action]) => ({
    wanted: wanted as Intent['wanted'],
    name: name as Name | 'absent',
    action,
  })),
);

describe('decide', () => {
  test.for(rows)('wanted $wanted, observed $name', ({ wanted, name, action }) => {
    const got = decide(intent({ wanted }), observed(name));
    if (action === 'accept') expect(got).toMatchObject({ do: 'accept', wanted: 'stopped' });
    else expect(got).toEqual(action);
  });

  test('a shutdown from before somebody asked for it to run is history', () => {
    expect(decide(intent(), observed('guestOff', { since: ASKED_AT - 1 }))).toEqual(start);
  });

  test.for([
    { name: 'running', action: power('kill') },
    { name: 'paused', action: power('kill') },
    { name: 'stopping', action: power('kill') },
    { name: 'starting', action: power('kill') },
    { name: 'saved', action: power('discard') },
    { name: 'stopped', action: undefined },
  ] as const)('forced stop of one that is $name', ({ name, action }) => {
    expect(decide(intent({ wanted: 'stopped', isForced: true }), observed(name))).toEqual(action);
  });

  test.for([
    { name: 'absent', action: { do: 'forget' } },
    { name: 'stopped', action: { do: 'remove' } },
    { name: 'saved', action: power('discard') },
    { name: 'broken', action: { do: 'remove' } },
    { name: 'running', action: power('kill') },
    { name: 'stopping', action: power('kill') },
    { name: 'saving', action: undefined },
  ] as const)('deletion of one that is $name, whatever is wanted', ({ name, action }) => {
    for (const wanted of ['running', 'paused', 'stopped', 'saved'] as const) {
      expect(decide(intent({ isDeleting: true, wanted }), observed(name))).toEqual(action);
    }
  });

  test.for(['running', 'paused'] as const)('an edit of one that is %s is applied first', (name) => {
    expect(decide(intent({ generation: 2 }), observed(name))).toEqual(apply);
  });
  test.for(['starting', 'stopping', 'saving'] as const)('an edit waits while it is %s', (name) => {
    expect(decide(intent({ generation: 2 }), observed(name))).toBeUndefined();
  });
  test('an edit of one that is off is told to the host when it starts', () => {
    expect(decide(intent({ generation: 2, wanted: 'stopped' }), observed('stopped'))).toBeUndefined();
    expect(decide(intent({ generation: 2 }), observed('stopped'))).toEqual(start);
  });

  /** A host that does what it is told: every wanted state is reached and then nothing more is done. */
  test('from any state, obeyed decisions arrive in at most four steps and stay', () => {
    const anyState = fc.constantFrom<Name | 'absent'>('absent', ...(Object.keys(states) as Name[]));
    const anyWanted = fc.constantFrom<Intent['wanted']>('running', 'paused', 'stopped', 'saved');
    fc.assert(
      fc.property(anyState, anyWanted, fc.boolean(), fc.boolean(), (from, wanted, isForced, isDeleting) => {
        let asked = intent({ wanted, isForced, isDeleting });
        let at: Observed | 'forgotten' = observed(from);
        let steps = 0;
        while (at !== 'forgotten') {
          const action = decide(asked, at);
          if (action === undefined) break;
          expect(++steps).toBeLessThanOrEqual(4);
          if (action.do === 'forget') at = 'forgotten';
          else if (action.do === 'accept') asked = { ...asked, wanted: action.wanted };
          else at = obey(action);
        }
        if (isDeleting && from !== 'saving') expect(at).toBe('forgotten');
      }),
    );
  });
});

function obey(action: Action): Observed {
  if (action.do === 'remove') return observed('absent');
  if (action.do !== 'power') return observed('fresh');
  switch (action.verb) {
    case 'start':
      return observed(action.isPaused === true ? 'paused' : 'running');
    case 'resume':
    case 'reset':
      return observed('running');
    case 'pause':
      return observed('paused');
    case 'save':
      return observed('saved');
    case 'stop':
    case 'kill':
    case 'discard':
      return observed('stopped');
  }
}
