/** The state of a VM or desktop as a word with a colour; never the colour alone. */
import { Label } from '@patternfly/react-core';
import type { VmState } from '../../../../api/vm.ts';

type Colour = 'green' | 'grey' | 'blue' | 'orange' | 'red' | 'purple';

const STATES: Readonly<Record<VmState, { readonly word: string; readonly color: Colour }>> = {
  running: { word: 'Running', color: 'green' },
  starting: { word: 'Starting', color: 'blue' },
  stopping: { word: 'Stopping', color: 'blue' },
  saving: { word: 'Saving', color: 'blue' },
  deleting: { word: 'Deleting', color: 'blue' },
  paused: { word: 'Paused', color: 'orange' },
  blocked: { word: 'Blocked', color: 'orange' },
  saved: { word: 'Saved', color: 'purple' },
  stopped: { word: 'Stopped', color: 'grey' },
  failed: { word: 'Failed', color: 'red' },
  unknown: { word: 'Unknown', color: 'grey' },
};

export function StateLabel({ state }: { readonly state: VmState }) {
  const { word, color } = STATES[state];
  return (
    <Label color={color} isCompact>
      {word}
    </Label>
  );
}
