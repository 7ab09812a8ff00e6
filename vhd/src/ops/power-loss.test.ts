/**
 * FLUSHED-IS-SAFE and SEALED-STAYS for every operation: cut at every entry of its log, in seeded orders that the storage
 * may choose. What must hold then is in testing/scenarios.ts.
 */
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../disk/memory-storage.ts';
import { replayPowerCuts } from '../disk/testing/power-cuts.ts';
import { Random, TEST_DEPTH } from '../disk/testing/random.ts';
import { RecordingStorage } from '../disk/testing/recording-storage.ts';
import { makeKnownChain } from './testing/chains.ts';
import { SIZE_BYTES, scenarios } from './testing/scenarios.ts';

const STATES = Math.round(1060 * TEST_DEPTH);

describe('FLUSHED-IS-SAFE and SEALED-STAYS, every operation', () => {
  let total = 0;
  for (const [i, scenario] of scenarios.entries()) {
    test(`${scenario.it} survives a power cut at any write`, async () => {
      const inner = new MemoryStorage();
      const chain = await makeKnownChain(inner, new Random(301 + i), {
        links: 3,
        sizeBytes: SIZE_BYTES,
        ...scenario.plan,
      });
      await scenario.before?.(inner, chain);
      const recording = new RecordingStorage(inner);
      recording.start();
      await scenario.run(recording, chain);
      const tried = await replayPowerCuts(recording, {
        seed: i,
        states: STATES,
        check: (storage) => scenario.check(storage, chain),
      });
      expect(tried).toBeGreaterThan(recording.log.length);
      total += tried;
    });
  }
  test('the cut points together are as many as promised', () => expect(total).toBeGreaterThan(14_000 * TEST_DEPTH));
});
