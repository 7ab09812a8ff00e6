/** Runs operations under power cuts; a test file calls it for its share of them, so that the shares run side by side. */
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from '../../disk/memory-storage.ts';
import { replayPowerCuts } from '../../disk/testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../../disk/testing/random.ts';
import { RecordingStorage } from '../../disk/testing/recording-storage.ts';
import { makeKnownChain } from './chains.ts';
import { type Scenario, SIZE_BYTES } from './scenarios.ts';

/** States for each operation. With those of disk/power-loss.test.ts, all operations together make more than 20,000. */
const STATES = Math.round(1250 * TEST_DEPTH);

/** One test for each operation, and one that counts. */
export function cutScenarios(name: string, scenarios: readonly Scenario[]): void {
  describe(name, () => {
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
        const tried = await replayPowerCuts(recording, { seed: i, states: STATES, check });
        expect(tried).toBeGreaterThan(recording.log.length);
        total += tried;
      });
    }
    test('the cut points together are as many as promised', () => {
      expect(total).toBeGreaterThan(1150 * TEST_DEPTH * scenarios.length);
    });
  });
}
