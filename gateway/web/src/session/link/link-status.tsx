/** The state of the connection in words, for screen readers and for whoever looks for it. */

import { text } from '../../text/text.ts';
import type { LinkState } from './link.ts';

const words = text.session.link;

interface LinkStatusProps {
  readonly link: LinkState;
  readonly name: string;
  readonly isViewOnly: boolean;
}

export function LinkStatus({ link, name, isViewOnly }: LinkStatusProps) {
  return (
    <div role="status" className="pf-v6-screen-reader">
      {statusText(link, name, isViewOnly)}
    </div>
  );
}

/** Pure. */
export function statusText(link: LinkState, name: string, isViewOnly: boolean): string {
  switch (link.kind) {
    case 'opening':
      return words.statusOpening(name);
    case 'connected':
      return isViewOnly ? words.statusLooking(name) : words.statusConnected(name);
    case 'waiting':
    case 'retrying':
      return words.statusReconnecting(name, link.why);
    case 'ended':
      return words.statusEnded(name, link.why);
  }
}
