/** What lies over a screen or a terminal while its connection is not there: why, and what happens next. */
import { Button, Spinner } from '@patternfly/react-core';
import { useEffect, useState } from 'react';
import { Link as RouterLink } from 'react-router';
import { text } from '../../text/text.ts';
import type { LinkState } from './link.ts';

const words = text.session.link;

interface LinkNoticeProps {
  /** What is being opened, in words. */
  readonly opening: string;
  readonly link: LinkState;
  /** What is waited for, where it is not only the connection. */
  readonly wait?: string | undefined;
  readonly onRetry: () => void;
  readonly onReopen: () => void;
}

/** A first connection is given a moment before the page says that it waits; a loss is said at once. */
const PATIENCE_MS = 400;

export function LinkNotice({ opening, link, wait, onRetry, onReopen }: LinkNoticeProps) {
  const isLate = useIsLate(link);
  switch (link.kind) {
    case 'connected':
      return null;
    case 'opening':
      if (!isLate) return null;
      return (
        <div className="oriel-notice">
          <Spinner size="lg" aria-label={opening} />
          <p>{wait ?? text.session.opening.now(opening)}</p>
        </div>
      );
    case 'waiting':
    case 'retrying':
      return (
        <div className="oriel-notice">
          <Spinner size="lg" aria-label={words.reconnecting} />
          <p className="oriel-notice__why">{link.why}</p>
          <p>{words.reconnectingNow(link.attempt)}</p>
          {link.kind === 'waiting' && 1000 <= link.delayMs && (
            <Button variant="secondary" onClick={onRetry}>
              {words.tryNow}
            </Button>
          )}
        </div>
      );
    case 'ended':
      return (
        <div className="oriel-notice">
          <p className="oriel-notice__why">{link.why}</p>
          <div className="oriel-notice__actions">
            {link.canReopen && (
              <Button variant="primary" onClick={onReopen}>
                {words.openAgain}
              </Button>
            )}
            <RouterLink to="/desktops" className="pf-v6-c-button pf-m-secondary">
              {text.session.bar.allDesktops}
            </RouterLink>
          </div>
        </div>
      );
  }
}

function useIsLate(link: LinkState): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [link.kind]);
  return isLate;
}
