/**
 * FLUSHED-IS-SAFE and SEALED-STAYS under live verbs: random programs on a service with two disks of a VM, cut at every
 * write, sync and change of a name. Each state is opened by a fresh service, which finishes or undoes what was cut off.
 */
import { describe, expect, test } from 'vitest';
import { LEAST_CUTS, replayPowerCuts } from '../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, TEST_DEPTH } from '../testing/random.ts';
import { omitSyncs } from './testing/omitted-syncs.ts';
import { ServiceProgram } from './testing/service-program.ts';

const PROGRAMS = 11;
const STATES = Math.ceil((LEAST_CUTS.service * TEST_DEPTH) / PROGRAMS);

describe('a service with two disks of a VM survives a power cut at any moment', () => {
  let total = 0;
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    test(`program ${seed}`, { timeout: 5 * DEEP_TIMEOUT_MS }, async () => {
      const program = new ServiceProgram(seed);
      await program.prepare();
      await program.run(60);
      for (const [verb, count] of Object.entries(program.counts)) counts[verb] = (counts[verb] ?? 0) + count;
      total += await replayPowerCuts(program.recording, {
        seed,
        states: STATES,
        check: (storage, cut) => program.check(storage, cut),
      });
    });
  }

  test('the cut points together are as many as promised, and every verb was among them', () => {
    expect(total).toBeGreaterThanOrEqual(LEAST_CUTS.service * TEST_DEPTH);
    for (const verb of ['snapshot', 'remove', 'merge', 'commit', 'discard', 'grow', 'reparent', 'owner'])
      expect(counts[verb] ?? 0, verb).toBeGreaterThan(1);
  });
});

describe('a sync that is left out is found', () => {
  test.for([
    { of: 'the record of a disk', file: /disk\.json\.new$/ },
    { of: 'the record of a task', file: /tasks\/.*\.new$/ },
    { of: 'the file of a new leaf', file: /\/\.oriel-\d{4}\.vhd\./ },
    { of: 'a leaf that is flushed', file: /disks\/[ab]\/0001\.vhd$/ },
    { of: 'a journal', file: /journal/ },
    { of: 'the folder of a disk', folder: /disks\/[ab]$/ },
  ])('that of $of', { timeout: 3 * DEEP_TIMEOUT_MS }, async (what) => {
    const program = new ServiceProgram(3);
    await program.prepare();
    await program.run(60);
    expect(omitSyncs(program.recording, what)).toBeGreaterThan(0);
    const replayed = replayPowerCuts(program.recording, {
      seed: 3,
      states: 1500,
      check: (storage, cut) => program.check(storage, cut),
    });
    await expect(replayed).rejects.toThrow('power cut after');
  });
});
