/** A VM as the API shows it: the row, what the host reports, and how the last try went, put together. Pure. */
import type { PauseReason, StopReason, VmObservation } from '@oriel/hosts';
import type { Vm, VmState } from '../../../api/vm.ts';
import { iso } from '../../platform/store/time.ts';
import type { Retry } from './retry.ts';
import type { StoredVm } from './vm-store.ts';

export interface VmFacts {
  readonly hostName: string;
  /** Undefined: the host is not connected, so nobody knows. */
  readonly host: { readonly observation: VmObservation | undefined } | undefined;
  readonly retry: Retry | undefined;
}

export function vmView(vm: StoredVm, facts: VmFacts): Vm {
  const observation = facts.host?.observation;
  const isUp =
    observation !== undefined && observation.state.state !== 'stopped' && observation.state.state !== 'saved';
  return {
    id: vm.id,
    name: vm.name,
    description: vm.description,
    hostId: vm.hostId,
    hostName: facts.hostName,
    wanted: vm.wanted,
    ...named(vm, stateOf(vm, facts)),
    hardware: vm.hardware,
    disks: vm.disks.map(({ diskId, bus }) => ({ diskId, bus })),
    cdImageId: vm.cdImageId,
    sessionRules: vm.sessionRules,
    accelerator: observation?.accelerator ?? null,
    pendingRestart: [...(observation?.pendingRestart ?? [])],
    hasClipboard: observation?.hasClipboard ?? false,
    boots: observation?.boots ?? 0,
    startedAt: isUp && observation.state.state === 'running' ? iso(observation.since) : null,
    createdAt: iso(vm.createdAt),
    updatedAt: iso(vm.updatedAt),
    revision: vm.revision,
  };
}

/** A host knows its VMs by their ids; people know them by their names. */
function named({ id, name }: StoredVm, { state, reason }: StateAndReason): StateAndReason {
  return { state, reason: reason?.replaceAll(id, name) ?? null };
}

type StateAndReason = { readonly state: VmState; readonly reason: string | null };

export function stateOf(vm: Pick<StoredVm, 'wanted' | 'deleting'>, facts: VmFacts): StateAndReason {
  if (vm.deleting !== undefined) return { state: 'deleting', reason: facts.retry?.message ?? null };
  if (facts.host === undefined) return { state: 'unknown', reason: `host ${facts.hostName} is not connected` };
  const state = facts.host.observation?.state ?? { state: 'stopped' as const, reason: 'never-started' as const };
  const trouble = facts.retry !== undefined && 0 < facts.retry.failures ? facts.retry.message : null;
  switch (state.state) {
    case 'stopped':
    case 'saved':
      return atRest(
        state.state,
        vm.wanted,
        trouble,
        state.state === 'stopped' ? whyStopped(state.reason, state.detail) : null,
      );
    case 'paused':
      return paused(state.reason);
    case 'broken':
      return { state: 'failed', reason: trouble ?? state.message };
    case 'running':
    case 'starting':
    case 'stopping':
    case 'saving':
      return { state: state.state, reason: trouble };
  }
}

/** Off: as wanted, on its way up, or failing to come up. */
function atRest(
  state: 'stopped' | 'saved',
  wanted: StoredVm['wanted'],
  trouble: string | null,
  why: string | null,
): StateAndReason {
  if (wanted !== 'running' && wanted !== 'paused') return { state, reason: why };
  return trouble === null ? { state: 'starting', reason: null } : { state: 'failed', reason: trouble };
}

function paused(reason: PauseReason): StateAndReason {
  switch (reason.kind) {
    case 'requested':
      return { state: 'paused', reason: null };
    case 'io-error':
      return {
        state: 'blocked',
        reason: `${reason.device} cannot ${reason.operation}: ${reason.isOutOfSpace ? 'no space left' : reason.message}`,
      };
    case 'guest-crashed':
      return { state: 'paused', reason: 'the guest system crashed' };
    case 'other':
      return { state: 'paused', reason: reason.message };
  }
}

function whyStopped(reason: StopReason, detail: string | undefined): string | null {
  switch (reason) {
    case 'never-started':
    case 'requested':
      return null;
    case 'guest':
      return 'the guest shut down';
    case 'forced':
      return 'it was forced off';
    case 'died':
    case 'start-failed':
      return detail ?? (reason === 'died' ? 'it died' : 'it did not start');
  }
}
