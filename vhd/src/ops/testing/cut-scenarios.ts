/** Runs operations under power cuts; a test file calls it for its share of them, so that the shares run side by side. */
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import { LEAST_CUTS, replayPowerCuts } from '../../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../../testing/random.ts';
import { RecordingStorage } from '../../testing/recording-storage.ts';
import { makeKnownChain } from './chains.ts';
import { type Scenario, SIZE_BYTES } from './scenarios.ts';

/** One test for each operation, and one that counts: `share` is what the tests have to try together. */
export function cutScenarios(share: 'operations' | 'merges', scenarios: readonly Scenario[]): void {
  describe(`FLUSHED-IS-SAFE and SEALED-STAYS, ${share}`, () => {
    const states = Math.ceil((LEAST_CUTS[share] * TEST_DEPTH) / scenarios.length);
    let total = 0;
    for (const [i, scenario] of scenarios.entries()) {
      test(`${scenario.it} survives a power cut at any write`, { timeout: DEEP_TIMEOUT_MS }, async () => {
        const inner = new MemoryStorage();
        const plan = { links: 3, sizeBytes: SIZE_BYTES, ...scenario.plan };
        const chain = await makeKnownChain(inner, new Random(301 + i), plan);
        await scenario.before?.(inner, chain);
        const recording = new RecordingStorage(inner);
        recording.start();
        await scenario.run(recording, chain);
        const check = (storage: MemoryStorage): Promise<void> => scenario.check(storage, chain);
        const tried = await replayPowerCuts(recording, { seed: i, states, check });
        expect(tried).toBeGreaterThan(recording.log.length);
        total += tried;
      });
    }
    test('the cut points together are as many as promised', () => {
      expect(total).toBeGreaterThanOrEqual(LEAST_CUTS[share] * TEST_DEPTH);
    });
  });
}
