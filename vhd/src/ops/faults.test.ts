/**
 * Operations whose storage fails: at calls spread over each operation, once with EIO and once with ENOSPC, writes cut
 * short. The operation ends with an error that has a code, or did what it should; nothing is lost, and the images open
 * again. What must hold then is in testing/scenarios.ts.
 */
import { describe, expect, test } from 'vitest';
import { VhdError } from '../errors.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { type Fault, FaultyStorage } from '../testing/faulty-storage.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../testing/random.ts';
import { makeKnownChain } from './testing/chains.ts';
import { SIZE_BYTES, scenarios } from './testing/scenarios.ts';

const MOST_CALLS = Math.round(45 * TEST_DEPTH);

/** A copy that can be worked on. */
function copyOf(storage: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  for (const [name, node] of storage.nodes) copy.put(name, node.content.clone(), node.isWritable);
  return copy;
}

describe('a storage that fails under an operation', () => {
  for (const [i, scenario] of scenarios.entries()) {
    for (const fault of ['EIO', 'ENOSPC'] as const satisfies readonly Fault[]) {
      test(`${scenario.it}, ${fault}`, { timeout: DEEP_TIMEOUT_MS }, async () => {
        const prepared = new MemoryStorage();
        const plan = { links: 3, sizeBytes: SIZE_BYTES, ...scenario.plan };
        const chain = await makeKnownChain(prepared, new Random(500 + i), plan);
        await scenario.before?.(prepared, chain);
        const counting = new FaultyStorage(copyOf(prepared), undefined, fault);
        await scenario.run(counting, chain);
        const step = Math.max(1, Math.floor(counting.calls / MOST_CALLS));
        for (let at = 0; at < counting.calls; at += step) {
          const storage = copyOf(prepared);
          const faulty = new FaultyStorage(storage, at, fault);
          let failure: unknown;
          await scenario.run(faulty, chain).catch((error: unknown) => (failure = error));
          if (failure !== undefined) expect(failure).toBeInstanceOf(VhdError);
          try {
            await scenario.check(storage, chain);
          } catch (cause) {
            throw new Error(`after ${faulty.failed ?? 'nothing'} (call ${at} of ${counting.calls}): ${String(cause)}`, {
              cause,
            });
          }
        }
      });
    }
  }
});
