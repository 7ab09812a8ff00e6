/** The state of a VM or desktop as a word with a colour; never the colour alone. */
import { Label } from '@patternfly/react-core';
import type { VmState } from '../../../../api/vm.ts';
import { text } from '../../text/text.ts';

const words = text.shell.list.stateLabel;
const { common } = text;

type Colour = 'green' | 'grey' | 'blue' | 'orange' | 'red' | 'purple';

const STATES: Readonly<Record<VmState, { readonly word: string; readonly color: Colour }>> = {
  running: { word: words.running, color: 'green' },
  starting: { word: words.starting, color: 'blue' },
  stopping: { word: words.stopping, color: 'blue' },
  saving: { word: words.saving, color: 'blue' },
  deleting: { word: words.deleting, color: 'blue' },
  paused: { word: words.paused, color: 'orange' },
  blocked: { word: words.blocked, color: 'orange' },
  saved: { word: words.saved, color: 'purple' },
  stopped: { word: words.stopped, color: 'grey' },
  failed: { word: common.failed, color: 'red' },
  unknown: { word: words.unknown, color: 'grey' },
};

export function StateLabel({ state }: { readonly state: VmState }) {
  const { word, color } = STATES[state];
  return (
    <Label color={color} isCompact>
      {word}
    </Label>
  );
}
