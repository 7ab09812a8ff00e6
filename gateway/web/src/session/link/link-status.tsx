/** The state of the connection in words, for screen readers and for whoever looks for it. */
import type { LinkState } from './link.ts';

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
      return `Connecting to ${name}`;
    case 'connected':
      return `Connected to ${name}${isViewOnly ? ', view only' : ''}`;
    case 'waiting':
    case 'retrying':
      return `Reconnecting to ${name}. ${link.why}`;
    case 'ended':
      return `Disconnected from ${name}. ${link.why}`;
  }
}
