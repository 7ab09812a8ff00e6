/**
 * Freezing a guest's file systems, and the guard that always thaws: by time, when our caller is gone, and, through a record
 * in the run folder, when we are gone and the next driver finds it. A frozen guest is a hung guest.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Freeze, FreezeOptions } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import { saveRecord } from '../vm/record.ts';
import type { QemuVm } from '../vm/vm.ts';
import { askAgent } from './ask.ts';

export const FREEZE_GUARD_MS = 10_000;
const THAW = { attempts: 20, timeoutMs: 3_000, pauseMs: 500 } as const;

export async function freezeGuest(vm: QemuVm, options: FreezeOptions): Promise<Freeze> {
  const guardMs = options.guardMs ?? FREEZE_GUARD_MS;
  const lost = new AbortController();
  let thawing: Promise<void> | undefined;
  const thawOnce = (): Promise<void> => {
    thawing ??= thawGuest(vm);
    return thawing;
  };
  // Before the freeze: from here on there is no way out that does not thaw.
  await saveRecord(vm.paths.freeze, { version: 1, until: vm.host.now() + guardMs });
  const guard = setTimeout(() => {
    lost.abort(new HostError('FREEZE_LOST', `the guest of ${vm.id} was thawed by its guard after ${guardMs} ms`));
    thawOnce().catch(() => undefined);
  }, guardMs);
  try {
    const count = await askAgent(vm, 'guest-fsfreeze-freeze', undefined, {
      ...options,
      timeoutMs: options.timeoutMs ?? guardMs,
    });
    if (lost.signal.aborted) throw lost.signal.reason;
    return {
      fileSystems: Number(count),
      lost: lost.signal,
      thaw: async () => {
        clearTimeout(guard);
        await thawOnce();
        if (lost.signal.aborted) throw lost.signal.reason;
      },
    };
  } catch (error) {
    clearTimeout(guard);
    await thawOnce().catch(() => undefined); // A freeze that timed out may still happen.
    throw error;
  }
}

/** Asks until the agent says that nothing is frozen any more, or the VM is gone. */
export async function thawGuest(vm: QemuVm): Promise<void> {
  let last: unknown;
  for (let attempt = 0; attempt < THAW.attempts && vm.process !== undefined; attempt++) {
    try {
      await askAgent(vm, 'guest-fsfreeze-thaw', undefined, { timeoutMs: THAW.timeoutMs });
      await rm(vm.paths.freeze, { force: true });
      return;
    } catch (error) {
      last = error;
      const refused = error instanceof HostError && (error.code === 'AGENT_REFUSED' || error.code === 'AGENT_ABSENT');
      if (refused) break; // It cannot freeze either, or nobody is there to be frozen.
      await delay(THAW.pauseMs);
    }
  }
  await rm(vm.paths.freeze, { force: true });
  if (vm.process !== undefined) throw last;
}
