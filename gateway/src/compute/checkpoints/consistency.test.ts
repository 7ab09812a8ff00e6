/** What a checkpoint is worth, against every state of a VM and everything that can go wrong with a freeze. */
import type { AgentFacet, VmObservation, VmState } from '@oriel/hosts';
import { expect, test } from 'vitest';
import { whileFrozen, worthAtRest } from './consistency.ts';

const seen = (state: VmState, isAgentConnected = true): VmObservation =>
  ({ id: 'v', state, isAgentConnected }) as unknown as VmObservation;
const running = seen({ state: 'running' });

test.for<{ it: string; seen: VmObservation | undefined; worth: 'file-system' | 'crash' | undefined }>([
  { it: 'that never ran', seen: undefined, worth: 'file-system' },
  { it: 'that runs', seen: running, worth: undefined },
  { it: 'whose guest shut down', seen: seen({ state: 'stopped', reason: 'guest' }), worth: 'file-system' },
  { it: 'that was stopped', seen: seen({ state: 'stopped', reason: 'requested' }), worth: 'file-system' },
  { it: 'that was forced off', seen: seen({ state: 'stopped', reason: 'forced' }), worth: 'crash' },
  { it: 'that died', seen: seen({ state: 'stopped', reason: 'died' }), worth: 'crash' },
  { it: 'that is saved', seen: seen({ state: 'saved', savedAt: 1 }), worth: 'crash' },
  { it: 'that is paused', seen: seen({ state: 'paused', reason: { kind: 'requested' } }), worth: 'crash' },
  { it: 'that starts', seen: seen({ state: 'starting' }), worth: 'crash' },
])('a VM $it', ({ seen: one, worth }) => {
  expect(worthAtRest(one)?.consistency).toBe(worth);
});

const lost = AbortSignal.abort();
const held = new AbortController().signal;
const agent = (freeze: object | Error): AgentFacet =>
  ({ freeze: async () => (freeze instanceof Error ? Promise.reject(freeze) : freeze) }) as unknown as AgentFacet;

test.for<{ it: string; agent: AgentFacet | undefined; seen?: VmObservation; worth: string; reason: string }>([
  {
    it: 'that freezes',
    agent: agent({ fileSystems: 2, lost: held, thaw: async () => undefined }),
    worth: 'file-system',
    reason: 'the guest froze 2 file systems',
  },
  {
    it: 'that thaws too early',
    agent: agent({ fileSystems: 1, lost, thaw: async () => undefined }),
    worth: 'crash',
    reason: 'its guest thawed before all disks were done',
  },
  {
    it: 'that says so only when it is thawed',
    agent: agent({ fileSystems: 1, lost: held, thaw: async () => Promise.reject(new Error('FREEZE_LOST')) }),
    worth: 'crash',
    reason: 'its guest thawed before all disks were done',
  },
  { it: 'that refuses', agent: agent(new Error('busy')), worth: 'crash', reason: 'its guest could not freeze: busy' },
  {
    it: 'of a host that cannot ask',
    agent: undefined,
    worth: 'crash',
    reason: 'its host cannot ask the guest to freeze',
  },
  {
    it: 'without an agent',
    agent: agent(new Error('never asked')),
    seen: seen({ state: 'running' }, false),
    worth: 'crash',
    reason: 'it has no guest agent that answers',
  },
])('a guest $it: the work is done once, and its worth is said', async ({ agent: one, seen: state, worth, reason }) => {
  let times = 0;
  const found = await whileFrozen('v' as never, state ?? running, one, async () => void (times += 1));
  expect(found).toEqual({ consistency: worth, reason });
  expect(times).toBe(1);
});

// Guards the `finally`.
test('a guest is thawed also when the snapshots fail', async () => {
  let isThawed = false;
  const one = agent({ fileSystems: 1, lost: held, thaw: async () => void (isThawed = true) });
  const failing = whileFrozen('v' as never, running, one, async () => Promise.reject(new Error('no space')));
  await expect(failing).rejects.toThrow('no space');
  expect(isThawed).toBe(true);
});
