/** What a checkpoint is worth: what the guest had under way when it was taken, and how that is known. Pure but for the freeze. */
import type { AgentFacet, Freeze, VmId, VmObservation } from '@oriel/hosts';
import type { Consistency } from '../../../api/checkpoint.ts';

export interface Worth {
  readonly consistency: Consistency;
  /** For people. */
  readonly reason: string;
}

const crash = (reason: string): Worth => ({ consistency: 'crash', reason });

/** What is known without asking the guest; undefined: it runs, and its agent may freeze it. */
export function worthAtRest(seen: VmObservation | undefined): Worth | undefined {
  if (seen === undefined) return { consistency: 'file-system', reason: 'it has not run yet' };
  const { state } = seen;
  switch (state.state) {
    case 'running':
      return undefined;
    case 'stopped':
      return state.reason === 'guest' || state.reason === 'requested' || state.reason === 'never-started'
        ? { consistency: 'file-system', reason: 'it was off' }
        : crash('it was off after it had been forced, or had died');
    case 'saved':
      return crash('it was saved: what its memory holds is not in it');
    case 'paused':
    case 'starting':
    case 'stopping':
    case 'saving':
    case 'broken':
      return crash(`it was ${state.state}, and its guest could not be asked`);
  }
}

/** How long a guest stays frozen at most: the snapshots of all its disks take a fraction of it. */
const GUARD_MS = 10_000;

/** Runs the work while the guest is frozen, where it can be; gives what the result is worth. The guest is thawed in any case. */
export async function whileFrozen(
  vm: VmId,
  seen: VmObservation | undefined,
  agent: AgentFacet | undefined,
  work: () => Promise<void>,
): Promise<Worth> {
  const known =
    worthAtRest(seen) ?? (agent === undefined ? crash('its host cannot ask the guest to freeze') : undefined);
  if (known !== undefined || agent === undefined || seen?.isAgentConnected !== true) {
    await work();
    return known ?? crash('it has no guest agent that answers');
  }
  let freeze: Freeze;
  try {
    freeze = await agent.freeze(vm, { guardMs: GUARD_MS });
  } catch (error) {
    await work();
    return crash(`its guest could not freeze: ${error instanceof Error ? error.message : String(error)}`);
  }
  let wasLost = false;
  try {
    await work();
    wasLost = freeze.lost.aborted;
  } finally {
    await freeze.thaw().catch(() => (wasLost = true));
  }
  if (wasLost) return crash('its guest thawed before all disks were done');
  const count = freeze.fileSystems;
  return { consistency: 'file-system', reason: `the guest froze ${count} file system${count === 1 ? '' : 's'}` };
}
