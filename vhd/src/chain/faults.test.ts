/**
 * A disk whose storage fails: at every call of a program, once with EIO and once with ENOSPC. Each call of the disk ends
 * with an error that says so or did what it should; nothing that was flushed is lost, not even by a power cut afterwards;
 * the image opens again.
 */
import { describe, expect, test } from 'vitest';
import { DiskProgram } from '../testing/disk-program.ts';
import { type Fault, FaultyStorage } from '../testing/faulty-storage.ts';
import { replayPowerCuts } from '../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, TEST_DEPTH } from '../testing/random.ts';

const STEPS = 14;

async function countCalls(seed: number, fault: Fault): Promise<number> {
  let faulty: FaultyStorage | undefined;
  const program = new DiskProgram(seed, (recording) => {
    faulty = new FaultyStorage(recording, undefined, fault);
    return faulty;
  });
  await program.prepare();
  expect(await program.run(STEPS)).toEqual([]);
  return faulty?.calls ?? 0;
}

describe('a storage that fails', () => {
  for (const fault of ['EIO', 'ENOSPC'] as const) {
    for (let seed = 1; seed <= 2 * TEST_DEPTH; seed++) {
      test(`${fault} at every call of program ${seed}: a clear error, nothing lost, and it opens again`, {
        timeout: DEEP_TIMEOUT_MS,
      }, async () => {
        const calls = await countCalls(seed, fault);
        expect(calls).toBeGreaterThan(5);
        for (let at = 0; at < calls; at++) {
          let faulty: FaultyStorage | undefined;
          const program = new DiskProgram(seed, (recording) => {
            faulty = new FaultyStorage(recording, at, fault);
            return faulty;
          });
          await program.prepare();
          const errors = await program.run(STEPS);
          const expected = fault === 'EIO' ? 'IO' : 'NO_SPACE';
          expect(errors.filter((error) => error.code !== expected && error.code !== 'IO')).toEqual([]);
          // A write-out nobody waited for may have met the fault and been made good by the next flush; a sibling that
          // cannot be read is passed over when children are looked for.
          if (errors.length === 0) expect(faulty?.failed).toMatch(/write|read|open/);
          await replayPowerCuts(program.recording, {
            seed: at,
            states: 6,
            isEndOnly: true,
            check: (storage, cut) => program.check(storage, cut),
          });
        }
      });
    }
  }
});
