/** Power verbs of a VM: which there are, from which states they make sense, and how they are called. */
import {
  ON_STATES,
  pauseVm,
  resetVm,
  resumeVm,
  saveVm,
  startVm,
  stopVm,
  type Vm,
  type VmState,
} from '../../../api/vm.ts';
import { text } from '../text/text.ts';
import { client } from './client.ts';

const words = text.api.power;

export type PowerId = 'start' | 'shutdown' | 'pause' | 'resume' | 'save' | 'reset' | 'off';

export interface PowerVerb {
  readonly id: PowerId;
  readonly label: string;
  readonly done: string;
  /** Loses what the guest has not saved. */
  readonly isHarsh: boolean;
  readonly from: readonly VmState[];
}

export const START: PowerVerb = {
  id: 'start',
  label: words.start,
  done: 'starting',
  isHarsh: false,
  from: ['stopped', 'saved', 'failed'],
};

export const POWER_VERBS: readonly PowerVerb[] = [
  START,
  { id: 'shutdown', label: words.shutDown, done: words.askedShutDown, isHarsh: false, from: ['running'] },
  { id: 'pause', label: words.pause, done: 'paused', isHarsh: false, from: ['running'] },
  { id: 'resume', label: words.resume, done: words.goes, isHarsh: false, from: ['paused'] },
  { id: 'save', label: words.saveStop, done: 'saving', isHarsh: false, from: ['running', 'paused'] },
  { id: 'reset', label: words.reset, done: 'reset', isHarsh: true, from: ON_STATES },
  {
    id: 'off',
    label: words.powerOff,
    done: words.poweredOff,
    isHarsh: true,
    from: [...ON_STATES, 'starting', 'stopping'],
  },
];

export function runPower(vmId: string, verb: PowerId): Promise<Vm> {
  const params = { vmId };
  switch (verb) {
    case 'start':
      return client.call(startVm, { params });
    case 'shutdown':
      return client.call(stopVm, { params, body: { force: false } });
    case 'off':
      return client.call(stopVm, { params, body: { force: true } });
    case 'pause':
      return client.call(pauseVm, { params });
    case 'resume':
      return client.call(resumeVm, { params });
    case 'save':
      return client.call(saveVm, { params });
    case 'reset':
      return client.call(resetVm, { params });
  }
}
