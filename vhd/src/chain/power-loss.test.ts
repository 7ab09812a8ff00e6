/**
 * FLUSHED-IS-SAFE for a disk in use: random programs on chains, cut at every write, in every order the storage may
 * choose. The states are opened for writing, as a service would after a crash, and used on.
 */
import { describe, expect, test } from 'vitest';
import { DiskProgram } from '../testing/disk-program.ts';
import { LEAST_CUTS, replayPowerCuts } from '../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, TEST_DEPTH } from '../testing/random.ts';

describe('FLUSHED-IS-SAFE', () => {
  const programs = 12;
  const states = Math.ceil((LEAST_CUTS.disk * TEST_DEPTH) / programs);
  let total = 0;
  for (let seed = 1; seed <= programs; seed++) {
    test(`a chain in use survives a power cut at any write, program ${seed}`, {
      timeout: DEEP_TIMEOUT_MS,
    }, async () => {
      const program = new DiskProgram(seed);
      await program.prepare();
      await program.run(30);
      const tried = await replayPowerCuts(program.recording, {
        seed,
        states,
        check: (storage, cut) => program.check(storage, cut),
      });
      expect(tried).toBeGreaterThan(program.recording.log.length);
      total += tried;
    });
  }
  test('the cut points together are as many as promised', () => {
    expect(total).toBeGreaterThanOrEqual(LEAST_CUTS.disk * TEST_DEPTH);
  });
});
