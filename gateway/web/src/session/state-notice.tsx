/** Over the screen while the machine does not run: says so, and lets who may start it. The page connects by itself then. */
import { Button, Spinner } from '@patternfly/react-core';
import { useState } from 'react';
import { Link as RouterLink } from 'react-router';
import type { Desktop } from '../../../api/desktop.ts';
import { sentence } from '../api/client.ts';
import { runPower } from '../api/power.ts';
import { useNotices } from '../shell/frame/notices.tsx';
import { text } from '../text/text.ts';

const words = text.session.off;

/** States in which there is no screen, and none is on its way. */
const OFF: readonly Desktop['state'][] = ['stopped', 'saved', 'failed'];
const ON_ITS_WAY: readonly Desktop['state'][] = ['starting', 'stopping', 'saving', 'deleting'];

export function hasNoScreen(desktop: Desktop | undefined): desktop is Desktop {
  return desktop !== undefined && (OFF.includes(desktop.state) || ON_ITS_WAY.includes(desktop.state));
}

export function StoppedNotice({ desktop }: { readonly desktop: Desktop }) {
  const [isBusy, setBusy] = useState(false);
  const notices = useNotices();
  const { name, state, reason, rights } = desktop;
  const start = async () => {
    setBusy(true);
    try {
      await runPower(desktop.id, 'start');
    } catch (error) {
      notices.failed(words.startFailed, error);
    } finally {
      setBusy(false);
    }
  };
  if (ON_ITS_WAY.includes(state)) {
    return (
      <div className="oriel-notice">
        <Spinner size="lg" aria-label={words.onItsWay(name, state)} />
        <p>{words.onItsWayNow(name, state)}</p>
      </div>
    );
  }
  return (
    <div className="oriel-notice">
      <p className="oriel-notice__why">{words[state === 'failed' || state === 'saved' ? state : 'stopped'](name)}</p>
      {reason !== null && <p>{sentence(reason)}</p>}
      <div className="oriel-notice__actions">
        {rights.includes('power') && (
          <Button isLoading={isBusy} isDisabled={isBusy} onClick={() => void start()}>
            {words.start}
          </Button>
        )}
        <RouterLink to="/desktops" className="pf-v6-c-button pf-m-secondary">
          {text.session.bar.allDesktops}
        </RouterLink>
      </div>
    </div>
  );
}
