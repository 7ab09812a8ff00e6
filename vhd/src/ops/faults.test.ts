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
import { abortMerge, describeMerge, findPendingMerge, finishPending } from './finish.ts';
import { mergeImage } from './merge.ts';
import { resizeImage } from './resize.ts';
import { makeKnownChain, readAll } from './testing/chains.ts';
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

describe('a merge that is killed anywhere', () => {
  const GROWN_BYTES = SIZE_BYTES + (1 << 20);
  /** What is told of from every image that a person may name. */
  function toldFrom(storage: MemoryStorage, names: readonly string[]): ReturnType<typeof findPendingMerge> {
    const there = names.filter((name) => storage.stat(name) !== undefined);
    const told = there.map((name) => findPendingMerge(name, { storage }));
    const words = told.map((merge) => (merge === undefined ? '' : describeMerge(merge)));
    expect(new Set(words).size).toBe(1);
    return told[0];
  }

  test('is told of from above and from below, can be gone on with, and given up until links change', async () => {
    const prepared = new MemoryStorage();
    const chain = await makeKnownChain(prepared, new Random(77), { links: 2, sizeBytes: SIZE_BYTES });
    const [parent = '', leaf = ''] = chain.names;
    await resizeImage(leaf, { storage: prepared, sizeBytes: GROWN_BYTES });
    const content = Buffer.concat([chain.content], GROWN_BYTES);
    const counting = new FaultyStorage(copyOf(prepared));
    await mergeImage(leaf, { storage: counting });
    const seen = { begun: 0, aborted: 0 };
    for (let at = 0; at < counting.calls; at++) {
      const storage = copyOf(prepared);
      await mergeImage(leaf, { storage: new FaultyStorage(storage, at, 'KILLED') }).catch(() => undefined);
      const merge = toldFrom(storage, chain.names);
      const isBegun = [...storage.nodes.keys()].some((name) => name.endsWith('.journal'));
      expect({ at, isTold: merge !== undefined }).toEqual({ at, isTold: isBegun });
      if (merge === undefined) continue;
      seen.begun++;
      if (merge.canAbort) {
        seen.aborted++;
        const given = copyOf(storage);
        await abortMerge(parent, { storage: given });
        expect(findPendingMerge(leaf, { storage: given })).toBeUndefined();
        await finishPending(leaf, { storage: given }); // A change of the size of the parent, which does no harm.
        expect((await readAll(leaf, given)).equals(content)).toBe(true);
      }
      await finishPending(merge.at, { storage });
      expect({ at, left: storage.stat(leaf) }).toEqual({ at, left: undefined });
      expect((await readAll(parent, storage)).equals(content)).toBe(true);
    }
    expect(seen.begun).toBeGreaterThan(counting.calls / 2);
    expect(seen.aborted).toBeGreaterThan(10);
  });
});
