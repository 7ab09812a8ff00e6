/**
 * What to do next about one VM: pure, so that a table can hold every case. `decide` compares what is wanted with what
 * the host reports and names one action; the reconciler does it, looks again and asks again, until there is nothing to do.
 */
import type { VmState as HostVmState, PowerVerb } from '@oriel/hosts';
import type { WantedState } from '../../shared/vm.ts';

/** What the store says about a VM. */
export interface Intent {
  readonly wanted: WantedState;
  /** Epoch ms of the last time somebody asked for it. What a guest did before that is history. */
  readonly wantedAt: number;
  /** Stop at once, and throw a saved state away. */
  readonly force: boolean;
  /** Set once somebody deletes the VM; there is no way back. */
  readonly isDeleting: boolean;
  readonly generation: number;
}

/** What the host says about it. */
export type Observed =
  | { readonly state: 'absent' }
  | { readonly state: 'present'; readonly vm: HostVmState; readonly since: number; readonly generation: number };

export type Action =
  /** Define it, or make the definition be as the store has it. */
  | { readonly do: 'apply' }
  | { readonly do: 'power'; readonly verb: PowerVerb; readonly isPaused?: boolean }
  /** The guest decided, and that counts: what is wanted becomes what is. */
  | { readonly do: 'accept'; readonly wanted: WantedState; readonly why: string }
  /** Take it off the host. */
  | { readonly do: 'remove' }
  /** It is off the host: see to its disks and drop its row. */
  | { readonly do: 'forget' };

/** The next step, or nothing: then either all is as wanted, or the host is at it and will report. */
export function decide(intent: Intent, observed: Observed): Action | undefined {
  if (intent.isDeleting) return decideDeletion(observed);
  if (observed.state === 'absent' || observed.vm.state === 'broken') return { do: 'apply' };
  if (observed.generation < intent.generation && isAtRest(observed.vm)) return { do: 'apply' };
  switch (intent.wanted) {
    case 'running':
      return towardsRunning(intent, observed.vm, observed.since, false);
    case 'paused':
      return towardsRunning(intent, observed.vm, observed.since, true);
    case 'stopped':
      return towardsStopped(intent, observed.vm);
    case 'saved':
      return towardsSaved(observed.vm);
  }
}

function decideDeletion(observed: Observed): Action | undefined {
  if (observed.state === 'absent') return { do: 'forget' };
  switch (observed.vm.state) {
    case 'stopped':
    case 'saved':
    case 'broken':
      return { do: 'remove' };
    case 'saving':
      return undefined;
    case 'starting':
    case 'running':
    case 'paused':
    case 'stopping':
      return { do: 'power', verb: 'kill' };
  }
}

/** Not in the middle of something, so that its definition can change. */
function isAtRest(vm: HostVmState): boolean {
  return vm.state === 'stopped' || vm.state === 'saved' || vm.state === 'running' || vm.state === 'paused';
}

function towardsRunning(intent: Intent, vm: HostVmState, since: number, isPaused: boolean): Action | undefined {
  switch (vm.state) {
    case 'stopped':
      // A guest that shuts itself down means it, if it did so after somebody last asked for it to run.
      if (vm.reason === 'guest' && intent.wantedAt <= since) {
        return { do: 'accept', wanted: 'stopped', why: 'the guest shut down' };
      }
      return { do: 'power', verb: 'start', isPaused };
    case 'saved':
      return { do: 'power', verb: 'start', isPaused };
    case 'running':
      return isPaused ? { do: 'power', verb: 'pause' } : undefined;
    case 'paused':
      // A crashed guest stays as it is: its screen says why, and only a person knows whether to reset it.
      if (isPaused || vm.reason.kind === 'guest-crashed') return undefined;
      return { do: 'power', verb: 'resume' };
    case 'starting':
    case 'stopping':
    case 'saving':
    case 'broken':
      return undefined;
  }
}

function towardsStopped(intent: Intent, vm: HostVmState): Action | undefined {
  switch (vm.state) {
    case 'running':
    case 'paused':
      return { do: 'power', verb: intent.force ? 'kill' : 'stop' };
    case 'stopping':
    case 'starting':
      return intent.force ? { do: 'power', verb: 'kill' } : undefined;
    case 'saved':
      // A saved state is work that somebody may want back: only force throws it away.
      return intent.force ? { do: 'power', verb: 'discard' } : undefined;
    case 'stopped':
    case 'saving':
    case 'broken':
      return undefined;
  }
}

function towardsSaved(vm: HostVmState): Action | undefined {
  switch (vm.state) {
    case 'running':
    case 'paused':
      return { do: 'power', verb: 'save' };
    case 'stopped':
      return { do: 'accept', wanted: 'stopped', why: 'it stopped before it was saved' };
    case 'starting':
    case 'stopping':
    case 'saving':
    case 'saved':
    case 'broken':
      return undefined;
  }
}
