/** The state of the connection in words, for screen readers and for whoever looks for it. */

import type { Desktop } from '../../../../api/desktop.ts';
import { text } from '../../text/text.ts';
import type { LinkState } from './link.ts';

const words = text.session.link;

interface LinkStatusProps {
  readonly link: LinkState;
  readonly name: string;
  readonly isViewOnly: boolean;
  /** Connected to a machine that stands still is not what a person calls connected. */
  readonly state?: Desktop['state'] | undefined;
}

export function LinkStatus({ link, name, isViewOnly, state }: LinkStatusProps) {
  return (
    <div role="status" className="pf-v6-screen-reader">
      {statusText(link, name, isViewOnly, state)}
    </div>
  );
}

/** Pure. */
export function statusText(
  link: LinkState,
  name: string,
  isViewOnly: boolean,
  state: Desktop['state'] = 'running',
): string {
  switch (link.kind) {
    case 'opening':
      return words.statusOpening(name);
    case 'connected':
      if (state === 'paused' || state === 'blocked') return text.session.states.is[state](name);
      return isViewOnly ? words.statusLooking(name) : words.statusConnected(name);
    case 'waiting':
    case 'retrying':
      return words.statusReconnecting(name, link.why);
    case 'ended':
      return words.statusEnded(name, link.why);
  }
}
