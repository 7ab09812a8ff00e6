/**
 * What to do next about one VM: pure, so that a table can hold every case. `decide` compares what is wanted with what
 * the host reports and names one action; the reconciler does it, looks again and asks again, until there is nothing to do.
 */
import type { VmState as HostVmState, PowerVerb } from '@oriel/hosts';
import type { WantedState } from '../../../api/vm.ts';

/** What the store says about a VM. */
export interface Intent {
  readonly wanted: WantedState;
  /** Epoch ms of the last time somebody asked for it. What a guest did before that is history. */
  readonly wantedAt: number;
  /** Stop at once, and throw a saved state away. */
  readonly isForced: boolean;
  /** Set once somebody deletes the VM; there is no way back. */
  readonly isDeleting: boolean;
  readonly generation: number;
}

/** What the host says about it. */
export type Observed =
  | { readonly state: 'absent' }
  | { readonly state: 'present'; readonly vm: HostVmState; readonly since: number; readonly generation: number };

export type Action =
  /** It changed in the store while it runs: the host is told. One that is off is told when it starts. */
  | { readonly do: 'apply' }
  /** `start` also defines it: only then are its disks served, and only then do their addresses count. */
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
  const isStale = observed.state === 'present' && observed.generation < intent.generation;
  if (isStale && (observed.vm.state === 'running' || observed.vm.state === 'paused')) return { do: 'apply' };
  switch (intent.wanted) {
    case 'running':
    case 'paused':
      return towardsRunning(intent, observed, intent.wanted === 'paused');
    case 'stopped':
      return observed.state === 'absent' ? undefined : towardsStopped(intent, observed.vm);
    case 'saved':
      return towardsSaved(observed);
  }
}

function decideDeletion(observed: Observed): Action | undefined {
  if (observed.state === 'absent') return { do: 'forget' };
  switch (observed.vm.state) {
    case 'stopped':
    case 'broken':
      return { do: 'remove' };
    case 'saved':
      return { do: 'power', verb: 'discard' };
    case 'saving':
      return undefined;
    case 'starting':
    case 'running':
    case 'paused':
    case 'stopping':
      return { do: 'power', verb: 'kill' };
  }
}

function towardsRunning(intent: Intent, observed: Observed, isPaused: boolean): Action | undefined {
  if (observed.state === 'absent') return { do: 'power', verb: 'start', isPaused };
  const { vm, since } = observed;
  switch (vm.state) {
    case 'stopped':
      // A guest that shuts itself down means it, if it did so after somebody last asked for it to run.
      if (vm.reason === 'guest' && intent.wantedAt <= since) {
        return { do: 'accept', wanted: 'stopped', why: 'the guest shut down' };
      }
      return { do: 'power', verb: 'start', isPaused };
    case 'saved':
    case 'broken': // A start defines it anew.
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
      return undefined;
  }
}

function towardsStopped(intent: Intent, vm: HostVmState): Action | undefined {
  switch (vm.state) {
    case 'running':
    case 'paused':
      return { do: 'power', verb: intent.isForced ? 'kill' : 'stop' };
    case 'stopping':
    case 'starting':
      return intent.isForced ? { do: 'power', verb: 'kill' } : undefined;
    case 'saved':
      // A saved state is work that somebody may want back: only force throws it away.
      return intent.isForced ? { do: 'power', verb: 'discard' } : undefined;
    case 'stopped':
    case 'saving':
    case 'broken':
      return undefined;
  }
}

function towardsSaved(observed: Observed): Action | undefined {
  const stopped: Action = { do: 'accept', wanted: 'stopped', why: 'it stopped before it was saved' };
  if (observed.state === 'absent') return stopped;
  switch (observed.vm.state) {
    case 'running':
    case 'paused':
      return { do: 'power', verb: 'save' };
    case 'stopped':
      return stopped;
    case 'starting':
    case 'stopping':
    case 'saving':
    case 'saved':
    case 'broken':
      return undefined;
  }
}
